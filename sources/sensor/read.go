// SPDX-License-Identifier: MIT

// read: what an attribute says, as a value. All of it runs in the background.

package sensor

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// value is what a sensor measured: a number or, of some attributes, a word.
type value struct {
	number   sources.Number
	isNumber bool
	text     string
}

func numeric(n sources.Number) value { return value{n, true, n.String()} }

// reading is one reading under way.
type reading struct {
	settings
	place *place // where the sensor is; nil to look for it
	raw   string
	value value
	unit  string
	err   error
}

// largest is the size in bytes of the longest attribute, a page on most boards.
const largest = 4096

// do reads the sensor, having found it if need be.
func (r *reading) do(sys string) {
	if r.place == nil {
		if r.place, r.err = r.find(sys); r.err != nil {
			return
		}
	}
	text, err := readFile(r.place.path)
	if err == nil {
		r.raw, err = r.parse(text)
	}
	if err == nil {
		r.value, err = r.convert()
	}
	r.err = sources.PathError("read", r.place.path, err)
}

// readFile reads the first bytes of a file.
func readFile(name string) (string, error) {
	text, err := sources.ReadAttribute(name, largest)
	switch {
	case err != nil:
		return "", errors.Unwrap(err)
	case text == "":
		return "", errEmpty
	}
	return text, nil
}

// errEmpty is the reading of a sensor that is gone, or whose CRC stays wrong:
// w1_therm's file is then empty, and reading it succeeds (temperature_show in
// drivers/w1/slaves/w1_therm.c).
var errEmpty = errors.New("the file is empty: the sensor does not answer, or not without errors")

// parse returns the word of text that is the value.
func (r *reading) parse(text string) (string, error) {
	if r.kind == w1 && r.place.attribute == "w1_slave" {
		return parseSlave(text)
	}
	line, _, _ := strings.Cut(text, "\n")
	if r.kind == powerSupply { // "Not charging"
		if line = strings.TrimSpace(line); line == "" {
			return "", errEmpty
		}
		return line, nil
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", errEmpty
	}
	return words[0], nil
}

// parseSlave reads the file w1_slave: nine bytes, twice, of which the first line
// ends with the check of the CRC, and the second with "t=21500".
func parseSlave(text string) (string, error) {
	first, second, _ := strings.Cut(text, "\n")
	if first == "" {
		return "", errEmpty
	}
	if !strings.HasSuffix(strings.TrimSpace(first), "YES") {
		return "", errors.New("the CRC is wrong: check the wires and the pull-up resistor")
	}
	_, t, ok := strings.Cut(second, "t=")
	if !ok {
		return "", fmt.Errorf("no temperature in %.60q", second)
	}
	return strings.TrimSpace(t), nil
}

// convert makes the value of r.raw, and says in which unit it is.
func (r *reading) convert() (value, error) {
	u := unitOf(r.kind, r.place.attribute)
	if r.scaled {
		u.scale = r.scale
	}
	if r.unit = u.name; r.named {
		r.unit = r.settings.unit
	}
	n, ok := sources.ParseNumber(r.raw)
	switch {
	case !ok && (r.kind == path || r.kind == powerSupply):
		return value{text: r.raw}, nil
	case !ok:
		return value{}, fmt.Errorf("expected a number, found %.60q", r.raw)
	}
	var err error
	if len(r.place.scale) > 0 && !r.scaled {
		n, err = r.place.calibrate(n)
	}
	if err == nil {
		n, err = n.Mul(u.scale)
	}
	return numeric(n), err
}

// calibrate applies the offset and scale of an IIO device, which are read each
// time: they follow the range that a driver chooses.
func (p *place) calibrate(n sources.Number) (sources.Number, error) {
	offset, err := firstNumber(p.offset, sources.Number{})
	if err == nil {
		n, err = n.Add(offset)
	}
	if err != nil {
		return n, err
	}
	scale, err := firstNumber(p.scale, sources.Integer(1))
	if err != nil {
		return n, err
	}
	return n.Mul(scale)
}

// firstNumber returns the number in the first of the files that exists, or usual.
func firstNumber(files []string, usual sources.Number) (sources.Number, error) {
	for _, f := range files {
		text, err := readFile(f)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		n, ok := sources.ParseNumber(strings.TrimSpace(text))
		if err == nil && !ok {
			err = fmt.Errorf("expected a number, found %.60q", text)
		}
		return n, sources.PathError("read", f, err)
	}
	return usual, nil
}

// isGone reports whether err says that a device is no longer where it was.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOTDIR)
}
