// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"strings"
	"testing"

	"reflexd/lab"
)

// Codes that a USB keyboard types, each of which is one event.
func TestTypedCodes(t *testing.T) {
	b := on(t, lab.Virt)
	b.keyboard(t, "scanner")
	a := b.start(t, `
inputs: {scanner: {name: "*USB Keyboard", grab: auto, text: {layout: us, pause: 0}, log_text: on}}
rules:
  - {name: code, when: {input: scanner, is: typed, where: {TEXT: "4*"}}, do: {log: "code ${TEXT}."}}
  - {name: other, when: {input: scanner, is: typed, where: {TEXT: {not: "4*"}}}, do: {log: "other ${TEXT}."}}
`)
	a.expect("input device grabbed")
	var want strings.Builder
	for i := range 20 {
		code := fmt.Sprintf("4%03d", i*37)
		if err := b.Type(t.Context(), append(strings.Split(code, ""), "ret")...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "code %s.\n", code)
	}
	a.expect(`code 4703\.`)
	var got strings.Builder
	for line := range strings.Lines(a.log()) {
		if _, rest, ok := strings.Cut(line, `msg="`); ok && strings.Contains(rest, ".\"") {
			text, _, _ := strings.Cut(rest, `"`)
			fmt.Fprintln(&got, text)
		}
	}
	if got.String() != want.String() {
		t.Errorf("read\n%s\nexpected\n%s", got.String(), want.String())
	}
}
