// SPDX-License-Identifier: MIT

// The verb doctor: what on this machine keeps a configuration from working.

package main

import (
	"errors"
	"fmt"
	"io"

	"reflexd/agent"
	"reflexd/config"
	"reflexd/sources"
)

func doctorVerb(c *command) func([]string) int {
	paths := c.pathsFlag()
	socket := c.socketFlag()
	asJSON := c.flags.Bool("json", false, "print the findings as a JSON list")
	return func([]string) int {
		configuration, warnings, err := agent.Load(*paths)
		switch {
		case errors.Is(err, config.ErrNone) && len(*paths) == 0:
			configuration = nil
		case err != nil:
			fmt.Fprintln(c.stderr, "reflexd doctor:", err)
			return wrong
		case warnings.Failed():
			return c.printMistakes(warnings, *asJSON)
		}
		findings := agent.Machine{Socket: *socket}.Examine(configuration, warnings)
		return c.printFindings(findings, *asJSON)
	}
}

// printMistakes says what check says.
func (c *command) printMistakes(ps *config.Problems, asJSON bool) int {
	if asJSON {
		return c.printJSON(complaints(ps), wrong)
	}
	for _, p := range ps.All() {
		fmt.Fprintln(c.stdout, oneLine(p.String()))
	}
	return wrong
}

func (c *command) printFindings(findings []sources.Finding, asJSON bool) int {
	code := done
	for _, f := range findings {
		if f.Mark == sources.Bad {
			code = failed
		}
	}
	if asJSON {
		return c.printJSON(diagnoses(findings), code)
	}
	writeFindings(c.stdout, findings)
	return code
}

// writeFindings prints a line for each finding, and how many there are.
func writeFindings(w io.Writer, findings []sources.Finding) {
	var count [sources.Bad + 1]int
	for _, f := range findings {
		count[f.Mark]++
		fmt.Fprintf(w, "%-5s", f.Mark)
		if at := f.At.String(); at != "" {
			fmt.Fprintf(w, "%s: ", oneLine(at))
		}
		fmt.Fprintf(w, "%s: %s", printable(f.Subject), printable(f.Found))
		if f.Advice != "" {
			fmt.Fprintf(w, "; %s", oneLine(f.Advice))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d ok, %d BAD, %d note\n", count[sources.Good], count[sources.Bad], count[sources.Note])
}

// diagnosis is a sources.Finding in JSON.
type diagnosis struct {
	Mark    string `json:"mark"` // ok, note or BAD
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Subject string `json:"subject"`
	Found   string `json:"found"`
	Advice  string `json:"advice,omitempty"`
}

func diagnoses(findings []sources.Finding) []diagnosis {
	list := []diagnosis{}
	for _, f := range findings {
		list = append(list, diagnosis{f.Mark.String(), f.At.File, f.At.Line, f.At.Col, f.Subject, f.Found, f.Advice})
	}
	return list
}
