// SPDX-License-Identifier: MIT

// Tests of programs' output.

package spawn

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

func TestOutputOfPrograms(t *testing.T) {
	long := strings.Repeat("x", 2500)
	const piece = longestLine - 2*len(cutMark)
	for _, test := range []struct{ name, script, want string }{
		{"both streams", "echo a; echo b >&2; echo; echo c", "a\nb\n\nc\n"},
		{"no newline at the end", "printf 'a\\nb'", "a\nb\n"},
		{"terminal tricks", `printf '\033[2Ja\tb\b\0c\177\r\n'`, "\\x1b[2Ja\tb\\x08\\x00c\\x7f\n"},
		{"carriage returns", `printf '10%%\r20%%\r\r\n\r'`, `10%\x0d20%\x0d` + "\n"},
		{"UTF-8", `printf 'grün €\342\202'`, `grün €\xe2\x82` + "\n"},
		{"not UTF-8", `printf '\377\303\342(\n'`, `\xff\xc3\xe2(` + "\n"},
		{"hidden direction", `printf '\342\200\256x\302\205'`, `\u202ex\u0085` + "\n"},
		{"long", "printf " + long, long[:piece+3] + "…\n…" + long[:piece] + "…\n…" + long[:2500-2*piece-3] + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, _ := newRig(t).run(Spec{Argv: sh(test.script)})
			if out != test.want {
				t.Errorf("got  %q\nwant %q", out, test.want)
			}
		})
	}
}

// All that a program wrote arrives before its end is reported, even if the end is
// seen first, or in the midst of it.
func TestOutputComesBeforeTheEnd(t *testing.T) {
	r := newRig(t)
	lines, atEnd := 0, make(chan int, 1)
	r.do(func() {
		c := r.Start(Spec{
			Argv:   sh(`printf '%0500d\n' $(seq 100)`), // several chunks
			Output: func([]byte) { lines++ },
		}, func(Result) { atEnd <- lines })
		if _, err := waitid(c.pidfd, unix.WNOWAIT); err != nil {
			t.Error(err)
		}
	})
	if n := <-atEnd; n != 100 {
		t.Errorf("%d of 100 lines before the end", n)
	}
}

func TestMuchOutputIsCountedNotShown(t *testing.T) {
	r := newRig(t)
	out, _ := r.run(Spec{Argv: sh("seq 100000")})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	told := 0
	for _, line := range lines {
		if n, ok := strings.CutPrefix(line, cutMark+" "); ok {
			n, _, _ = strings.Cut(n, " ")
			dropped, err := strconv.Atoi(n)
			if err != nil {
				t.Errorf("%q: %v", line, err)
			}
			told += dropped - 1
		}
	}
	if len(lines) < lineBurst || lines[lineBurst-1] != "200" || told+len(lines) != 100_000 {
		t.Errorf("%d lines and %d dropped", len(lines), told)
	}
}

// A program that writes without end neither holds up the loop nor runs away.
func TestEndlessOutput(t *testing.T) {
	r := newRig(t)
	const from, to = lineBurst + 40, lineBurst + 50
	type moment struct {
		wakeups uint64
		at      time.Duration
	}
	moments := make(chan moment, 2)
	lines := 0
	c, result := r.start(Spec{Argv: []string{"yes"}, Output: func([]byte) {
		if lines++; lines == from || lines == to {
			moments <- moment{r.loop.Wakeups(), r.loop.Now()}
		}
	}})
	next := func() (m moment) {
		t.Helper()
		select {
		case m = <-moments:
		case <-time.After(patience):
			t.Fatal("no more lines are logged")
		}
		return m
	}
	first := next()
	for range 20 {
		r.do(func() {}) // has no end if the output holds up the loop
	}
	last := next()
	if n, took := last.wakeups-first.wakeups, last.at-first.at; n > uint64(took/time.Millisecond) {
		t.Errorf("%d wake-ups in %v", n, took)
	}
	r.do(c.Stop)
	r.await(result)
	r.untilNothingIsLeft()
}

// The allowance comes back with time: a quiet program's lines all come.
func TestAllowance(t *testing.T) {
	clock := &clock{}
	var out []string
	l := newLines(clock, func(line []byte) { out = append(out, string(line)) })
	for range lineBurst + 7 {
		l.take([]byte("a\n"))
	}
	if len(out) != lineBurst || !l.dropping() {
		t.Fatalf("burst: %d lines, dropping %v", len(out), l.dropping())
	}
	clock.pass(dropPeriod)
	if got := out[len(out)-1]; got != "… 7 lines dropped" || l.dropping() {
		t.Errorf("told %q", got)
	}
	out = nil
	for range 500 {
		clock.pass(linePeriod)
		l.take([]byte("b\n"))
	}
	if len(out) != 500 {
		t.Errorf("%d of 500 lines at the allowed pace", len(out))
	}
}

// clock is a loop of which only the time moves.
type clock struct {
	now  time.Duration
	due  time.Duration
	call func()
}

func (c *clock) Now() time.Duration       { return c.now }
func (c *clock) Woke() time.Duration      { return c.now }
func (c *clock) Beside(work, done func()) { panic("not for lines") }
func (c *clock) Watch(int, uint32, func(uint32)) (sources.Watch, error) {
	panic("not for lines")
}

func (c *clock) After(d time.Duration, fire func()) sources.Timer {
	c.due, c.call = c.now+d, fire
	return c
}

func (c *clock) Stop() bool {
	pending := c.call != nil
	c.call = nil
	return pending
}

func (c *clock) pass(d time.Duration) {
	c.now += d
	if fire := c.call; fire != nil && c.now >= c.due {
		c.call = nil
		fire()
	}
}

func TestLinesAllocateNothing(t *testing.T) {
	clock := &clock{}
	l := newLines(clock, func([]byte) {})
	text := []byte("grün\x1b \xff plain and \u202e simple\r\n" + strings.Repeat("x", 1500) + "\n")
	if n := testing.AllocsPerRun(100, func() {
		clock.pass(time.Second)
		l.take(text)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever a program writes, and however it comes in pieces, each line is
// short and clean, and no printable character is lost.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb"), 1)
	f.Add([]byte("\xe2\x82\xac\xe2\xc3\xa4\r\r\n\x1b[0m"), 2)
	f.Add([]byte(strings.Repeat("€", 1000)), 7)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		step = max(1, step%64)
		whole, pieces := deliverAll(t, b, len(b)), deliverAll(t, b, step)
		if whole != pieces {
			t.Errorf("at once:   %q\nin pieces: %q", whole, pieces)
		}
	})
}

func deliverAll(t *testing.T, b []byte, step int) string {
	var out strings.Builder
	clock := &clock{}
	l := newLines(clock, func(line []byte) {
		clock.pass(time.Second) // never too fast
		if len(line) > longestLine || !utf8.Valid(line) || bytes.ContainsAny(line, "\x00\x1b\r\n\x7f") {
			t.Errorf("delivered %q", line)
		}
		out.Write(line)
		out.WriteByte('\n')
	})
	for len(b) > 0 {
		n := min(step, len(b))
		l.take(b[:n])
		b = b[n:]
	}
	l.flush()
	return out.String()
}
