// SPDX-License-Identifier: MIT

// The verbs status and reload: what is asked of the running agent.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"reflexd/agent"
	"reflexd/client"
)

func statusVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.jsonFlag()
	format := c.flags.String("format", "text", "print it in this `format`: text, json, prometheus")
	follow := c.flags.Bool("follow", false, "print it again after each change, at most once a second; with --json, one object a line")
	return func([]string) int {
		if !slices.Contains([]string{"text", "json", "prometheus"}, *format) {
			fmt.Fprintf(c.stderr, "reflexd status: --format: expected text, json or prometheus, found %q\n", *format)
			return wrong
		}
		isJSON := *asJSON || *format == "json"
		show := func() error {
			s, err := agent.AskStatus(*socket, patience)
			if err != nil {
				return err
			}
			switch {
			case isJSON && *follow:
				return json.NewEncoder(c.stdout).Encode(s)
			case isJSON:
				c.printJSON(s, done)
			case *format == "prometheus":
				fmt.Fprint(c.stdout, s.Prometheus())
			default:
				writeStatus(c.stdout, *s)
			}
			return nil
		}
		err := show()
		if *follow && err == nil {
			err = c.follow(*socket, show)
		}
		if err != nil {
			return c.fail(err)
		}
		return done
	}
}

// followEvery is how often the status is printed at most.
const followEvery = time.Second

// follow calls show whenever something happened, until that fails or the agent
// ends. An agent that has nothing to do is left alone.
func (c *command) follow(socket string, show func() error) error {
	a, err := client.Dial(socket)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.Watch(client.Filter{}); err != nil {
		return err
	}
	happened, ended := make(chan bool, 1), make(chan error, 1)
	go func() {
		for {
			if _, err := a.NextRaw(); err != nil {
				ended <- err
				return
			}
			select {
			case happened <- true:
			default:
			}
		}
	}()
	for {
		select {
		case err := <-ended:
			return err
		case <-happened:
		}
		time.Sleep(followEvery) // what more happens has its place in the same status
		fmt.Fprintln(c.stdout)
		if err := show(); err != nil {
			return err
		}
	}
}

func reloadVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	force := c.flags.Bool("force", false, "accept a configuration without rules in place of one with rules")
	return func([]string) int {
		asked, err := json.Marshal(agent.ReloadRequest{Force: *force})
		if err == nil {
			err = client.Call(*socket, client.Request{Verb: "reload", Arguments: asked}, nil, patience)
		}
		if err != nil {
			c.fail(err)
			if errors.Is(err, client.ErrConfiguration) {
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
