// SPDX-License-Identifier: MIT

// The action set: output lines.

package action

import (
	"fmt"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

var setKind = Kind{
	Key:   "set",
	Doc:   "drive an output line",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &set{}
		return config.Object(
			config.Field{Name: "line", Doc: "the name of an output under `lines`", Required: true,
				Value: config.At(&a.pos, config.Word(&a.line, "the name of a line"))},
			config.Field{Name: "to", Doc: "`on` is the line's active level", Required: true,
				Value: config.Parsed(&a.to, "on, off or toggle", parseLevel)},
		), a.check
	},
}

type set struct {
	pos  config.Pos
	line string
	to   string // on, off or toggle
}

func parseLevel(s string) (string, error) {
	if s == "toggle" {
		return s, nil
	}
	on, err := config.ParseBool(s)
	if err != nil {
		return "", fmt.Errorf("expected on, off or toggle, found %q", s)
	}
	if on {
		return "on", nil
	}
	return "off", nil
}

func (a *set) check(c *Check) Action {
	if a.line != "" && !c.Output(a.line) {
		c.Problems.Errorf(a.pos, "%q is no output line%s", a.line, suggestOutput(a.line, c.Outputs))
	}
	return a
}

func suggestOutput(name string, outputs []string) string {
	if s := config.Suggest(name, outputs); s != "" {
		return s
	}
	if len(outputs) == 0 {
		return fmt.Sprintf("; declare it: lines: {%s: {output: …}}", name)
	}
	return "; declared: " + strings.Join(outputs, ", ")
}

// Describe implements Action.
func (a *set) Describe(*sources.Event) string { return "set " + a.line + " to " + a.to }

// Start implements Action.
func (a *set) Start(r *Run) (Pending, error) {
	if a.to == "toggle" {
		return nil, r.Env.Lines.Toggle(a.line)
	}
	return nil, r.Env.Lines.Set(a.line, a.to == "on")
}
