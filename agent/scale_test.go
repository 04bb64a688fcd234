// SPDX-License-Identifier: MIT

// Many rules: what loading and swapping in 10,000 of them costs, of each kind.

package agent

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// manyKinds are configurations of as many rules as one likes, by what is
// particular about them: the sections, and a rule with a number.
var manyKinds = []struct {
	name     string
	sections func(n int) string
	rule     string // with its number <i>, <m> below a thousand, <n> the next one, and <h> below a hundred
}{
	{"a line each", manyLines, `{when: {line: l<m>, is: rising}, do: {log: "l<i>"}}`},
	{"clicks", manyLines, `{when: {line: l<m>, is: clicked}, do: {log: "l<i>"}}`},
	{"chords", manyLines, `{when: {lines: [l<m>, l<n>], together: true, is: pressed, within: 800ms}, do: {log: "l<i>"}}`},
	{"a line for all", manyLines, `{when: {line: l0, is: rising}, do: {log: "l<i>"}}`},
	{"one output for all", manyLines, `{when: {line: l0, is: rising}, do: {set: {line: out, to: on}}}`},
	{"an output each", manyOutputs, `{when: {line: in, is: rising}, do: {set: {line: o<m>, to: on}}}`},
	{"keys", manyInputs, `{when: {key: KEY_A, is: pressed, from: k<h>}, do: {log: "l<i>"}}`},
	{"encoders", manyEncoders, `{when: {encoder: e<m>, is: turned}, do: {log: "l<i>"}}`},
	{"events", none, `{when: {event: e<i>}, do: {log: "l<i>"}}`},
	{"an event for all", none, `{when: {event: e}, do: {log: "l<i>"}}`},
	{"a chain of events", none, `{when: {event: e<i>}, do: {emit: f<i>}}`},
	{"signals", none, `{when: {signal: SIGRTMIN+2}, do: {log: "l<i>"}}`},
	{"uevents", none, `{when: {uevent: {SUBSYSTEM: usb, PRODUCT: "d<i>"}}, do: {log: "l<i>"}}`},
	{"links", none, `{when: {link: eth<i>, is: up}, do: {log: "l<i>"}}`},
	{"links for a time", none, `{when: {link: eth<h>, is: up, for: 5m}, do: {log: "l<i>"}}`},
	{"lines for a time", manyLines, `{when: {line: l<m>, is: on, for: 5m}, do: {log: "l<i>"}}`},
	{"a line for a time", manyLines, `{when: {line: l0, is: on, for: 5m}, do: {log: "l<i>"}}`},
	{"variables", manyVars, `{when: {var: v<m>, is: a<i>}, do: {var: {v<n>: b<i>}}}`},
	{"references", manyVars, `{when: {event: e<i>}, do: {run: [echo, "${var.v<m>}"]}}`},
	{"scripts", manyVars, `{when: {event: e<i>}, do: {shell: "echo $VAR_V<m>"}}`},
	{"conditions", manyVars, `{when: {event: e<i>}, if: [{var: v<m>, is: a}, {link: eth<h>, is: up, for: 1m}], do: {log: "l<i>"}}`},
	{"timers", none, `{when: {timer: 10s}, do: {log: "l<i>"}}`},
	{"times", none, `{when: {time: "10:00"}, do: {log: "l<i>"}}`},
	{"files", manyFiles, `{when: {file: f<m>}, do: {log: "l<i>"}}`},
}

func none(int) string { return "" }

func numbered(n int, head, format string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range min(n, 1000) {
		fmt.Fprintf(&b, format, i, i/500, i%500)
	}
	return b.String()
}

func manyLines(n int) string {
	return numbered(n, "lines:\n  out: {output: \"gpiochip9:0\"}\n", "  l%d: {input: \"gpiochip%d:%d\"}\n")
}

func manyOutputs(n int) string {
	return numbered(n, "lines:\n  in: {input: \"gpiochip9:0\"}\n", "  o%d: {output: \"gpiochip%d:%d\"}\n")
}

func manyVars(n int) string  { return numbered(n, "vars:\n", "  v%[1]d: {initial: a}\n") }
func manyFiles(n int) string { return numbered(n, "files:\n", "  f%[1]d: {path: /tmp/f%[1]d}\n") }
func manyInputs(n int) string {
	return numbered(n, "inputs:\n", "  k%[1]d: {name: \"keyboard %[1]d\"}\n")
}

func manyEncoders(n int) string {
	return numbered(n, "encoders:\n", "  e%[1]d: {a: \"gpiochip%[2]d:%[3]d\", b: \"gpiochip1%[2]d:%[3]d\"}\n")
}

// rulesOfKind returns a configuration of n rules of the kind with that index.
func rulesOfKind(kind, n int) string {
	var b strings.Builder
	k := &manyKinds[kind]
	b.WriteString(k.sections(n) + "rules:\n")
	for i := range n {
		numbers := strings.NewReplacer("<i>", strconv.Itoa(i), "<m>", strconv.Itoa(i%min(n, 1000)),
			"<n>", strconv.Itoa((i+1)%min(n, 1000)), "<h>", strconv.Itoa(i%min(n, 100)))
		b.WriteString("  - " + numbers.Replace(k.rule) + "\n")
	}
	return b.String()
}

// loadText loads text as Load does a file.
func loadText(t testing.TB, text string) *Configuration {
	t.Helper()
	c, ps := newConfiguration(), &config.Problems{}
	if n, ok := config.Parse("many.yaml", []byte(text), ps); ok {
		c.root().Read(n, ps)
	}
	c.compile(ps)
	c.lint(true, ps)
	if ps.Failed() {
		t.Fatalf("%.400s", ps.Error())
	}
	return c
}

// swap starts an agent in virtual time, and has it take over each of the
// configurations from the one before.
func swap(t testing.TB, first *Configuration, others ...*Configuration) {
	t.Helper()
	s, err := NewSimulation(first, SimulationOptions{Log: slog.New(slog.DiscardHandler), Wall: time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range others {
		s.agent.apply(c)
		s.Advance(0)
	}
}

// cpu returns how much CPU time the process has used.
func cpu(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Ten times the rules take ten times the CPU time, not a hundred times. Bounds
// are for what is shared with other tests and for garbage.
func TestRulesTakeTheirTimeEach(t *testing.T) {
	for i, k := range manyKinds {
		took := func(n int) time.Duration {
			text := rulesOfKind(i, n)
			began := cpu(t)
			c := loadText(t, text)
			swap(t, c, c)
			return cpu(t) - began
		}
		took(200)
		few := max(took(200), 10*time.Millisecond)
		if many := took(2000); many > 40*few {
			t.Errorf("%s: 200 rules take %v, 2000 %v", k.name, few, many)
		}
	}
}

func BenchmarkManyRules(b *testing.B) {
	for i, k := range manyKinds {
		text := rulesOfKind(i, 10_000)
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			began := cpu(b)
			for b.Loop() {
				loadText(b, text)
			}
			b.ReportMetric(float64((cpu(b)-began).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

func BenchmarkReload(b *testing.B) {
	for i, k := range manyKinds {
		text := rulesOfKind(i, 4_500)
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			began := cpu(b)
			for b.Loop() {
				swap(b, loadText(b, text), loadText(b, text))
			}
			b.ReportMetric(float64((cpu(b)-began).Milliseconds())/float64(2*b.N), "cpu-ms/op")
		})
	}
}
