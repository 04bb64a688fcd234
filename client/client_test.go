// SPDX-License-Identifier: MIT

package client

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns a Conn and the other end of its socket.
func pair(t testing.TB) (*Conn, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &Conn{Patience: 20 * time.Second, path: "test", file: os.NewFile(uintptr(fds[0]), "test"), buf: make([]byte, MaxPacket)}
	t.Cleanup(func() {
		c.Close()
		unix.Close(fds[1])
	})
	return c, fds[1]
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		packets []string
		want    string
		err     string
		kind    error
	}{
		{[]string{`{"result":"x"}`}, "x", "", nil},
		{[]string{`{"part":"{\"result\":"}`, `{"part":"\"ü\"}","last":true}`}, "ü", "", nil},
		{[]string{`{"part":"{\"result\":"}`, `{"error":"gone"}`}, "", "gone", nil},
		{[]string{`{"part":"{\"result\":","last":true}`}, "", "decode the answer", nil},
		{[]string{`{"error":"no such line"}`}, "", "no such line", nil},
		{[]string{`{"error":"permission denied: set needs act","code":"denied"}`}, "", "permission denied: set needs act", ErrDenied},
		{[]string{`{"error":"the configuration has mistakes\nx","code":"configuration"}`}, "", "the configuration has mistakes\nx", ErrConfiguration},
		{[]string{`{"error":"the configuration has mistakes","wrong":true}`}, "", "the configuration has mistakes", ErrConfiguration},
		{[]string{`{"error":"x","code":"new"}`}, "", "x", nil},
		{[]string{`[1]`}, "", "decode the answer", nil},
		{[]string{`{"result":7}`}, "", "decode the answer", nil},
	} {
		conn, other := pair(t)
		for _, p := range c.packets {
			if _, err := unix.Write(other, []byte(p)); err != nil {
				t.Fatal(err)
			}
		}
		var got string
		err := conn.Do(Request{Verb: "x"}, &got)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %q, %v", c.packets, got, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || c.kind != nil && !errors.Is(err, c.kind)):
			t.Errorf("%q: %v", c.packets, err)
		}
	}
}

// FuzzAnswer holds that whatever an agent sends ends in an answer or an error.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"result":{}}`, `{"part":"x"}`, `{"part":"{}","last":true}`, `{"type":"event","fields":{"A":1},"time":1e400}`, `{"for":"x"}`, "{", "null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) == 0 || len(packet) > MaxPacket {
			return
		}
		c, other := pair(t)
		for range 2 {
			if _, err := unix.Write(other, packet); err != nil {
				t.Fatal(err)
			}
		}
		_ = unix.Shutdown(other, unix.SHUT_WR)
		var s State
		_ = c.Do(Request{Verb: "get"}, &s)
		_, _, _ = c.next()
	})
}
