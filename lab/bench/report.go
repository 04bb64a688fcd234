// SPDX-License-Identifier: MIT

// The report: tables in Markdown, with what reflexd promises beside what it does.

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A report is what came out in one place. Idle may be empty.
type report struct {
	title     string
	all, idle figures
}

// A row is something whose time is measured.
type row struct {
	name    string // as measure prints it
	title   string
	promise float64 // how many times as long as the C loop reflexd may take; 0 for no promise
}

var rows = []row{
	{"output", "edge → output", 1.5},
	{"uevent", "uevent → first instruction", 1.25},
	{"signal", "signal → first instruction", 1.25},
	{"start", "start → ready", 0},
	{"process", "fork, exec → first instruction, alone", 0},
}

// Promises that are no ratios.
const (
	residentPromise = 8 << 10 // KiB
	binaryPromise   = 4 << 20 // bytes, armv6
)

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n## %s\n\n", r.title)
	fmt.Fprintf(out, "%d rounds in turns; in each, %d events of a kind that count, after %d that do not.\n\n", rounds, events, warmup)
	fmt.Fprintln(out, "| | | median µs | p99 µs | median ÷ C | p99 ÷ C | runs | promise |")
	fmt.Fprintln(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
	for _, row := range rows {
		for i, rival := range rivals {
			if s := r.all[row.name][rival.name]; len(s) > 0 {
				row.print(out, rival.name, s, r.all[row.name][rivals[0].name], i == 0)
			}
		}
	}
	r.printMemory(out)
}

func (r row) print(out io.Writer, rival string, s, yardstick samples, isYardstick bool) {
	fmt.Fprintf(out, "| %s | %s | %.1f | %.1f |", r.title, rival, s.median()/1e3, s.p99()/1e3)
	median, p99 := s.median()/yardstick.median(), s.p99()/yardstick.p99()
	ratios, promise := fmt.Sprintf(" %.2f | %.2f |", median, p99), ""
	switch {
	case isYardstick:
		ratios = " | |"
	case r.promise > 0:
		promise = fmt.Sprintf("%.2f: %s", r.promise, verdict(max(median, p99) <= r.promise))
	}
	fmt.Fprintf(out, "%s %d | %s |\n", ratios, len(s), promise)
}

func verdict(kept bool) string {
	if kept {
		return "kept"
	}
	return "not kept"
}

// printMemory prints what is known of memory and idleness: after the events from the turns, idle from the idlers.
func (r *report) printMemory(out io.Writer) {
	fmt.Fprintf(out, "\n| | resident KiB, idle | after the events | context switches in %v, idle |\n", idleFor)
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: |")
	for _, name := range []string{rivals[0].name, rivals[1].name, wideName} {
		idle, after, switches := r.idle["resident"][name], r.all["resident"][name], r.idle["switches"][name]
		if len(idle)+len(after) > 0 {
			fmt.Fprintf(out, "| %s | %s | %s | %s |\n", name, idle.text(), after.text(), switches.text())
		}
	}
	if starts := r.all["start"][wideName]; len(starts) > 0 {
		fmt.Fprintf(out, "\nStart to ready with %d lines and %d inputs: %.1f ms, at most %.1f of %d.\n",
			wideLines, wideInputs, starts.median()/1e6, starts.p99()/1e6, len(starts))
	}
	if wide := r.idle["resident"][wideName]; len(wide) > 0 {
		fmt.Fprintf(out, "\nResident memory under %d KiB, idle, %d lines, %d inputs: %s.\n",
			residentPromise, wideLines, wideInputs, verdict(wide.median() < residentPromise))
	}
}

// text is the median as a text; a dash where there are no samples.
func (s samples) text() string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", s.median())
}

// printSizes prints how large the programs are, as far as they are built.
func printSizes(out io.Writer, build string) error {
	programs, err := filepath.Glob(filepath.Join(build, "*", "reflexd*"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n## Size\n\n| | bytes | promise |\n| --- | ---: | --- |\n")
	for _, program := range programs {
		info, err := os.Stat(program)
		if err != nil {
			return err
		}
		arch, name, promise := filepath.Base(filepath.Dir(program)), filepath.Base(program), ""
		if arch == "armv6" && name == "reflexd" {
			promise = fmt.Sprintf("%d: %s", binaryPromise, verdict(info.Size() < binaryPromise))
		}
		fmt.Fprintf(out, "| %s, %s | %d | %s |\n", name, arch, info.Size(), promise)
	}
	return nil
}
