// SPDX-License-Identifier: MIT

// The line to the guest and the one to QEMU, against stand-ins at their other ends.

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/lab/wire"
)

// newTestLink returns a link and the guest's end of it.
func newTestLink(t *testing.T) (*link, *wire.Reader, *wire.Writer, net.Conn) {
	ours, theirs := net.Pipe()
	l := newLink(ours)
	go l.read()
	t.Cleanup(func() { theirs.Close(); <-l.lost })
	return l, wire.NewReader(theirs), wire.NewWriter(theirs), theirs
}

func TestLinkMatchesRepliesToCallers(t *testing.T) {
	l, r, w, _ := newTestLink(t)
	const calls = 5
	go func() { // a guest that answers in the reverse order
		var requests [calls]wire.Request
		for i := range requests {
			if err := r.Read(&requests[i]); err != nil {
				t.Error(err)
			}
		}
		for i := range requests {
			request := requests[calls-1-i]
			_ = w.Write(wire.Reply{ID: request.ID, Data: []byte(request.Read.Path)})
		}
	}()
	results := make(chan error, calls)
	for i := range calls {
		go func() {
			path := strings.Repeat("x", i+1)
			reply, err := l.call(t.Context(), wire.Request{Read: &wire.Read{Path: path}})
			if string(reply.Data) != path {
				err = errors.Join(err, errors.New("got another's reply"))
			}
			results <- err
		}()
	}
	for range calls {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestLinkIgnoresNoiseBeforeHello(t *testing.T) {
	l, _, w, conn := newTestLink(t)
	if _, err := conn.Write([]byte("XX garbage \x00\xff\n{half a mess")); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(wire.Reply{Hello: &wire.Hello{Kernel: "6.1"}}); err != nil {
		t.Fatal(err)
	}
	hello, err := l.awaitHello(t.Context())
	if err != nil || hello.Kernel != "6.1" {
		t.Errorf("hello %+v, error %v", hello, err)
	}
}

func TestLinkCancels(t *testing.T) {
	l, r, w, _ := newTestLink(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		var request, then wire.Request
		_ = r.Read(&request)
		cancel()
		_ = r.Read(&then)
		if then.Cancel != request.ID {
			t.Errorf("after request %d came %+v, want its cancel", request.ID, then)
		}
		_ = w.Write(wire.Reply{ID: request.ID, Data: []byte("so far")})
	}()
	reply, err := l.call(ctx, wire.Request{Await: &wire.Await{Path: "/x", Exists: true}})
	if !errors.Is(err, context.Canceled) || string(reply.Data) != "so far" {
		t.Errorf("reply %+v, error %v", reply, err)
	}
}

func TestLinkEnds(t *testing.T) {
	l, r, _, conn := newTestLink(t)
	go func() {
		var request wire.Request
		_ = r.Read(&request)
		conn.Close()
	}()
	if _, err := l.call(t.Context(), wire.Request{Halt: true}); !errors.Is(err, ErrEnded) {
		t.Errorf("error %v, want ErrEnded", err)
	}
	if _, err := l.call(t.Context(), wire.Request{Halt: true}); !errors.Is(err, ErrEnded) {
		t.Errorf("a later call: error %v, want ErrEnded", err)
	}
}

func TestLinkReportsComplaints(t *testing.T) {
	l, r, w, _ := newTestLink(t)
	go func() {
		var request wire.Request
		_ = r.Read(&request)
		_ = w.Write(wire.Reply{Error: "bad message"})
	}()
	_, err := l.call(t.Context(), wire.Request{Halt: true})
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "bad message") {
		t.Errorf("error %v", err)
	}
}

func TestQMP(t *testing.T) {
	ours, theirs := net.Pipe()
	q := newQMP(ours)
	go q.read()
	t.Cleanup(func() { theirs.Close(); <-q.lost })
	go actQEMU(theirs)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := q.negotiate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := q.execute(ctx, "set_link", arguments{"up": true}); err != nil {
		t.Error(err)
	}
	if err := q.execute(ctx, "bogus", nil); err == nil || !strings.Contains(err.Error(), "bogus: no such command") {
		t.Errorf("an unknown command: error %v", err)
	}
	if err := q.remove(ctx, "stick"); err != nil {
		t.Error(err)
	}
}

// actQEMU answers as QEMU would; device_del is followed by its event.
func actQEMU(conn net.Conn) {
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	_ = out.Encode(map[string]any{"QMP": map[string]any{"version": nil}})
	for {
		var command struct {
			Execute   string         `json:"execute"`
			ID        int            `json:"id"`
			Arguments map[string]any `json:"arguments"`
		}
		if in.Decode(&command) != nil {
			return
		}
		if command.Execute == "bogus" {
			_ = out.Encode(map[string]any{"id": command.ID, "error": map[string]string{"class": "X", "desc": "no such command"}})
			continue
		}
		_ = out.Encode(map[string]any{"event": "RESET", "data": map[string]any{}})
		_ = out.Encode(map[string]any{"id": command.ID, "return": map[string]any{}})
		if command.Execute == "device_del" {
			_ = out.Encode(map[string]any{"event": "DEVICE_DELETED", "data": map[string]any{"path": "/x"}})
			_ = out.Encode(map[string]any{"event": "DEVICE_DELETED", "data": map[string]any{"device": command.Arguments["id"]}})
		}
	}
}

func TestParseDump(t *testing.T) {
	const dump = "000000003f980500: 0x00c81041 0x80000000\r\n000000003f980508: 0x00000002 0x00000000\r\n"
	words, err := parseDump(dump)
	if want := []uint32{0x00c81041, dwc2Enabled, 2, 0}; err != nil || !slices.Equal(words, want) {
		t.Errorf("words %#x, error %v", words, err)
	}
	if _, err := parseDump("0: Cannot access memory\r\n"); err == nil {
		t.Error("a dump of nothing: no error")
	}
}
