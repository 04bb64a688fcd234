// SPDX-License-Identifier: MIT

package bridge

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStatus(t *testing.T) {
	_, r := startPorch(t, "")
	opts := Options{Socket: r.socket, Root: "testdata/board"}
	status := func() (string, error) {
		var out strings.Builder
		err := Status(t.Context(), opts, &out)
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

	// Whoever may write to the board's topics may write this, too.
	r.publish("reflexd/porch/availability", "gone", true)
	if text, err = status(); err == nil || !strings.Contains(err.Error(), `the broker has "gone" under reflexd/porch/availability`) {
		t.Errorf("of an availability that another client wrote: %v\n%s", err, text)
	}
	full, openErr := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if openErr != nil {
		t.Fatal(openErr)
	}
	defer full.Close()
	if err := Status(t.Context(), opts, full); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("to a full disk: %v", err)
	}

	r.stop()
	text, err = status()
	if err == nil || err.Error() != "disconnected: reflexd-mqtt is not connected to the agent" || !strings.Contains(text, ", disconnected\n") {
		t.Errorf("without the bridge: %v\n%s", err, text)
	}

	s, _, err := ask(&opts)
	if err != nil {
		t.Fatal(err)
	}
	r.publish("reflexd/porch/status", `{"unsent":3,"dropped":4}`, true)
	if is, lost, err := s.kept(t.Context()); err != nil || is != "offline" || lost != (counts{3, 4}) {
		t.Errorf("%q, %+v, %v", is, lost, err)
	}
	r.publish("reflexd/porch/status", "all is well", true)
	if _, _, err := s.kept(t.Context()); err == nil || !strings.Contains(err.Error(), "reflexd/porch/status that is not the bridge's") {
		t.Errorf("of a status that another client wrote: %v", err)
	}
}
