// SPDX-License-Identifier: MIT

// The report: tables in Markdown, with what reflexd promises beside what it does.

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// A report is what came out in one place. Idle may be empty.
type report struct {
	title     string
	all, idle figures
	races     []raceResult
}

// A row is something whose time is measured.
type row struct {
	name  string // as measure prints it
	title string
	goal  goal // 0 for none
}

// A goal is how many times as long as the C loop reflexd may take.
type goal struct{ median, p99 float64 }

var rows = []row{
	{"output", "edge → output", goal{1.4, 1.4}},
	{"close", "edge → output, edges 2 ms apart", goal{1.4, 1.5}},
	{"busy", "edge → output, edges by a program of ordinary priority on the same processor", goal{1.4, 1.5}},
	{"neighbour", "the same, beside an endless loop of ordinary priority", goal{1.4, 1.5}},
	{"collecting", "the same, `reflexd status` ten times a second, GOGC=1", goal{}},
	{"journal", "edge → output, the log goes to the journal's socket", goal{}},
	{"console", "edge → output, the log goes to the serial console", goal{}},
	{"stamped", "edge → output, while the interrupt is traced too", goal{}},
	{"traced", "the same by trace points alone: interrupt of the line → output", goal{}},
	{"uevent", "uevent → first instruction", goal{1.10, 1.15}},
	{"signal", "signal → first instruction", goal{1.05, 1.05}},
	{"close uevent", "uevent → first instruction, events 2 ms apart", goal{1.10, 1.15}},
	{"close signal", "signal → first instruction, likewise", goal{1.05, 1.05}},
	{"crowded uevent", "uevent → first instruction, an endless loop of ordinary priority on each processor", goal{}},
	{"crowded signal", "signal → first instruction, likewise", goal{}},
	{"alone", "CPU time that a signal takes, without the program that it starts", goal{}},
	{"start", "start → ready", goal{}},
	{"process", "fork, exec → first instruction, alone", goal{}},
}

// Goals that are no ratios.
const (
	startGoal, wideStartGoal         = 14, 45   // ms
	residentGoal, wideResidentGoal   = 5.5, 7   // MiB
	anonymousGoal, wideAnonymousGoal = 1.3, 2.5 // MiB
)

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n## %s\n\n", r.title)
	if r.races != nil {
		printPeers(out, r.races)
	}
	fmt.Fprintf(out, "%d rounds in turns; in each, %d events of a kind that count, after %d that do not.\n\n", rounds, events, warmup)
	fmt.Fprintln(out, "| | | median µs | p99 µs | median ÷ C | p99 ÷ C | runs | goal |")
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
	ratios, reached := fmt.Sprintf(" %.2f | %.2f |", median, p99), ""
	switch {
	case isYardstick:
		ratios = " | |"
	case r.goal.median > 0:
		reached = fmt.Sprintf("%.2f: %s, %.2f: %s", r.goal.median, verdict(median, r.goal.median), r.goal.p99, verdict(p99, r.goal.p99))
	}
	fmt.Fprintf(out, "%s %d | %s |\n", ratios, len(s), reached)
}

// verdict says whether value, as it is printed, is within the goal.
func verdict(value, goal float64) string {
	if math.Round(value*100) <= math.Round(goal*100) {
		return "reached"
	}
	return "**missed**"
}

// printMemory prints what is known of memory and idleness: after the events from the turns, idle from the idlers.
func (r *report) printMemory(out io.Writer) {
	fmt.Fprintf(out, "\n| | resident KiB, idle | of it anonymous | resident after the events | context switches in %v, idle |\n", idleFor)
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: |")
	for _, name := range []string{rivals[0].name, rivals[1].name, wideName} {
		idle, anonymous, after, switches := r.idle["resident"][name], r.idle["anonymous"][name], r.all["resident"][name], r.idle["switches"][name]
		if len(idle)+len(after) > 0 {
			fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", name, idle.text(), anonymous.text(), after.text(), switches.text())
		}
	}
	if r.idle == nil {
		return
	}
	fmt.Fprintf(out, "\n| | %s | goal | %s | goal |\n| --- | ---: | --- | ---: | --- |\n", rivals[1].name, wideName)
	for _, g := range []struct {
		title      string
		from       figures
		name       string
		unit       float64
		goal, wide float64
	}{
		{"start → ready, ms", r.all, "start", 1e6, startGoal, wideStartGoal},
		{"resident, idle, MiB", r.idle, "resident", 1 << 10, residentGoal, wideResidentGoal},
		{"of it anonymous, MiB", r.idle, "anonymous", 1 << 10, anonymousGoal, wideAnonymousGoal},
	} {
		small, wide := g.from[g.name][rivals[1].name].median()/g.unit, g.from[g.name][wideName].median()/g.unit
		fmt.Fprintf(out, "| %s | %.1f | %g: %s | %.1f | %g: %s |\n", g.title, small, g.goal, verdict(small, g.goal), wide, g.wide, verdict(wide, g.wide))
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
	fmt.Fprintf(out, "\n## Size\n\n| | bytes |\n| --- | ---: |\n")
	for _, program := range programs {
		info, err := os.Stat(program)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %s, %s | %d |\n", filepath.Base(program), filepath.Base(filepath.Dir(program)), info.Size())
	}
	return nil
}
