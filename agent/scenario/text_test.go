// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// types returns the steps that type digits and Enter on an input.
func types(input, digits string) string {
	var steps strings.Builder
	for _, key := range append(strings.Split(digits, ""), "ENTER") {
		fmt.Fprintf(&steps, "      - click: {key: KEY_%s, from: %s}\n", key, input)
	}
	return steps.String()
}

// playExample plays a test of one of the examples.
func playExample(t *testing.T, name, steps string) {
	t.Helper()
	yaml, err := os.ReadFile("../../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	f := load(t, string(yaml), steps)
	for _, one := range f.Tests {
		o, err := f.Play(one)
		if err != nil {
			t.Fatal(err)
		}
		if o.Failure != "" {
			t.Errorf("%s: %s: %s\n%s", one.Name, o.At, o.Failure, o.Trace)
		}
	}
}

func TestTagsThatOpenTheDoor(t *testing.T) {
	playExample(t, "rfid-door.yaml", `
config: c.yaml
tests:
  - name: tags
    given: {inputs: {reader: present}}
    steps:
      - wait: 1s
`+types("reader", "0007564382")+`
      - expect: [{rule: open, fired: 1}, {line: lock, is: on}]
      - {expect: {line: lock, is: off}, within: 3s}
`+types("reader", "0007564383")+`
      - expect: [{rule: refuse, fired: 1}, {rule: open, fired: 1}, {log: unknown tag}]
`)
}

func TestScannedBooks(t *testing.T) {
	playExample(t, "barcode-scanner.yaml", `
config: c.yaml
tests:
  - name: books
    given: {inputs: {scanner: present}}
    steps:
      - wait: 1s
`+types("scanner", "9783161484100")+`
      - expect: {run: [/usr/local/bin/book, "9783161484100"]}
`+types("scanner", "4006381333931")+`
      - expect: nothing
      - {input: scanner, is: absent}
      - expect: {log: "the scanner is unplugged"}
`)
}

func TestKioskKeys(t *testing.T) {
	playExample(t, "kiosk.yaml", `
config: c.yaml
tests:
  - name: keys
    given: {inputs: {keyboard: present}}
    steps:
      - click: {key: KEY_F11, from: keyboard}
      - expect: {log: "KEY_F11 is blocked"}
      - hold: {key: KEY_F12, from: keyboard, for: 6s}
      - expect: {run: [systemctl, start, kiosk-service]}
`)
}

func TestPositions(t *testing.T) {
	playExample(t, "gps.yaml", `
config: c.yaml
tests:
  - name: sentences
    steps:
      - {file: gps, text: "$GPRMC,120000,A,4717.1,N,00833.9,E"}
      - expect: [{rule: position, fired: 1}, {line: fix, is: on}]
      - {file: gps, text: "$GPGSV,3,1,11"}
      - wait: 1s
      - {file: gps, text: "$GPRMC,120001,V,,,,"}
      - expect: [{rule: no position, fired: 1}, {line: fix, is: off}]
`)
}
