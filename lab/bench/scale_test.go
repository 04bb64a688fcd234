// SPDX-License-Identifier: MIT

package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/agent"
)

// Each kind's configuration is accepted, with as many rules as it says.
func TestScaledConfigurations(t *testing.T) {
	for _, k := range scaledKinds {
		for _, n := range scaledSizes[:3] {
			text := k.configuration(n)
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, ps, err := agent.Load([]string{path}); err != nil || ps.Failed() {
				t.Errorf("%s, %d rules: %v, %v", k.name, n, err, ps)
			}
			if rules := strings.Count(text, "when: "); rules != n {
				t.Errorf("%s: %d rules, want %d", k.name, rules, n)
			}
		}
	}
}

// The plot is XML, with a line for each kind in each panel, each in a colour of its own.
func TestPlot(t *testing.T) {
	r := &scaleReport{}
	for range scaledKinds {
		r.costs = append(r.costs, [][]float64{{1, 2, 3, 4}, {0, 0.5, 30, 4000}})
	}
	colours := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(r.svg())); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			for _, a := range start.Attr {
				if a.Name.Local == "stroke" {
					colours[a.Value]++
				}
			}
		}
	}
	if len(colours) != len(scaledKinds) {
		t.Errorf("the lines of %d kinds have the colours %v", len(scaledKinds), colours)
	}
	for colour, lines := range colours {
		if lines != len(scaledCosts) {
			t.Errorf("%d lines are %s, want %d", lines, colour, len(scaledCosts))
		}
	}
}
