// SPDX-License-Identifier: MIT

package input

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/sources"
)

// chatter plays changes of keys, such as "A1 5 A0 6 A1", in which numbers are
// milliseconds that pass, on a keyboard with a debounce of 20 ms, and returns
// what is emitted, with the time.
func chatter(t *testing.T, settings, changes string) string {
	t.Helper()
	c, ps := compile("inputs: {kbd: {name: K, " + settings + "}}\nrules: [{key: [KEY_A, KEY_B], is: [pressed, released], from: kbd}]")
	if ps.Failed() {
		t.Fatal(ps.Error())
	}
	var told []string
	l := loop.NewVirtual(time.Hour)
	s := openWithoutKernel(sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler), Simulated: true, Emit: func(e *sources.Event) {
		if e.Topic.Kind == "key" && e.Standing == sources.Begins {
			word := map[sources.Press]string{sources.Down: "1", sources.Up: "0", sources.Ended: "ended"}[e.Press]
			told = append(told, fmt.Sprintf("%d:%s%s", (e.Time-time.Hour).Milliseconds(), strings.TrimPrefix(e.Topic.Name, "KEY_"), word))
		}
	}})
	if err := s.SimulatePresence(c.plan, "kbd", true); err != nil {
		t.Fatal(err)
	}
	s.Apply(c.plan)
	l.Advance(l.Now(), func() {})
	for _, word := range strings.Fields(changes) {
		var ms int
		if _, err := fmt.Sscan(word, &ms); err == nil {
			l.Advance(l.Now()+time.Duration(ms)*time.Millisecond, func() {})
			continue
		}
		key, err := ParseKey("KEY_" + word[:1])
		if err == nil {
			err = s.SimulateKey("kbd", key, int32(word[1]-'0'))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	return strings.Join(told, " ")
}

func TestKeysThatChatter(t *testing.T) {
	for changes, want := range map[string]string{
		"A1 50 A0 30":               "0:A1 50:A0",              // a click, reported when the key was up for 20 ms, with its own time
		"A1 50 A0 6 A1 3 A0 30":     "0:A1 59:A0",              // it bounces at its end: no double click
		"A1 3 A0 2 A1 500 A0 30":    "0:A1 505:A0",             // at its beginning: no end of a hold
		"A1 50 A0 20 A1 50 A0 30":   "0:A1 50:A0 70:A1 120:A0", // two clicks
		"A1 50 A0 5 B1 5 B0 30":     "0:A1 50:A0 55:B1 60:B0",  // what is reported stays in order
		"A1 5 A0 5 B1 5 A1 5 A0 30": "0:A1 5:A0 10:B1 15:A1 20:A0 50:Bended",
		"A1 50 A0 5":                "0:A1 50:A0", // the device is closed, or unplugged
		"A0 30 A1 A2 A2 30 A0 30":   "0:A0 30:A1 60:A0",
	} {
		if got := chatter(t, "debounce: 20ms", changes); got != want {
			t.Errorf("%s: %s, want %s", changes, got, want)
		}
	}
	if got := chatter(t, "grab: off", "A1 50 A0 6 A1 3 A0 30"); got != "0:A1 50:A0 56:A1 59:A0" {
		t.Errorf("without debounce: %s", got)
	}
}
