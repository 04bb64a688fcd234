// SPDX-License-Identifier: MIT

package main

import (
	"strings"
	"testing"
)

func TestGroupsAreChosenByName(t *testing.T) {
	for args, want := range map[string]string{"": "board host interfaces counters fleet scale", "interfaces": "interfaces", "interfaces board": "interfaces board"} {
		chosen, err := chosen(strings.Fields(args))
		var names []string
		for _, g := range chosen {
			names = append(names, g.name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", args, got, err, want)
		}
	}
	if _, err := chosen([]string{"board", "interface"}); err == nil {
		t.Error("a group that there is not: no error")
	}
}

// Each interface has its own row, with the C program as the yardstick.
func TestInterfaceReport(t *testing.T) {
	c, we := rivals[0].name, rivals[1].name
	f := figures{
		"output": {c: {10e3, 20e3}, we: {15e3, 50e3}},
		"alone":  {c: {10e3}, we: {60e3}}, "burst": {c: {4e3}, we: {10e3}},
	}
	var out strings.Builder
	(&interfaceReport{title: "here", interfaces: []kernelInterface{{title: "uevent"}}, all: []figures{f}}).print(&out)
	for _, line := range []string{"| uevent | 10.0 | 20.0 | 15.0 | 50.0 | 1.50 | 2.50 | 2 |\n", "| uevent | 10.0 | 60.0 | 6.00 | 4.0 | 10.0 | 2.50 |\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}

// What interface.c and measure do, reflexd's configuration says too.
func TestEveryInterfaceHasARule(t *testing.T) {
	b := &boardBench{place: place{dir: "/bench", chip: "/dev/gpiochip1"}}
	for _, r := range b.interfaces("/pull") {
		rule := b.ruleFor(&r)
		if len(r.program) != 2 || len(r.cause) == 0 || !strings.Contains(rule, "lamp: {output: \"gpiochip1:27\"}") || !strings.Contains(rule, r.when) {
			t.Errorf("%s: %q, %q\n%s", r.title, r.program, r.cause, rule)
		}
	}
}
