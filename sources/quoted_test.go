// SPDX-License-Identifier: MIT

package sources

import (
	"testing"

	"reflexd/config"
)

func TestQuotesInUevents(t *testing.T) {
	for _, c := range []struct {
		kind, value, condition string
		want                   bool
	}{
		{"uevent", `"USB Keyboard"`, "USB*", true},
		{"udev", `"USB Keyboard"`, "USB Keyboard", true},
		{"uevent", `"USB Keyboard"`, `'"USB*'`, true}, // as it had to be written before
		{"uevent", `"USB Keyboard"`, `'"USB Keyboard"'`, true},
		{"uevent", `"USB Keyboard"`, "{not: USB*}", false},
		{"uevent", `"USB Keyboard"`, "[Other, '*Keyboard']", true},
		{"uevent", `""`, `""`, true},
		{"uevent", `"`, `'"'`, true},
		{"uevent", `"a`, "a", false},
		{"event", `"USB Keyboard"`, "USB*", false}, // quotes that somebody sent are part of the value
		{"event", `"USB Keyboard"`, `'"USB*'`, true},
	} {
		var w Where
		ps := &config.Problems{}
		if n, ok := config.Parse("f", []byte("NAME: "+c.condition), ps); ok {
			WhereValue(&w).Read(n, ps)
		}
		e := &Event{Topic: Topic{Kind: c.kind}, Fields: []Field{{"NAME", Text(c.value)}}}
		if got := w.Match(e); got != c.want || ps.Failed() {
			t.Errorf("%+v: %v %v", c, got, ps)
		}
		w.Each(e, func(_, _ string, _, passes bool) { // what `why` shows
			if passes != c.want {
				t.Errorf("%+v: shown as %v", c, passes)
			}
		})
	}
}
