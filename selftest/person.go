// SPDX-License-Identifier: MIT

// The tests in which the user takes part.

package selftest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/client"
)

// presses is how often the user is to press the button.
const presses = 5

// button counts how a real contact bounces, by the edges that the kernel reports
// without debouncing. If there is an LED, it is lit while the button is pressed.
func (b *bench) button() (Result, error) {
	if b.LED != "" {
		restore, err := b.keepLED()
		if err != nil {
			return Result{}, err
		}
		defer restore()
	}
	light := func(to string) string {
		if b.LED == "" {
			return "{log: edge}"
		}
		return fmt.Sprintf("{set: {led: %q, to: %s}}", b.LED, to)
	}
	a, err := b.start(fmt.Sprintf(`lines: {in: {input: %q, bias: pull-up}}
rules:
  - {when: {line: in, is: falling}, do: %s}
  - {when: {line: in, is: rising}, do: %s}
  - {when: {event: over}, do: {log: over}}
`, b.Button, light("on"), light("off")), "in", "over")
	if err != nil {
		return Result{}, err
	}
	defer a.stop(unix.SIGTERM)
	if _, err := b.Prompt(fmt.Sprintf("Press and release the button at %s %d times, slowly; then Enter: ", b.Button, presses)); err != nil {
		return Result{}, err
	}
	edges, err := a.edgesUntilNow()
	if err != nil {
		return Result{}, err
	}
	var times []time.Duration
	for _, n := range edges {
		times = append(times, time.Duration(n.Time))
	}
	return bouncing(times), nil
}

// bouncing describes edges. Those nearer to each other than a finger is fast
// belong to one press or release.
func bouncing(times []time.Duration) Result {
	const apart = 40 * time.Millisecond
	moves, longest := 0, time.Duration(0)
	var began, last time.Duration
	for i, t := range times {
		if i == 0 || t-last > apart {
			moves++
			began = t
		}
		last = t
		longest = max(longest, t-began)
	}
	r := Result{Outcome: OK, Values: map[string]any{"edges": len(times), "moves": moves, "bounce": longest.Microseconds()}}
	r.Found = fmt.Sprintf("%d edges in %d presses and releases; the longest bounce took %d µs", len(times), moves, longest.Microseconds())
	switch {
	case len(times) == 0:
		r.Outcome, r.Found = Bad, "no edge was reported"
	case moves != 2*presses:
		r.Outcome = Note
		r.Found += fmt.Sprintf(" (%d were asked for)", 2*presses)
	}
	return r
}

// keepLED returns what gives the LED back its trigger and brightness.
func (b *bench) keepLED() (restore func(), err error) {
	folder := b.ledFolder()
	brightness, err := os.ReadFile(filepath.Join(folder, "brightness"))
	if err != nil {
		return nil, err
	}
	triggers, err := os.ReadFile(filepath.Join(folder, "trigger"))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(triggers), "[")
	trigger, _, _ := strings.Cut(rest, "]")
	return b.later(func() {
		// A trigger sets the brightness itself.
		_ = os.WriteFile(filepath.Join(folder, "brightness"), brightness, 0)
		_ = os.WriteFile(filepath.Join(folder, "trigger"), []byte(trigger), 0)
	}), nil
}

// led blinks the LED and asks whether it does.
func (b *bench) led() (Result, error) {
	restore, err := b.keepLED()
	if err != nil {
		return Result{}, err
	}
	defer restore()
	a, err := b.start(fmt.Sprintf("rules: [{when: {event: go}, do: {blink: {led: %q, every: 500ms}}}]\n", b.LED))
	if err != nil {
		return Result{}, err
	}
	defer a.stop(unix.SIGTERM)
	if _, err := a.control.Emit("go", nil); err != nil {
		return Result{}, err
	}
	answer, err := b.Prompt(fmt.Sprintf("Does the LED %s blink twice a second? [y/N] ", b.LED))
	if err != nil {
		return Result{}, err
	}
	if !Yes(answer) {
		return Result{}, fmt.Errorf("%s does not blink", b.LED)
	}
	return Result{Outcome: OK, Found: b.LED + " blinks"}, nil
}

// Yes reports whether an answer is one.
func Yes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// byHand is how long the user may take for the drive.
const byHand = time.Minute

// drive has a USB drive mounted read-only, and pulled out while it is mounted.
func (b *bench) drive() (Result, error) {
	a, err := b.start(fmt.Sprintf(`automount: [{match: {ID_BUS: usb}, at: %q, read_only: on}]
rules: [{when: {mount: "*", is: [mounted, yanked, failed]}, do: {log: "a drive"}}]
`, b.dir+"/drive"))
	if err != nil {
		return Result{}, err
	}
	defer a.stop(unix.SIGTERM)
	if _, err := b.Prompt("Plug in a USB drive whose content does not matter, then Enter: "); err != nil {
		return Result{}, err
	}
	state := ""
	mounted, err := a.await(byHand, func(n *client.Notice) bool {
		state = n.State
		return n.Type == "event" && n.Kind == "mount"
	})
	if err != nil {
		return Result{}, fmt.Errorf("no drive was mounted: %w", err)
	}
	if state != "mounted" {
		return Result{}, fmt.Errorf("the drive was not mounted: %s %v", state, mounted.Fields["REASON"])
	}
	if _, err := b.Prompt("Pull it out, without unmounting it, then Enter: "); err != nil {
		return Result{}, err
	}
	if _, err := a.await(byHand, func(n *client.Notice) bool {
		return n.Type == "event" && n.Kind == "mount" && n.State == "yanked"
	}); err != nil {
		return Result{}, fmt.Errorf("its removal was not noticed: %w", err)
	}
	fstype := fmt.Sprint(mounted.Fields["FSTYPE"])
	return Result{Outcome: OK, Found: fmt.Sprintf("%s drive mounted read-only; pulled out, it is unmounted", fstype), Values: map[string]any{"type": fstype}}, nil
}
