// SPDX-License-Identifier: MIT

// The report: what somebody pastes.

package selftest

import (
	"fmt"
	"io"
	"strings"

	"reflexd/sources/gpio"
)

// Report is what a self-test found.
type Report struct {
	Reflexd string   `json:"reflexd"` // the program's version
	Model   string   `json:"model,omitempty"`
	Board   string   `json:"board,omitempty"` // its name in the tables
	Kernel  string   `json:"kernel"`
	CPUs    int      `json:"cpus"`
	Chips   []Chip   `json:"chips"`
	Output  *Line    `json:"output,omitempty"` // of the two that are joined, the one that was driven
	Input   *Line    `json:"input,omitempty"`  // and the one that was read
	Results []Result `json:"results"`
}

// Chip is a GPIO chip.
type Chip struct {
	Label string `json:"label"`
	Lines int    `json:"lines"`
}

// Line is a line that took part.
type Line struct {
	Name   string `json:"name"` // as the user named it
	Chip   string `json:"chip"` // the label
	Offset int    `json:"offset"`
}

// The outcomes of a test.
const (
	OK      = "ok"
	Note    = "note" // it works, but not as one may expect
	Bad     = "BAD"
	Skipped = "skip"
)

// Result is what one test found: a sentence for people, and the same in numbers.
// Times are in microseconds.
type Result struct {
	Test    string         `json:"test"`
	Outcome string         `json:"outcome"`
	Found   string         `json:"found"`
	Values  map[string]any `json:"values,omitempty"`
}

func newReport(s *Setup) *Report {
	r := &Report{Reflexd: s.Version, Model: s.Lines.Model, Kernel: s.Kernel, CPUs: s.CPUs, Chips: []Chip{}, Results: []Result{}}
	if s.Lines.Board != nil {
		r.Board = s.Lines.Board.Name
	}
	for _, c := range s.Lines.Chips {
		r.Chips = append(r.Chips, Chip{c.Label, len(c.Lines)})
	}
	if s.joined() {
		r.Output, r.Input = s.line(s.Output), s.line(s.Input)
	}
	return r
}

// line returns what is known of a line that was named.
func (s *Setup) line(name string) *Line {
	chip, offset, err := s.Lines.Resolve(name)
	if err != nil {
		return &Line{Name: name}
	}
	return &Line{name, s.Lines.Chips[chip].Label, offset}
}

func (l *Line) String() string { return fmt.Sprintf("%s (%s:%d)", l.Name, l.Chip, l.Offset) }

// Failed reports whether something is BAD.
func (r *Report) Failed() bool {
	for _, result := range r.Results {
		if result.Outcome == Bad {
			return true
		}
	}
	return false
}

// Write writes the report as text.
func (r *Report) Write(w io.Writer) {
	var chips []string
	for _, c := range r.Chips {
		chips = append(chips, fmt.Sprintf("%s (%d lines)", c.Label, c.Lines))
	}
	fmt.Fprintf(w, "reflexd:   %s\n", r.Reflexd)
	board := r.Model
	if r.Board != "" {
		board += fmt.Sprintf(" (%s)", r.Board)
	}
	for _, l := range []struct{ name, value string }{
		{"board", board}, {"kernel", r.Kernel}, {"CPUs", fmt.Sprint(r.CPUs)}, {"chips", strings.Join(chips, ", ")},
	} {
		fmt.Fprintf(w, "%-10s %s\n", l.name+":", l.value)
	}
	if r.Output != nil {
		fmt.Fprintf(w, "joined:    %s drives, %s reads\n", r.Output, r.Input)
	}
	fmt.Fprintln(w)
	for _, result := range r.Results {
		fmt.Fprintf(w, "%-4s %-9s %s\n", result.Outcome, result.Test, result.Found)
	}
}

// level is the word for a physical level.
func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

// openLine requests a line of s for itself.
func (s *Setup) openLine(name, direction, bias string) (*gpio.Trial, error) {
	h := s.Machine.Host()
	return gpio.OpenTrial(h.Dev, h.Sys, s.Lines.Board, name, direction, bias)
}
