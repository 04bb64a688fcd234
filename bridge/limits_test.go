// SPDX-License-Identifier: MIT

package bridge

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"reflexd/client"
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
