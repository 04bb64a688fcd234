// SPDX-License-Identifier: MIT

// The tests with two joined lines.

package selftest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/client"
	"reflexd/sources/gpio"
)

// stable is how long a level may take to reach the other end of the wire: a long
// wire and a weak pull resistor take microseconds.
const stable = 10 * time.Millisecond

// wire finds out whether the input follows the output.
func (b *bench) wire() (Result, error) {
	out, err := b.openLine(b.Output, gpio.Output, "")
	if err != nil {
		return Result{}, err
	}
	defer out.Close()
	in, err := b.openLine(b.Input, gpio.Input, "")
	if err != nil {
		return Result{}, err
	}
	defer in.Close()
	for i := range 8 {
		want := i%2 == 0
		if err := out.Set(want); err != nil {
			return Result{}, err
		}
		time.Sleep(stable)
		got, err := in.High()
		if err != nil {
			return Result{}, err
		}
		if got != want {
			return Result{}, fmt.Errorf("no wire joins %s to %s: %[1]s is %[3]s and %[2]s stays %[4]s", b.Output, b.Input, level(want), level(got))
		}
	}
	return Result{Outcome: OK, Found: fmt.Sprintf("%s follows %s", b.Input, b.Output)}, nil
}

// bias finds out whether the pull resistors of the input work, while nothing drives it.
func (b *bench) bias() (Result, error) {
	r := Result{Outcome: OK, Values: map[string]any{}}
	out, err := b.openLine(b.Output, gpio.Input, "disabled")
	if noSupport(err) {
		out, err = b.openLine(b.Output, gpio.Input, "")
	}
	if err != nil {
		return r, err
	}
	defer out.Close()
	var found []string
	for _, c := range []struct{ bias, want string }{{"pull-up", "high"}, {"pull-down", "low"}} {
		got, err := b.pulled(c.bias)
		if err != nil {
			return r, err
		}
		r.Values[c.bias] = got
		found = append(found, c.bias+" "+got)
		if got == c.want {
			continue
		}
		if r.Outcome == OK {
			r.Outcome = Note
		}
		if got != unsupported {
			r.Outcome = Bad
		}
	}
	r.Found = strings.Join(found, ", ")
	if r.Outcome == Bad {
		r.Found += ": a resistor on the board is stronger, or the chip does not do what it accepts"
	}
	return r, nil
}

const unsupported = "unsupported"

func noSupport(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}

// pulled returns the level of the input with a bias.
func (b *bench) pulled(bias string) (string, error) {
	in, err := b.openLine(b.Input, gpio.Input, bias)
	if noSupport(err) {
		return unsupported, nil
	}
	if err != nil {
		return "", err
	}
	defer in.Close()
	time.Sleep(stable)
	high, err := in.High()
	return level(high), err
}

// joinedLines declares the two lines, with more keys for the output.
func (b *bench) joinedLines(keys string) string {
	return fmt.Sprintf("lines:\n  out: {output: %q%s}\n  in: {input: %q}\n", b.Output, keys, b.Input)
}

// Of edges so many are measured, or as many as there is time for on a slow machine.
const (
	edges       = 500
	longEnough  = 10 * time.Second
	fewestEdges = 20
)

// latency measures how long a rule takes from an edge to an output. The output is
// the line that makes the next edge, so that the kernel's timestamps of both edges
// measure it: interrupt to interrupt.
func (b *bench) latency() (Result, error) {
	a, err := b.start(b.joinedLines("")+"rules: [{when: {line: in, is: rising}, do: {set: {line: out, to: off}}}]\n", "in")
	if err != nil {
		return Result{}, err
	}
	defer a.stop(unix.SIGTERM)
	var all []time.Duration
	for began := time.Now(); len(all) < fewestEdges || len(all) < edges && time.Since(began) < longEnough; {
		// A timer of the agent makes the first edge, when it has nothing else to do.
		if _, err := a.control.Pulse("out", stable, "off"); err != nil {
			return Result{}, err
		}
		rising, err := a.edge("rising")
		if err != nil {
			return Result{}, err
		}
		falling, err := a.edge("falling")
		if err != nil {
			return Result{}, err
		}
		all = append(all, falling-rising)
	}
	r := Result{Outcome: OK}
	r.Found, r.Values = spread(all)
	r.Found = fmt.Sprintf("edge to output, %d times: %s", len(all), r.Found)
	return r, nil
}

// The bounce that debounce makes: changes of the level, with pauses between them.
const (
	bounces     = 11 // odd: it ends high
	bouncePause = time.Millisecond
	debounced   = 20 * time.Millisecond
	tries       = 5
)

// debounce makes a contact bounce, for which one edge must be reported, and
// another for its release.
func (b *bench) debounce() (Result, error) {
	a, err := b.start(fmt.Sprintf(`lines: {in: {input: %q, debounce: %v}}
rules:
  - {when: {line: in, is: [rising, falling]}, do: {log: edge}}
  - {when: {event: over}, do: {log: over}}
`, b.Input, debounced), "in", "over")
	if err != nil {
		return Result{}, err
	}
	defer a.stop(unix.SIGTERM)
	out, err := b.openLine(b.Output, gpio.Output, "")
	if err != nil {
		return Result{}, err
	}
	defer out.Close()
	for range tries {
		longest, err := out.Drive(bounces, bouncePause)
		if err != nil {
			return Result{}, err
		}
		time.Sleep(3 * debounced)
		if err := out.Set(false); err != nil {
			return Result{}, err
		}
		time.Sleep(3 * debounced)
		edges, err := a.edgesUntilNow()
		if err != nil {
			return Result{}, err
		}
		if longest > debounced/2 {
			continue // the machine was too busy to bounce
		}
		r := Result{Outcome: OK, Values: map[string]any{"changes": bounces + 1, "edges": len(edges), "period": debounced.Microseconds()}}
		r.Found = fmt.Sprintf("%v: of %d changes, 1 ms apart, and a release %d edges were reported", debounced, bounces, len(edges))
		if len(edges) != 2 || edges[0].State != "rising" || edges[1].State != "falling" {
			r.Outcome = Bad
		}
		return r, nil
	}
	return Result{Outcome: Skipped, Found: "this machine was too busy to make a bounce"}, nil
}

// rates are those at which pulses are counted, per second.
var rates = []int{100, 1000, 2000, 5000, 10000, 20000, 50000, 100000}

// counting drives pulses at rising rates and compares them with what is counted.
func (b *bench) counting() (Result, error) {
	a, err := b.start(fmt.Sprintf(`lines: {in: {input: %q, edges: rising}}
counters: {n: {line: in}}
rules:
  - {when: {event: read}, do: {emit: {name: total, fields: {TOTAL: "${counter.n}"}}}}
  - {when: {event: total}, do: {log: total}}
`, b.Input), "total")
	if err != nil {
		return Result{}, err
	}
	defer a.stop(unix.SIGTERM)
	out, err := b.openLine(b.Output, gpio.Output, "")
	if err != nil {
		return Result{}, err
	}
	defer out.Close()
	exact, missed, fastest, steps := 0, "", 0, []map[string]any{}
	for _, rate := range rates {
		pulses, driven, counted, err := a.count(out, time.Second/time.Duration(rate))
		if err != nil {
			return Result{}, err
		}
		steps = append(steps, map[string]any{"rate": driven, "pulses": pulses, "counted": counted})
		switch {
		case missed != "":
		case counted == pulses:
			exact = max(exact, driven)
		default:
			missed = fmt.Sprintf("; at %d a second, %d of %d", driven, counted, pulses)
		}
		if driven < fastest*5/4 {
			break // this machine cannot make pulses any faster
		}
		fastest = driven
	}
	r := Result{Outcome: OK, Values: map[string]any{"exact": exact, "steps": steps}}
	r.Found = fmt.Sprintf("every pulse up to %d a second%s", exact, missed)
	if exact == 0 {
		r.Outcome = Bad
		r.Found = "pulses were missed" + missed
	}
	return r, nil
}

// count drives pulses for half a second, and returns how many they were, their rate
// per second, and how many were counted.
func (a *agent) count(out *gpio.Trial, period time.Duration) (pulses, driven, counted int, err error) {
	const batch = 10
	before, err := a.total()
	if err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	for time.Since(began) < time.Second/2 {
		if _, err := out.Drive(2*batch, period/2); err != nil {
			return 0, 0, 0, err
		}
		pulses += batch
	}
	driven = int(float64(pulses) / time.Since(began).Seconds())
	after, err := a.total()
	return pulses, driven, after - before, err
}

// total returns what the counter has, once it does not change any more.
func (a *agent) total() (int, error) {
	const pause, reads = 50 * time.Millisecond, 100
	last := -1
	for range reads {
		if _, err := a.control.Emit("read", nil); err != nil {
			return 0, err
		}
		n, err := a.await(patience, func(n *client.Notice) bool { return n.Type == "event" && n.Kind == "event" && n.Name == "total" })
		if err != nil {
			return 0, err
		}
		now, err := strconv.Atoi(fmt.Sprint(n.Fields["TOTAL"]))
		if err != nil {
			return 0, fmt.Errorf("the counter's total: %w", err)
		}
		if now == last {
			return now, nil
		}
		last = now
		time.Sleep(pause)
	}
	return 0, errors.New("the counter's total does not come to rest")
}

// onExit finds out what an output is after the agent has stopped, and after it was
// killed: then the driver alone decides.
func (b *bench) onExit() (Result, error) {
	r := Result{Outcome: OK, Values: map[string]any{}}
	var found []string
	for _, c := range []struct {
		name, keys, before string
		signal             unix.Signal
		want               string // "" for what the driver decides
	}{
		{"off", ", on_exit: off", "on", unix.SIGTERM, "low"},
		{"on", ", on_exit: on", "off", unix.SIGTERM, "high"},
		{"killed", "", "on", unix.SIGKILL, ""},
	} {
		got, err := b.leave(c.keys, c.before, c.signal)
		if err != nil {
			return r, err
		}
		r.Values[c.name] = got
		if c.want == "" {
			found = append(found, "killed while it is on: "+got)
			continue
		}
		found = append(found, c.name+": "+got)
		if got != c.want {
			r.Outcome = Note
		}
	}
	r.Found = strings.Join(found, ", ")
	if r.Outcome == Note {
		r.Found += "; the driver does not keep the level of a line that is released"
	}
	return r, nil
}

// leave sets the output of an agent, ends it, and returns the level afterwards.
func (b *bench) leave(keys, to string, s unix.Signal) (string, error) {
	a, err := b.start(b.joinedLines(keys) + "rules: []\n")
	if err != nil {
		return "", err
	}
	_, err = a.control.Set("out", to)
	a.stop(s)
	if err != nil {
		return "", err
	}
	time.Sleep(stable)
	in, err := b.openLine(b.Input, gpio.Input, "")
	if err != nil {
		return "", err
	}
	defer in.Close()
	high, err := in.High()
	return level(high), err
}
