// SPDX-License-Identifier: MIT

// What the verb doctor says of LEDs.

package output

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// ExamineLED returns which LED a name or pattern means, or why it cannot be
// driven, by the trigger unless that is "". Nothing of it is changed.
func ExamineLED(x *sources.Exam, pattern, trigger string) (name string, err error) {
	d := &ledDevice{leds: x.Path("/sys/class/leds")}
	if d.name, err = findLED(d.leds, pattern); err != nil {
		return "", err
	}
	if trigger != "" {
		if _, known, err := d.triggers(); err != nil || !slices.Contains(known, trigger) {
			return "", d.noTrigger(trigger, known)
		}
	}
	brightness := filepath.Join("/sys/class/leds", d.name, "brightness")
	if err := x.Access(brightness, unix.W_OK); err != nil {
		return "", sources.PathError("write", brightness, err)
	}
	return d.name, nil
}
