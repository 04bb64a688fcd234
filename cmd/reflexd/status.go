// SPDX-License-Identifier: MIT

// The verbs status and reload: what is asked of the running agent.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"reflexd/agent"
	"reflexd/agent/control"
)

func statusVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.flags.Bool("json", false, "print it as JSON")
	return func([]string) int {
		var s agent.Status
		if err := control.Call(*socket, control.Request{Verb: "status"}, &s, patience); err != nil {
			return c.fail(err)
		}
		if *asJSON {
			return c.printJSON(s, done)
		}
		writeStatus(c.stdout, s)
		return done
	}
}

func reloadVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	force := c.flags.Bool("force", false, "accept a configuration without rules in place of one with rules")
	return func([]string) int {
		asked, err := json.Marshal(agent.ReloadRequest{Force: *force})
		if err == nil {
			err = control.Call(*socket, control.Request{Verb: "reload", Arguments: asked}, nil, patience)
		}
		if err != nil {
			c.fail(err)
			if errors.Is(err, control.ErrConfiguration) {
				fmt.Fprintln(c.stderr, "reflexd reload: not reloaded; the agent keeps its configuration")
				return wrong
			}
			return failed
		}
		return done
	}
}

func writeStatus(w io.Writer, s agent.Status) {
	uptime := time.Duration(s.Uptime * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(w, "reflexd %s, pid %d, up %v, %s in %s, %s\n", s.Version, s.Pid, uptime,
		counted(s.Events, "event"), counted(s.Wakeups, "wake-up"), counted(s.Reloads, "reload"))
	fmt.Fprintf(w, "configuration: %s\n", oneLine(strings.Join(s.Files, " ")))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "\nSOURCE\tNAME\tSTATE\t")
	for _, source := range s.Sources {
		for _, state := range source.States {
			detail := state.Detail
			if !state.OK {
				detail = "waiting: " + strings.Trim(detail+": "+state.Error, ": ")
			}
			row(table, source.Source, state.Name, detail)
		}
	}
	fmt.Fprintln(table, "\nRULE\tFIRED\tDROPPED\tUNMET\tFAILED\tNOW\t")
	for _, r := range s.Rules {
		now := strings.Join(r.Running, "; ")
		if r.Waiting > 0 {
			now += fmt.Sprintf(" (%d waiting)", r.Waiting)
		}
		if !r.Enabled {
			now = "disabled"
		}
		if r.Braked > 0 {
			now += fmt.Sprintf(" (stopped %d times in the cycle %s)", r.Braked, r.Circle)
		}
		row(table, r.Name, r.Fired, r.Dropped, r.Unmet, r.Failed, now)
	}
}
