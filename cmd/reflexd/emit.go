// SPDX-License-Identifier: MIT

// The verb emit: an event for the rules of the running agent.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"reflexd/agent"
	"reflexd/client"
)

func emitVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	return func(args []string) int {
		if len(args) == 0 {
			fmt.Fprintln(c.stderr, "reflexd emit: name the event, as in a rule's `event: NAME`")
			return wrong
		}
		var r agent.EmitRequest
		for _, word := range args[1:] {
			if err := addField(&r, word); err != nil {
				fmt.Fprintln(c.stderr, "reflexd emit:", err)
				return wrong
			}
		}
		arguments, err := json.Marshal(r)
		if err != nil {
			return c.fail(err)
		}
		var sent client.Emitted
		if err := client.Call(*socket, client.Request{Verb: "emit", Name: args[0], Arguments: arguments}, &sent, patience); err != nil {
			return c.fail(err)
		}
		writeEmitted(c.stdout, sent)
		return done
	}
}

// addField reads FIELD=VALUE.
func addField(r *agent.EmitRequest, word string) error {
	name, value, ok := strings.Cut(word, "=")
	if !ok {
		return fmt.Errorf("expected FIELD=VALUE, found %q", word)
	}
	return r.Add(name, value)
}

func writeEmitted(w io.Writer, sent client.Emitted) {
	fmt.Fprintf(w, "sent to %s", counted(sent.Listening, "rule"))
	if n := sent.Listening - sent.Taking; n > 0 {
		fmt.Fprintf(w, ", %d with a `where` that does not match", n)
	}
	if sent.Disabled > 0 {
		fmt.Fprintf(w, ", %d disabled", sent.Disabled)
	}
	fmt.Fprintln(w)
}
