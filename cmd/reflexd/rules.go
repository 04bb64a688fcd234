// SPDX-License-Identifier: MIT

// The verbs rules and cancel.

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"reflexd/client"
)

func rulesVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.jsonFlag()
	quiet := c.quietFlag("print the names alone, one a line")
	return func([]string) int {
		rules, err := asked(*socket, (*client.Conn).Rules)
		switch {
		case err != nil:
			return c.fail(err)
		case *asJSON:
			return c.printJSON(client.Rules{Version: client.Version, Rules: rules}, done)
		case *quiet:
			for _, r := range rules {
				fmt.Fprintln(c.stdout, r.Name)
			}
			return done
		}
		writeRules(c.stdout, rules)
		return done
	}
}

func writeRules(w io.Writer, rules []client.Rule) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "RULE\tWHEN\tENABLED\tFIRED\tLAST\t")
	for _, r := range rules {
		enabled, last := "yes", "never"
		if !r.Enabled {
			enabled = "no"
		}
		if r.Ago != nil {
			last = time.Duration(*r.Ago).Round(time.Second).String() + " ago"
		}
		row(table, r.Name, strings.Join(r.When, ", "), enabled, r.Fired, last)
	}
}

func cancelVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.jsonFlag()
	quiet := c.quietFlag("print nothing but errors")
	return func(args []string) int {
		if len(args) != 1 {
			return c.usage("name one rule; `reflexd rules` lists them")
		}
		n, err := asked(*socket, func(a *client.Conn) (client.Cancelled, error) { return a.Cancel(args[0]) })
		switch {
		case err != nil:
			return c.fail(err)
		case *asJSON && !*quiet:
			return c.printJSON(n, done)
		case !*quiet:
			fmt.Fprintf(c.stdout, "ended %s, dropped %s\n", counted(n.Runs, "run"), counted(n.Waiting, "waiting firing"))
		}
		return done
	}
}
