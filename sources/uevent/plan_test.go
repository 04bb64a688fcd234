// SPDX-License-Identifier: MIT

package uevent

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reflexd/config"
)

func TestTopics(t *testing.T) {
	for text, want := range map[string]string{
		"uevent: {ACTION: add, SUBSYSTEM: block, ID_BUS: usb}":     "[{uevent block add}]",
		"uevent: {ACTION: [add, remove], SUBSYSTEM: [usb, block]}": "[{uevent usb add} {uevent usb remove} {uevent block add} {uevent block remove}]",
		"uevent: {SUBSYSTEM: 'b*', ACTION: {not: remove}}":         "[{uevent  }]",
		"uevent: {}": "[{uevent  }]",
		"{uevent: {SUBSYSTEM: tty, ACTION: '*add'}, coldplug: true}": "[{uevent tty }]",
	} {
		var ps config.Problems
		got := fmt.Sprint(compileOne(&Plan{}, text, &ps).Topics)
		if got != want || ps.Failed() {
			t.Errorf("%s: topics %s, want %s; %v", text, got, want, &ps)
		}
	}
}

func TestComplaints(t *testing.T) {
	for text, want := range map[string]string{
		"uevent: {ACTION: chnage}":                            `f:1:18: the kernel has no ACTION "chnage"; did you mean "change"?`,
		"uevent: {ACTION: [add, ADD]}":                        `f:1:24: the kernel has no ACTION "ADD"; did you mean "add"?`,
		"uevent: {ACTION: {not: removed}}":                    `f:1:24: the kernel has no ACTION "removed"; did you mean "remove"?`,
		"uevent: {ACTION: 'x*'}":                              `f:1:18: the kernel has no ACTION "x*"; known: add, remove, change, move, online, offline, bind, unbind`,
		"uevent: {DEVNAME: 'sd*'}":                            `f:1:19: DEVNAME is absolute: did you mean "/dev/sd*"?`,
		"uevent: {action: add}":                               `f:1:10: "action" is not an event field: write it in upper case, ACTION`,
		"{uevent: {ACTION: remove}, at_start: on}":            `f:1:38: at_start sends ACTION=add, which this trigger does not match`,
		"{uevent: {ACTION: add}, coldplug: on, at_start: on}": `f:1:49: coldplug is the old name of at_start: write at_start alone`,
		"coldplug: true":                                      `f:1:1: the key "uevent" is missing: conditions on the event's fields; DEVNAME is absolute: /dev/sda1`,
	} {
		var ps config.Problems
		compileOne(&Plan{}, text, &ps)
		if diff := cmp.Diff(want, ps.Error()); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestScope(t *testing.T) {
	plan, _ := compile(t, "uevent: {SUBSYSTEM: [usb, block]}", "uevent: {SUBSYSTEM: tty}")
	narrow := plan.scope()
	if narrow.all || !narrow.has("tty") || narrow.has("net") {
		t.Errorf("scope is %+v", narrow)
	}
	plan, _ = compile(t, "uevent: {SUBSYSTEM: usb}", "uevent: {ACTION: add}")
	if !plan.scope().all || !plan.scope().covers(narrow) || narrow.covers(plan.scope()) {
		t.Errorf("scope is %+v", plan.scope())
	}
	for text, want := range map[string]bool{
		"uevent: {ACTION: [change, bind]}":                    false,
		"uevent: {ACTION: move}":                              false,
		"uevent: {ACTION: [change, remove]}":                  true,
		"uevent: {ACTION: {not: change}}":                     true,
		"{uevent: {ACTION: change}, identify: on}":            true,
		"uevent: {ACTION: change, ID_SERIAL_SHORT: '*'}":      true,
		"{uevent: {DEVNAME: /dev/null}, at_start: on}":        true,
		"{uevent: {ACTION: add}, stage: udev}":                false,
		"{uevent: {ACTION: change, SUBSYSTEM: power_supply}}": false,
	} {
		if plan, _ := compile(t, text); plan.scope().covers(scope{names: map[string]bool{"power_supply": true}}) != want {
			t.Errorf("%s: scope is %+v", text, plan.scope())
		}
	}
	plan, triggers := compile(t, "uevent: {ACTION: change}")
	triggers[0].Named("ID_MODEL") // by a string of the rule, which is read later
	if !plan.scope().all {
		t.Errorf("with a string that names an ID_ field, scope is %+v", plan.scope())
	}
	if monitor := (&Plan{Everything: true}); !monitor.wanted() || !monitor.scope().all {
		t.Error("Everything is not everything")
	}
	if both := plan.scope().both(narrow); both.all || !both.covers(narrow) {
		t.Errorf("the common part is %+v", both)
	}
}
