// SPDX-License-Identifier: MIT

// The verb why: what rules made of the last events.

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"reflexd/client"
)

func whyVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.jsonFlag()
	follow := c.flags.Bool("follow", false, "go on with what happens, until Ctrl-C")
	return func(args []string) int {
		if len(args) > 1 {
			return c.usage("name one rule, or none for the last 20 cases over all")
		}
		name := strings.Join(args, "")
		a, err := client.Dial(*socket)
		if err != nil {
			return c.fail(err)
		}
		defer a.Close()
		if *follow {
			return c.followWhy(a, *socket, name)
		}
		whys, err := a.Why(name)
		switch {
		case err != nil:
			return c.fail(err)
		case *asJSON:
			return c.printJSON(client.Whys{Version: client.Version, Whys: whys}, done)
		case len(whys) == 0:
			fmt.Fprintln(c.stdout, "no event has been about it yet: `reflexd watch` shows what happens")
		}
		for i := range whys {
			writeWhy(c.stdout, &whys[i])
		}
		return done
	}
}

// followWhy prints what there is, and what is new whenever something happens.
func (c *command) followWhy(a *client.Conn, socket, name string) int {
	w, err := client.Dial(socket)
	if err != nil {
		return c.fail(err)
	}
	defer w.Close()
	if err := w.Watch(client.Filter{}); err != nil {
		return c.fail(err)
	}
	printed := map[string]bool{}
	for {
		whys, err := a.Why(name)
		if err != nil {
			return c.fail(err)
		}
		there := map[string]bool{}
		for i := range whys {
			y := &whys[i]
			key := fmt.Sprint(y.Time, y.Rule, y.Outcome)
			if there[key] = true; !printed[key] && y.Outcome != "fired" {
				writeWhy(c.stdout, y)
			}
		}
		printed = there
		for { // a firing is shown when it is over
			n, err := w.Next()
			if err != nil {
				return c.fail(err)
			}
			if n.Type != "rule" || n.Outcome != "fired" {
				break
			}
		}
	}
}

// outcomes are what is printed for an outcome.
var outcomes = map[string]string{
	"fired": "fired, and its actions are in progress", "done": "fired", "failed": "fired, and failed", "stopped": "fired, and was stopped",
	"unmet": "did not fire: a condition does not hold", "dropped": "did not fire",
	"missed": "did not fire: `where` does not match", "disabled": "did not fire: it is disabled",
}

func writeWhy(w io.Writer, y *client.Why) {
	at := y.Wall
	if at == "" {
		at = fmt.Sprintf("%d.%06d", y.Time/1e9, y.Time%1e9/1e3)
	}
	why := ""
	if y.Why != "" {
		why = ": " + printable(y.Why)
	}
	fmt.Fprintf(w, "%s  rule %q %s%s\n", at, y.Rule, outcomes[y.Outcome], why)
	name := y.Event.Name
	if y.Event.Masked && name == "" {
		name = "(masked)"
	}
	item := func(key, text string) { fmt.Fprintf(w, "    %-9s %s\n", key, text) }
	item("event", printable(strings.Join(strings.Fields(y.Event.Kind+" "+name+" "+y.Event.State), " ")))
	for i := range y.Where {
		item("where", askedOf(&y.Where[i]))
	}
	for i := range y.If {
		item("if", askedOf(&y.If[i]))
	}
	if y.Outcome == "dropped" {
		for _, limit := range [][2]string{{"mode", y.Mode}, {"cooldown", y.Cooldown}, {"limit", y.Limit}} {
			if limit[1] != "" {
				item(limit[0], limit[1])
			}
		}
	}
	for _, action := range y.Actions {
		failure := ""
		if action.Error != "" {
			failure = ": " + action.Error
		}
		item("do", printable(fmt.Sprintf("%s (%v)%s", action.Action, time.Duration(action.Took).Round(time.Microsecond), failure)))
	}
}

// askedOf says what a rule asks, the answer, and what it was given for.
func askedOf(part *client.WhyPart) string {
	seen := ""
	if part.Seen != "" {
		seen = ", it was " + part.Seen
	}
	return printable(part.Text + ": " + part.Holds + seen)
}
