// SPDX-License-Identifier: MIT

// ledDevice: the attributes of a LED in /sys/class/leds.

package output

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// Brightness is how bright a LED is when it is on: a number as the driver
// counts, a percentage of the greatest, or, as the zero value, the greatest.
type Brightness struct {
	N       int
	Percent bool
	// Lightness says that N is how light it looks, up to sources.Full.
	Lightness bool
}

// of returns the number for a driver that counts up to greatest.
func (b Brightness) of(greatest int) int {
	switch {
	case b.Lightness:
		return max(1, int(luminance(float64(b.N)/sources.Full)*float64(greatest)+0.5))
	case b.Percent:
		return max(1, (greatest*b.N+50)/100)
	case b.N > 0:
		return b.N
	}
	return greatest
}

// missingRetry is how often a LED that is not there is looked for while it is
// to show something.
const missingRetry = time.Second

// ledDevice is a LED that may be unplugged. It is used by one goroutine at a
// time.
type ledDevice struct {
	leds     string // the folder of LEDs
	name     string // of the LED that was found; "" for none
	greatest int
	level    int       // how light it was when it was looked at, up to sources.Full
	plays    bool      // the kernel had its trigger "pattern" then
	before   *ledState // what it was, while it shows something
	missing  error     // why it was not found
	retryAt  time.Duration
}

// ledState is what can be given back to a LED.
type ledState struct {
	trigger    string // "none" for none
	brightness string
}

// FindLED returns the name of the LED that a name or pattern means. Listing a
// folder of sysfs asks no driver. sys is where /sys is.
func FindLED(sys, pattern string) (string, error) {
	return findLED(filepath.Join(sys, "class/leds"), pattern)
}

// ReadLED returns the brightness of the LED that a name or pattern means, in its
// driver's units, and the greatest. sys is where /sys is. It may block.
func ReadLED(sys, pattern string) (brightness, greatest int, err error) {
	d := &ledDevice{leds: filepath.Join(sys, "class/leds")}
	if d.name, err = findLED(d.leds, pattern); err != nil {
		return 0, 0, err
	}
	for attribute, n := range map[string]*int{"brightness": &brightness, "max_brightness": &greatest} {
		text, err := d.read(attribute)
		if err == nil {
			*n, err = strconv.Atoi(text)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read LED %s: %w", d.name, err)
		}
	}
	return brightness, greatest, nil
}

// carryOut does what t asks. now is CLOCK_MONOTONIC.
func (d *ledDevice) carryOut(t *ledTask, now time.Duration) error {
	if d.missing != nil && len(t.settings) == 0 && !t.looks && t.fades == nil && now < d.retryAt {
		return d.missing
	}
	known := d.name != ""
	err := d.try(t)
	if known && isGone(err) { // and may have been plugged in again
		err = d.try(t)
	}
	if isGone(err) {
		d.missing, d.retryAt = err, now+missingRetry
	}
	return err
}

// isGone reports whether err says that there is no such LED.
func isGone(err error) bool {
	return errors.As(err, new(notFound)) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV)
}

// try does what t asks, and forgets the LED if it is gone.
func (d *ledDevice) try(t *ledTask) (err error) {
	defer func() {
		if isGone(err) {
			d.name, d.before = "", nil
		}
	}()
	if err := d.find(t.pattern); err != nil {
		return err
	}
	for len(t.settings) > 0 {
		d.before = nil
		if err := d.set(&t.settings[0]); err != nil {
			return err
		}
		t.settings = t.settings[1:]
	}
	if t.looks { // for an order that lasts
		t.looks, d.before = false, nil
		if err := d.look(); err != nil {
			return err
		}
	}
	if t.fades != nil {
		return d.play(t.fades.pattern(d.greatest))
	}
	if t.show == asBefore {
		return d.restore()
	}
	return d.show(t.show == showOn)
}

func (d *ledDevice) find(pattern string) error {
	if d.name != "" {
		return nil
	}
	name, err := findLED(d.leds, pattern)
	if err != nil {
		return err
	}
	d.name, d.missing = name, nil
	text, err := d.read("max_brightness")
	if err != nil {
		return err
	}
	if d.greatest, err = strconv.Atoi(text); err != nil || d.greatest < 1 {
		d.greatest = 255 // LED_FULL
	}
	return nil
}

// show drives the LED to a level, having noted what it was.
func (d *ledDevice) show(on bool) error {
	if d.before == nil {
		brightness, err := d.read("brightness")
		if err != nil {
			return err
		}
		trigger, err := d.release()
		if err != nil {
			return err
		}
		d.before = &ledState{trigger, brightness}
	}
	level := 0
	if on {
		level = d.greatest
	}
	return d.write("brightness", strconv.Itoa(level))
}

// look reads how light the LED is, and ends a pattern that the kernel plays.
func (d *ledDevice) look() error {
	has, known, err := d.triggers()
	if err == nil && has == patternTrigger {
		err = d.stopPattern()
	}
	if err != nil {
		return err
	}
	d.plays = slices.Contains(known, patternTrigger)
	text, err := d.read("brightness")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	d.level = int(lightness(float64(n)/float64(d.greatest))*sources.Full + 0.5)
	return err
}

// restore makes the LED what it was. The trigger comes last: writing a
// brightness of 0 would take it off.
func (d *ledDevice) restore() error {
	before := d.before
	if before == nil {
		return nil
	}
	d.before = nil
	if err := d.write("brightness", before.brightness); err != nil {
		return err
	}
	if before.trigger == noTrigger {
		return nil
	}
	return d.write("trigger", before.trigger)
}

func (d *ledDevice) set(s *Setting) error {
	if s.Trigger == "" {
		if _, err := d.release(); err != nil {
			return err
		}
	} else if err := d.attach(s.Trigger); err != nil {
		return err
	}
	on := s.To == "on"
	switch s.To {
	case "":
		return nil
	case "toggle":
		text, err := d.read("brightness")
		if err != nil {
			return err
		}
		on = text == "0"
	}
	level := 0
	if on {
		level = s.Brightness.of(d.greatest)
	}
	return d.write("brightness", strconv.Itoa(level))
}

// noTrigger is what the kernel calls the absence of a trigger.
const noTrigger = "none"

// patternTrigger is the trigger that plays what is written to it
// (drivers/leds/trigger/ledtrig-pattern.c).
const patternTrigger = "pattern"

// release takes off the trigger, if there is one, and returns what it was.
// Writing "none" where there is none would cost the kernel's waiting for
// nothing. The trigger for patterns stays, and plays nothing any more: taking off
// a trigger turns the LED off for a moment.
func (d *ledDevice) release() (string, error) {
	trigger, _, err := d.triggers()
	switch {
	case err != nil || trigger == noTrigger:
		return trigger, err
	case trigger == patternTrigger:
		return noTrigger, d.stopPattern()
	}
	return trigger, d.write("trigger", noTrigger)
}

// stopPattern has the LED stay as it is just then: an empty pattern stops the one
// before.
func (d *ledDevice) stopPattern() error { return d.write(patternTrigger, "\n") }

// play has the kernel play a pattern once.
func (d *ledDevice) play(pattern string) error {
	has, _, err := d.triggers()
	if err == nil && has != patternTrigger {
		err = d.write("trigger", patternTrigger)
	}
	if err != nil {
		return err
	}
	// The count of rounds is used up by the pattern before, and setting it would
	// begin that one again.
	for _, step := range [][2]string{{patternTrigger, "\n"}, {"repeat", "1"}, {patternTrigger, pattern}} {
		if err := d.write(step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}

// attach has a trigger drive the LED.
func (d *ledDevice) attach(trigger string) error {
	err := d.write("trigger", trigger)
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	_, known, _ := d.triggers()
	return d.noTrigger(trigger, known)
}

// noTrigger is the error for a trigger that is none of those that there are.
func (d *ledDevice) noTrigger(trigger string, known []string) error {
	return fmt.Errorf("LED %s: the kernel has no trigger %s, or its module is not loaded%s", d.name, trigger, config.Suggest(trigger, known))
}

// triggers returns the trigger that the LED has, and all that it could have.
func (d *ledDevice) triggers() (has string, known []string, err error) {
	text, err := d.read("trigger")
	if errors.Is(err, unix.ENOENT) {
		return noTrigger, nil, nil // a kernel without any
	}
	has, known = parseTriggers(text)
	return has, known, err
}

// parseTriggers reads the attribute trigger: "none [timer] heartbeat".
func parseTriggers(text string) (has string, known []string) {
	has = noTrigger
	known = strings.Fields(text)
	for i, name := range known {
		if inner, ok := strings.CutPrefix(name, "["); ok {
			known[i] = strings.TrimSuffix(inner, "]")
			has = known[i]
		}
	}
	return has, known
}

func (d *ledDevice) read(attribute string) (string, error) {
	const largest = 64 << 10 // of the triggers that there are, one may be each CPU's, and each battery's
	text, err := sources.ReadAttribute(filepath.Join(d.leds, d.name, attribute), largest)
	return strings.TrimSpace(text), err
}

// write writes an attribute, which must be there.
func (d *ledDevice) write(attribute, text string) error {
	return sources.WriteAttribute(filepath.Join(d.leds, d.name, attribute), text)
}

// notFound says that there is not the one LED that was meant.
type notFound string

func (n notFound) Error() string { return string(n) }

// findLED returns the name of the one LED in the folder that pattern is or
// matches.
func findLED(folder, pattern string) (string, error) {
	var names, matching []string
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		names = append(names, e.Name())
		if sources.Glob(pattern, e.Name()) {
			matching = append(matching, e.Name())
		}
	}
	switch {
	case slices.Contains(names, pattern):
		return pattern, nil
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) > 1:
		return "", notFound(fmt.Sprintf("LED %s: %d LEDs match, %s and %s among them", pattern, len(matching), matching[0], matching[1]))
	case len(names) == 0:
		return "", notFound(fmt.Sprintf("LED %s: %s has no LED", pattern, folder))
	}
	return "", notFound(fmt.Sprintf("LED %s is not in %s%s", pattern, folder, config.Suggest(pattern, names)))
}
