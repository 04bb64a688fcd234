// SPDX-License-Identifier: MIT

// Who is measured, and how they are configured.

package main

import (
	"fmt"
	"path"
	"strings"
)

// A place is where programs are measured: a folder with all that is needed, and perhaps a GPIO chip.
type place struct {
	what    string // it is called
	dir     string
	reflexd string
	chip    string // its device; "" where there is none
}

// file is the path of a file in the place's folder.
func (p place) file(name string) string { return path.Join(p.dir, name) }

// What the lines of the chip are for.
const (
	inputLine  = 17
	outputLine = 27
)

// A rival is a program that reacts.
type rival struct {
	name string
	args func(place) []string
}

// rivals lists them; the first is the yardstick.
var rivals = []rival{
	{"C loop", func(p place) []string {
		args := []string{p.file("loop"), p.file("stamp"), p.file("fifo")}
		if p.chip != "" {
			args = append(args, p.chip, fmt.Sprint(inputLine), fmt.Sprint(outputLine))
		}
		return args
	}},
	{"reflexd", func(p place) []string { return p.run("rules.yaml") }},
	{"reflexd --log-level warn", func(p place) []string { return p.run("rules.yaml", "--log-level", "warn") }},
}

// run is the command line of reflexd.
func (p place) run(configuration string, more ...string) []string {
	return append([]string{p.reflexd, "run", "-c", p.file(configuration), "--socket", p.socket(configuration)}, more...)
}

// socket is the control socket of reflexd with that configuration.
func (p place) socket(configuration string) string { return p.file(configuration + ".sock") }

// rules is reflexd's configuration for what the C loop does.
func (p place) rules() string {
	var text strings.Builder
	text.WriteString("version: 1\n")
	if p.chip != "" {
		chip := path.Base(p.chip)
		fmt.Fprintf(&text, "lines:\n  bell: {input: \"%s:%d\"}\n  lamp: {output: \"%s:%d\"}\n", chip, inputLine, chip, outputLine)
	}
	text.WriteString("rules:\n")
	if p.chip != "" {
		text.WriteString("  - {name: lamp, when: {line: bell, is: changed}, do: {set: {line: lamp, to: toggle}}}\n")
	}
	run := fmt.Sprintf("do: {run: [%s, %s]}", p.file("stamp"), p.file("fifo"))
	fmt.Fprintf(&text, "  - {name: device, when: {uevent: {ACTION: change, DEVNAME: /dev/null}}, %s}\n", run)
	fmt.Fprintf(&text, "  - {name: signal, when: {signal: SIGRTMIN+2}, %s}\n", run)
	return text.String()
}

// How many lines and inputs the configuration has whose memory is measured.
const (
	wideLines  = 64
	wideInputs = 16
)

// wideRules is a large configuration: a rule for each of many lines, and for each of many inputs.
func wideRules(chip string) string {
	var lines, inputs, rules strings.Builder
	for i := range wideLines {
		fmt.Fprintf(&lines, "  l%d: {input: \"%s:%d\"}\n", i, path.Base(chip), i)
		fmt.Fprintf(&rules, "  - {when: {line: l%d, is: rising}, do: {log: \"l%d\"}}\n", i, i)
	}
	for i := range wideInputs {
		fmt.Fprintf(&inputs, "  k%d: {name: \"bench %d\"}\n", i, i)
		fmt.Fprintf(&rules, "  - {when: {key: KEY_A, is: pressed, from: k%d}, do: {log: \"k%d\"}}\n", i, i)
	}
	return "version: 1\nlines:\n" + lines.String() + "inputs:\n" + inputs.String() + "rules:\n" + rules.String()
}
