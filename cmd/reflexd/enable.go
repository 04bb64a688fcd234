// SPDX-License-Identifier: MIT

// The verbs enable and disable: rules of the running agent.

package main

import (
	"fmt"

	"reflexd/client"
)

func enableVerb(c *command) func([]string) int  { return switchVerb(c, "enable") }
func disableVerb(c *command) func([]string) int { return switchVerb(c, "disable") }

func switchVerb(c *command, verb string) func([]string) int {
	socket := c.socketFlag()
	return func(rules []string) int {
		if len(rules) == 0 {
			fmt.Fprintf(c.stderr, "reflexd %s: name a rule; `reflexd status` lists them\n", verb)
			return wrong
		}
		for _, name := range rules {
			if err := client.Call(*socket, client.Request{Verb: verb, Name: name}, nil, patience); err != nil {
				return c.fail(err)
			}
		}
		return done
	}
}
