// SPDX-License-Identifier: MIT

package bridge

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"reflexd/client"
	"reflexd/lab/mqtt"
)

// A message that the broker's limits rule out is refused, in the log and to its rule,
// and keeps nothing else from being published.
func TestWhatIsTooLargeForTheBrokerHoldsNothingUp(t *testing.T) {
	m := startBroker(t, "allow_anonymous true\nmax_packet_size 900")
	r := start(t, plainMQTT(m, ", homeassistant: true"), `
  - {when: {event: large}, do: {publish: {topic: large, text: "`+strings.Repeat("x", 1000)+`"}}, on_failure: {log: "lost ${ERROR}"}}`)
	r.connected()
	r.observe(m.Port)
	r.expect("reflexd/porch/availability online r")
	r.call(func(c *client.Conn) error { _, err := c.Emit("large", nil); return err })
	r.waitFor(r.agent, `lost publish large: \"packet too large`)
	r.emit(2)
	r.expect("reflexd/porch/chime 2")
}

// Run and Check say what a broker lacks.
func TestBrokerThatLacksSomething(t *testing.T) {
	for limit, want := range map[string]string{
		"retain_available false": "it keeps no retained messages, which the bridge needs",
		"max_qos 0":              "it does not accept QoS 1, which the bridge needs",
	} {
		m := startBroker(t, "allow_anonymous true\n"+limit)
		r := start(t, plainMQTT(m, ""))
		r.waitFor(r.log, want)
		err := Check(t.Context(), Options{Log: slog.New(slog.DiscardHandler), Socket: r.socket, Root: "testdata/board"}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Error(limit, err)
		}
		r.stop()
	}
}

// Whoever may write to the broker has everything published again now and then, and not
// as often as they like.
func TestFloodOfBirths(t *testing.T) {
	_, r := startPorch(t, ", homeassistant: true")
	r.expect("reflexd/porch/availability online r")
	const flood, few = 200, 2
	for range flood {
		r.publish("homeassistant/status", "online", false)
	}
	r.emit(1)
	again := 0
	if _, err := r.other.Await(patience, func(m mqtt.Message) bool {
		if m.Topic == "reflexd/porch/availability" {
			again++
		}
		return m.Topic == "reflexd/porch/chime"
	}); err != nil {
		t.Fatal(err)
	}
	if again > few {
		t.Errorf("everything was published %d times", again)
	}
}
