// SPDX-License-Identifier: MIT

package file

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// stillLoop is a loop of which only the time is asked.
type stillLoop struct{ sources.Loop }

func (stillLoop) Woke() time.Duration { return 1 }

// A record that epoll(7) has reported is read and emitted without allocating.
func TestRecordAllocatesNothing(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	emitted := 0
	s := Open(sources.Host{Loop: stillLoop{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Emit: func(e *sources.Event) {
		emitted++
		text, _ := e.Lookup("TEXT")
		data, _ := e.Lookup("DATA")
		if text.String() != "42" || data.String() != "34320a" || e.Topic.Name != "bench" || !e.Borrowed {
			t.Errorf("got %+v", e)
		}
	}})
	n := newNode(s, "bench", settings{path: "/dev/bench", watch: bySignal, read: readRecord, max: defaultMax})
	n.fd, n.watched = pipe[0], unix.EPOLLIN
	record := []byte("42\n")
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := unix.Write(pipe[1], record); err != nil {
			t.Fatal(err)
		}
		n.ready(unix.EPOLLIN)
	})
	if allocs != 0 || emitted != 101 {
		t.Errorf("%v allocations for a record, %d events", allocs, emitted)
	}
}
