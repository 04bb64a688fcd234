// SPDX-License-Identifier: MIT

// The verb watch: events of the running agent, and what rules made of them.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"reflexd/client"
)

func watchVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.flags.Bool("json", false, "print one JSON object a line")
	quiet := c.quietFlag("do not say what is watched")
	var f client.Filter
	list := func(name, doc string, to *[]string) {
		c.flags.Func(name, doc, func(s string) error {
			*to = append(*to, s)
			return nil
		})
	}
	list("source", "only events of this `source`: gpio, input, gpio:door, …; a glob; may be repeated", &f.Sources)
	list("rule", "only what this `rule` does; a glob; may be repeated", &f.Rules)
	return func(args []string) int {
		f.Names = args
		a, err := client.Dial(*socket)
		if err != nil {
			return c.fail(err)
		}
		defer a.Close()
		if err := a.Watch(f); err != nil {
			return c.fail(err)
		}
		if *asJSON {
			return c.fail(relay(c.stdout, a))
		}
		if !*quiet {
			fmt.Fprintln(c.stderr, "watching the running agent; Ctrl-C stops")
		}
		for {
			n, err := a.Next()
			if err != nil {
				return c.fail(err)
			}
			writeNotice(c.stdout, &n)
		}
	}
}

// relay prints the stream as it comes, until it ends.
func relay(w io.Writer, a *client.Conn) error {
	first, err := json.Marshal(client.Notice{Type: "watching", Version: client.Version})
	for err == nil {
		if _, err = fmt.Fprintf(w, "%s\n", first); err == nil {
			first, err = a.NextRaw()
		}
	}
	return err
}

// writeNotice writes a notice as one line.
func writeNotice(w io.Writer, n *client.Notice) {
	name := n.Name
	if n.Masked && name == "" {
		name = "(masked)"
	}
	about := printable(strings.Join(slices.DeleteFunc([]string{n.Kind, name, n.State}, func(s string) bool { return s == "" }), " "))
	at := fmt.Sprintf("%6d.%06d  ", n.Time/1e9, n.Time%1e9/1e3)
	switch n.Type {
	case "event":
		var b strings.Builder
		for _, field := range slices.Sorted(maps.Keys(n.Fields)) {
			fmt.Fprintf(&b, " %s=%s", field, printable(fmt.Sprint(n.Fields[field])))
		}
		fmt.Fprintf(w, "%s%s %s\n", at, about, b.String())
	case "rule":
		why := ""
		if n.Why != "" {
			why = ": " + printable(n.Why)
		}
		fmt.Fprintf(w, "%srule %q %s%s (%s)\n", at, n.Rule, n.Outcome, why, about)
	case "lost":
		fmt.Fprintf(w, "%d notices lost: this reader is too slow\n", n.Count)
	}
}
