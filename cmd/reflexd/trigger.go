// SPDX-License-Identifier: MIT

// The verb trigger: devices that are there, announced again.

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"reflexd/agent"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources/uevent"
)

// walkPatience is how long the agent may take to look at all devices: those
// that are asked for what they are may be slow to say it.
const walkPatience = time.Minute

func triggerVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	r := agent.TriggerRequest{Action: "add"}
	c.flags.StringVar(&r.Subsystem, "subsystem", "", "only devices of this subsystem, a `glob`")
	c.flags.Func("match", "only devices whose field matches, `KEY=GLOB`; may be repeated, all must match", func(s string) error {
		m, err := uevent.ParseMatch(s)
		r.Match = append(r.Match, m)
		return err
	})
	c.flags.StringVar(&r.Action, "action", r.Action, "`ACTION` of the events: add or change")
	kernel := c.flags.Bool("kernel", false, "make the kernel send the uevents: every program that listens receives them, not only this agent")
	dryRun := c.flags.Bool("dry-run", false, "print the devices, and send nothing")
	return func([]string) int {
		if !slices.Contains(agent.TriggerActions, r.Action) {
			fmt.Fprintf(c.stderr, "reflexd trigger: --action: expected add or change, found %q%s\n", r.Action, config.Suggest(r.Action, agent.TriggerActions))
			return wrong
		}
		if *kernel || *dryRun {
			return c.triggerDirectly(r, *dryRun)
		}
		arguments, err := json.Marshal(r)
		if err != nil {
			return c.fail(err)
		}
		var told agent.Triggered
		if err := client.Call(*socket, client.Request{Verb: "trigger", Arguments: arguments}, &told, walkPatience); err != nil {
			return c.fail(err)
		}
		fmt.Fprintf(c.stdout, "sent the events of %s to the rules\n", devices(told.Devices))
		return done
	}
}

// triggerDirectly does what needs no agent.
func (c *command) triggerDirectly(r agent.TriggerRequest, dryRun bool) int {
	found, err := uevent.Find("/sys", "/dev", r.Selection)
	if err != nil {
		return c.fail(err)
	}
	if dryRun {
		for _, path := range found {
			fmt.Fprintln(c.stdout, oneLine(path))
		}
		fmt.Fprintf(c.stdout, "%s, nothing sent\n", devices(len(found)))
		return done
	}
	count, err := uevent.Announce("/sys", found, r.Action)
	if err != nil {
		return c.fail(err)
	}
	fmt.Fprintf(c.stdout, "the kernel sent the uevents of %s to all listeners, including udevd if it runs\n", devices(count))
	return done
}

func devices(n int) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}
