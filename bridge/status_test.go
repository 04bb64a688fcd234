// SPDX-License-Identifier: MIT

package bridge

import (
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	b := startBroker(t, "allow_anonymous true")
	r := start(t, plainMQTT(b, ""))
	r.connected()
	status := func() (string, error) {
		var out strings.Builder
		err := Status(t.Context(), Options{Socket: r.socket, Root: "testdata/board"}, &out)
		return out.String(), err
	}
	text, err := status()
	for _, want := range []string{", connected\n", "topic         reflexd/porch\n", "var/mode var/note\n", "availability  online\n", "lost          0 messages to the broker, 0 from it\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if err != nil {
		t.Error(err)
	}

	r.stop()
	text, err = status()
	if err == nil || err.Error() != "disconnected: reflexd-mqtt is not connected to the agent" || !strings.Contains(text, ", disconnected\n") {
		t.Errorf("without the bridge: %v\n%s", err, text)
	}

	r.observe(b.Port) // whoever may write to the board's topics may write this, too
	r.publish("reflexd/porch/status", "all is well", true)
	s, _, err := ask(&Options{Socket: r.socket, Root: "testdata/board"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.kept(t.Context()); err == nil || !strings.Contains(err.Error(), "reflexd/porch/status that is not the bridge's") {
		t.Errorf("of a status that another client wrote: %v", err)
	}
}
