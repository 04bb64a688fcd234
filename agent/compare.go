// SPDX-License-Identifier: MIT

// Compare: what the running agent says of a configuration, for the verb
// doctor.

package agent

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// compare adds what the running agent knows of c that looking does not show.
func (c *Configuration) compare(running *Status, x *sources.Report) {
	if !slices.Equal(running.Files, c.Files) {
		x.Note(nil, "running agent", "it runs with another configuration: "+strings.Join(running.Files, " "), "")
		return
	}
	read := time.Now().Add(-time.Duration(running.Read * float64(time.Second)))
	for _, f := range c.Files {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(read) {
			x.Bad(&config.Pos{File: f}, "configuration", "the file has changed since the running agent read it", "reflexd reload")
		}
	}
	c.compareRules(running, x)
	for _, source := range running.Sources {
		for _, s := range source.States {
			waits(source.Source, s, x)
		}
	}
}

// compareRules adds why rules of the running agent do not fire.
func (c *Configuration) compareRules(running *Status, x *sources.Report) {
	for _, r := range c.Rules {
		for _, s := range running.Rules {
			subject := "rule " + r.Name
			switch {
			case s.Name != r.Name:
			case !s.Enabled && r.Disabled:
				x.Note(&r.Pos, subject, "it is disabled by enabled: false", "")
			case !s.Enabled:
				x.Note(&r.Pos, subject, "it was disabled", fmt.Sprintf("reflexd enable %q", r.Name))
			case s.Fired == 0 && s.Unmet > 0:
				x.Note(&r.Pos, subject, fmt.Sprintf("its trigger matched, but its `if` did not hold: %d times", s.Unmet), "")
			}
		}
	}
}

// waits adds what the running agent waits for, unless that is known to be
// missing already.
func waits(source string, s sources.State, x *sources.Report) {
	known := func(f sources.Finding) bool {
		return f.Mark == sources.Bad && slices.Contains(strings.Fields(f.Subject), s.Name)
	}
	if s.OK || s.Error == "" || slices.ContainsFunc(x.Findings, known) {
		return
	}
	x.Bad(nil, source+" "+s.Name, "the running agent waits: "+s.Error, "")
}
