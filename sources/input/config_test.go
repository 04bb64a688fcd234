// SPDX-License-Identifier: MIT

package input

import (
	"slices"
	"strings"
	"testing"

	"reflexd/config"
	"reflexd/sources"
)

func TestConfig(t *testing.T) {
	c, ps := compile(`
inputs:
  a: {name: "*IR*", id: 46D:c52b, phys: "usb-*", uniq: "?", path: /dev/input/by-id/x, has: [KEY_POWER, BTN_MOUSE, KEY_84], grab: auto}
  b: {has: KEY_MIN_INTERESTING, grab: true}
  c: {id: "*:0001"}
rules:
  - {key: [KEY_SCREENLOCK, KEY_COFFEE, KEY_84], is: [pressed, repeated], from: b}
  - {switch: SW_RADIO, is: changed}
  - {switch: SW_LID, is: on}
  - {axis: REL_WHEEL, above: 0}
`)
	if ps.Failed() {
		t.Fatal(ps)
	}
	a := c.plan.Inputs["a"]
	if a.ID != (ID{"046d", "c52b"}) || !slices.Equal(a.Has, []uint16{116, 0x110, 84}) || a.Grab != GrabAuto || c.plan.Inputs["b"].Grab != GrabOn {
		t.Errorf("%+v", a)
	}
	var topics []string
	for _, tr := range c.triggers {
		for _, tp := range tr.Topics {
			topics = append(topics, tp.Kind+" "+tp.Name+" "+tp.State)
		}
	}
	want := []string{"key KEY_COFFEE pressed", "key KEY_COFFEE repeated", "key KEY_84 pressed", "key KEY_84 repeated",
		"switch SW_RFKILL_ALL off", "switch SW_RFKILL_ALL on", "switch SW_LID on", "axis REL_WHEEL changed"}
	if !slices.Equal(topics, want) {
		t.Errorf("topics are %q", topics)
	}
	if m := c.triggers[0].Match; m(&sources.Event{Names: []string{"a"}}) || !m(&sources.Event{Names: []string{"b"}}) {
		t.Error("`from` does not restrict")
	}
}

func TestComplaints(t *testing.T) {
	for text, want := range map[string]string{
		`inputs: {a: {}}`:                       `t.yaml:1:10: input "a" does not select a device`,
		`inputs: {a: {grab: on}}`:               `t.yaml:1:10: input "a" does not select a device`,
		`inputs: {a: {name: "[x"}}`:             `a [ is not closed`,
		`inputs: {a: {name: ""}}`:               `empty quotes`,
		`inputs: {a: {path: event3}}`:           `an absolute path, found "event3"`,
		`inputs: {a: {id: 046d}}`:               `expected vendor:product`,
		`inputs: {a: {id: "046d:12345"}}`:       `expected vendor:product`,
		`inputs: {a: {name: x, grab: maybe}}`:   `expected auto, on or off, found "maybe"`,
		`inputs: {a: {name: x, grab: [on]}}`:    `expected auto, on or off, found a list`,
		`inputs: {a: {has: [KEY_POWR]}}`:        `t.yaml:1:20: no key is called "KEY_POWR"; did you mean "KEY_POWER"?`,
		`rules: [{key: VOLUMEUP, is: pressed}]`: `no key is called "VOLUMEUP"; did you mean "KEY_VOLUMEUP"?`,
		`rules: [{key: key_mute, is: pressed}]`: `did you mean "KEY_MUTE"?`,
		`rules: [{key: KEY_116, is: pressed}]`:  `code 116 is KEY_POWER`,
		`rules: [{key: KEY_768, is: pressed}]`:  `no key is called "KEY_768"`,
		`rules: [{key: KEY_MAX, is: pressed}]`:  `no key is called "KEY_MAX"`,
		`rules: [{key: KEY_A}]`:                 `the key "is" is missing`,
		`rules: [{key: KEY_A, is: clicked2}]`:   `expected pressed, released, clicked, double-clicked, triple-clicked, held or repeated`,
		"inputs: {remote: {name: x}}\nrules: [{key: KEY_A, is: pressed, from: remot}]": `t.yaml:2:41: no input "remot" is declared; did you mean "remote"?`,
		`rules: [{key: KEY_A, is: [held, clicked], for: 1s}]`:                          `for and repeat go with`,
		`rules: [{key: KEY_A, is: held, times: 2}]`:                                    `times goes with`,
		`rules: [{keys: [KEY_A], together: true, is: pressed}]`:                        `needs a list of two or more`,
		`rules: [{keys: [KEY_A, KEY_A], together: true, is: pressed}]`:                 `names one twice`,
		`rules: [{keys: [KEY_A, KEY_B], is: pressed}]`:                                 `write either`,
		`rules: [{keys: [KEY_A, KEY_B], in_order: true, is: held}]`:                    "a sequence can be `pressed` only",
		`rules: [{keys: [KEY_A, KEY_B], in_order: true, is: pressed, exact: true}]`:    "exact goes with",
		`rules: [{switch: SW_LIT, is: on}]`:                                            `no switch is called "SW_LIT"; did you mean "SW_LID"?`,
		`rules: [{switch: SW_LID, is: open}]`:                                          `expected on, off or changed`,
		`rules: [{axis: X}]`:                                                           `unknown axis "X": names begin with ABS_ or REL_`,
		`rules: [{axis: REL_WHEL}]`:                                                    `did you mean "REL_WHEEL"?`,
		`rules: [{axis: ABS_X, above: 1.5}]`:                                           `expected an integer, found "1.5"`,
		`rules: [{axis: ABS_X, above: 5, below: 6}]`:                                   `no number is above 5 and below 6`,
		`rules: [{axis: REL_X, above: -1}]`:                                            `this can never fire`,
	} {
		_, ps := compile(text)
		if !ps.Failed() || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s\ngot  %s\nwant %s", text, ps, want)
		}
	}
}

func TestAxisBounds(t *testing.T) {
	for _, tc := range []struct {
		trigger string
		was, is int64
		fires   bool
	}{
		{"{axis: ABS_X, above: 5}", 5, 6, true},
		{"{axis: ABS_X, above: 5}", 6, 7, false},
		{"{axis: ABS_X, above: 5}", 7, 5, false},
		{"{axis: ABS_X, below: -5}", 0, -6, true},
		{"{axis: ABS_X, below: -5}", -6, -7, false},
		{"{axis: ABS_X, above: 1, below: 5}", 0, 9, false},
		{"{axis: ABS_X, above: 1, below: 5}", 9, 4, true},
		{"{axis: REL_WHEEL, above: 0}", 0, 1, true},
		{"{axis: REL_WHEEL, below: 0}", 0, 1, false},
	} {
		c, ps := compile("rules: [" + tc.trigger + "]")
		if ps.Failed() {
			t.Fatal(ps)
		}
		e := &sources.Event{Fields: []sources.Field{
			{Name: "VALUE", Value: sources.Int(tc.is)}, {Name: "PREVIOUS", Value: sources.Int(tc.was)}}}
		if got := c.triggers[0].Match(e); got != tc.fires {
			t.Errorf("%s from %d to %d fires: %t", tc.trigger, tc.was, tc.is, got)
		}
	}
}

func TestMatches(t *testing.T) {
	id := &identity{name: "Logitech K120", phys: "usb-1/input0", uniq: "aa:bb", id: inputID{vendor: 0x46d, product: 0xc31c}}
	id.has.add(evKey, 116)
	for text, want := range map[string]bool{
		`name: "Logi*"`:                      true,
		`name: Logi`:                         false,
		`id: 046d:c31c`:                      true,
		`id: "46d:*"`:                        true,
		`id: "*:c31d"`:                       false,
		`phys: "usb-*"`:                      true,
		`uniq: "aa:*"`:                       true,
		`uniq: "ab:*"`:                       false,
		`has: KEY_POWER`:                     true,
		`has: [KEY_POWER, KEY_A]`:            false,
		`path: /dev/input/event3`:            true,
		`path: "/dev/input/event[12]"`:       false,
		`{name: "Logi*", phys: "usb-2*"}`:    false,
		`{name: "Logi*", path: "/*/event3"}`: true,
	} {
		if !strings.HasPrefix(text, "{") {
			text = "{" + text + "}"
		}
		c, ps := compile("inputs: {a: " + text + "}")
		if ps.Failed() {
			t.Fatal(ps)
		}
		if got := len(c.plan.namesOf("/dev/input/event3", id)) == 1; got != want {
			t.Errorf("%s matches: %t", text, got)
		}
	}
}

func TestNames(t *testing.T) {
	for code := range uint16(keyCount) {
		name := KeyName(code)
		if back, err := KeyCode(name); err != nil || back != code {
			t.Errorf("code %d is called %q, which is %d, %v", code, name, back, err)
		}
	}
	for code, want := range map[uint16]string{113: "KEY_MUTE", 0x110: "BTN_LEFT", 0x130: "BTN_SOUTH", 0x2ff: "KEY_767", 0x300: ""} {
		if got := KeyName(code); got != want {
			t.Errorf("code %#x is called %q", code, got)
		}
	}
}

// The fields describe themselves for the schema.
func TestShape(t *testing.T) {
	shape := (&Plan{}).Sections()[0].Value.Shape()
	var grab *config.Field
	for i, f := range shape.Elem.Fields {
		if f.Doc == "" {
			t.Errorf("%s has no doc", f.Name)
		}
		if f.Name == "grab" {
			grab = &shape.Elem.Fields[i]
		}
	}
	if grab == nil || !slices.Equal(grab.Value.Shape().Words, []string{"auto", "on", "off"}) {
		t.Errorf("grab is %+v", grab)
	}
}
