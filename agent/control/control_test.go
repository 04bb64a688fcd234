// SPDX-License-Identifier: MIT

package control

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/client"
)

const patience = 20 * time.Second

// serve runs a server on a loop of its own and returns its socket's path.
func serve(t testing.TB, handle Handler) string {
	t.Helper()
	return serveWithin(t, longestSilence, handle)
}

// serveWithin is serve, for clients that may be silent for so long.
func serveWithin(t testing.TB, silence time.Duration, handle Handler) string {
	t.Helper()
	return serveWith(t, handle, func(s *Server) { s.silence = silence }).path
}

// server is a Server on a loop of its own.
type server struct {
	*Server
	loop *loop.Loop
}

// do runs f on the loop's thread.
func (s *server) do(f func()) {
	done := make(chan struct{})
	s.loop.Post(func() {
		f()
		close(done)
	})
	<-done
}

// fewPlaces are how many clients the servers of most tests let in.
const fewPlaces = 16

// serveWith runs a server with some of its fields changed.
func serveWith(t testing.TB, handle Handler, change func(*Server)) *server {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "socket")
	s, err := Listen(l, path, slog.New(slog.DiscardHandler), handle)
	if err != nil {
		t.Fatal(err)
	}
	s.most = fewPlaces
	change(s)
	ended := make(chan error)
	go func() { ended <- l.Run(func() {}) }()
	t.Cleanup(func() {
		l.Post(func() {
			s.Close()
			l.Stop()
		})
		if err := <-ended; err != nil {
			t.Error(err)
		}
		l.Close()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Error("the socket's name is still there")
		}
	})
	return &server{s, l}
}

func echo(r Request, reply func(any, error)) {
	if r.Verb == "fail" {
		reply(nil, errors.New("as asked"))
		return
	}
	reply(map[string]string{"verb": r.Verb}, nil)
}

func TestCall(t *testing.T) {
	path := serve(t, echo)
	var got map[string]string
	if err := client.Call(path, client.Request{Verb: "hello"}, &got, patience); err != nil || got["verb"] != "hello" {
		t.Error(got, err)
	}
	if err := client.Call(path, client.Request{Verb: "fail"}, nil, patience); err == nil || err.Error() != "as asked" {
		t.Error(err)
	}
	if err := client.Call(path+"x", client.Request{}, nil, patience); err == nil || !strings.Contains(err.Error(), "no agent is running") {
		t.Error(err)
	}
}

// The address of a socket ends where its path may be longer.
func TestLengthOfPath(t *testing.T) {
	dir := t.TempDir()
	long := dir + "/" + strings.Repeat("x", 107-len(dir))
	const why = "the path of a socket has at most 107 bytes"
	if err := client.Call(long, client.Request{}, nil, patience); err == nil || !strings.HasSuffix(err.Error(), why) {
		t.Error(err)
	}
	if err := client.Call(long[:107], client.Request{}, nil, patience); err == nil || !strings.Contains(err.Error(), "no agent is running") {
		t.Error(err)
	}
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(l, long, slog.New(slog.DiscardHandler), echo); err == nil || !strings.HasSuffix(err.Error(), why) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Error(left, err)
	}
	s, err := Listen(l, long[:107], slog.New(slog.DiscardHandler), echo)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	path := serve(t, echo)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestSecondAgentIsRefusedAndAStaleSocketReplaced(t *testing.T) {
	path := serve(t, echo)
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	log := slog.New(slog.DiscardHandler)
	if _, err := Listen(l, path, log, echo); err == nil || !strings.Contains(err.Error(), "another reflexd is running") {
		t.Error(err)
	}
	stale := filepath.Join(t.TempDir(), "stale")
	fd, err := socket()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: stale}); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	s, err := Listen(l, stale, log, echo)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(l, file, log, echo); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "data" {
		t.Error("a file was removed")
	}
}

// dial connects a client that says whatever it likes.
func dial(t testing.TB, path string) int {
	t.Helper()
	fd := dialer(t)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// say sends a packet. On a socket with a timeout, the runtime's own signals
// interrupt it, and hear too.
func say(fd int, packet []byte) error {
	return uninterrupted(func() error { return unix.Sendto(fd, packet, unix.MSG_NOSIGNAL, nil) })
}

func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func hear(t testing.TB, fd int) client.Answer {
	t.Helper()
	buf, n := make([]byte, client.MaxPacket), 0
	err := uninterrupted(func() (err error) {
		n, err = unix.Read(fd, buf)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var a client.Answer
	if err := json.Unmarshal(buf[:n], &a); err != nil {
		t.Fatalf("%q: %v", buf[:n], err)
	}
	return a
}

func TestHostileRequestsAreAnsweredWithAnError(t *testing.T) {
	path := serve(t, echo)
	fd := dial(t, path)
	for _, packet := range []string{
		"{", "[]", "\x00", `{"verb": 7}`, strings.Repeat("x", client.MaxRequest), strings.Repeat("x", client.MaxRequest+1), strings.Repeat("[", 4000),
	} {
		if err := say(fd, []byte(packet)); err != nil {
			t.Fatal(err)
		}
		if a := hear(t, fd); !strings.Contains(a.Error, "decode the request") {
			t.Errorf("%.20q: %+v", packet, a)
		}
	}
	if err := client.Call(path, client.Request{Verb: "still there"}, nil, patience); err != nil {
		t.Error(err)
	}
}

// Clients that fill all places and say nothing do not stop those that wait in
// line from being served when a place is free.
func TestSilentClientsGiveWayWhenTheyGo(t *testing.T) {
	path := serve(t, echo)
	var idle []int
	for range fewPlaces {
		idle = append(idle, dial(t, path))
	}
	waiting := make(chan error)
	go func() { waiting <- client.Call(path, client.Request{Verb: "x"}, nil, patience) }()
	unix.Shutdown(idle[3], unix.SHUT_RDWR)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}

// All places are taken by clients that say nothing, before a request and after
// one: they are sent away, and who has something to say is heard.
func TestSilentClientsAreSentAway(t *testing.T) {
	path := serveWithin(t, 50*time.Millisecond, echo)
	for i := range fewPlaces {
		fd, err := socket()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := unix.Write(fd, []byte(`{"verb":"a"}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := client.Call(path, client.Request{Verb: "x"}, nil, patience); err != nil {
		t.Error(err)
	}
}

func TestClientThatLeavesBeforeItsAnswer(t *testing.T) {
	answers, asked := make(chan func(any, error), 1), make(chan bool)
	path := serve(t, func(r Request, reply func(any, error)) {
		if r.Verb == "slow" {
			answers <- reply
			asked <- true
			return
		}
		select {
		case late := <-answers:
			late("too late", nil)
		default:
		}
		reply("ok", nil)
	})
	fd := dial(t, path)
	if err := say(fd, []byte(`{"verb":"slow"}`)); err != nil {
		t.Fatal(err)
	}
	<-asked
	unix.Shutdown(fd, unix.SHUT_RDWR)
	var got string
	if err := client.Call(path, client.Request{Verb: "quick"}, &got, patience); err != nil || got != "ok" {
		t.Error(got, err)
	}
}

// Answers of any size arrive, also with characters of several bytes at the ends
// of parts and with those that JSON escapes.
func TestAnswersOfAnySize(t *testing.T) {
	of := func(size int) string { return strings.Repeat("ü<\"\x01\u2028", size/9+1) }
	path := serve(t, func(r Request, reply func(any, error)) {
		size, _ := strconv.Atoi(r.Name)
		reply(of(size), nil)
	})
	for _, size := range []int{0, 1, mostPart - 30, mostPart, client.MaxPacket - 20, client.MaxPacket, 100_000, 3 << 20} {
		var got string
		if err := client.Call(path, client.Request{Name: strconv.Itoa(size)}, &got, patience); err != nil || got != of(size) {
			t.Errorf("%d bytes: %d arrived, %v", size, len(got), err)
		}
	}
}

// A client from before there were parts is told so.
func TestLargeAnswerToARequestWithoutVersion(t *testing.T) {
	path := serve(t, func(_ Request, reply func(any, error)) { reply(strings.Repeat("x", 1<<20), nil) })
	fd := dial(t, path)
	if _, err := unix.Write(fd, []byte(`{"verb":"status"}`)); err != nil {
		t.Fatal(err)
	}
	if a := hear(t, fd); !strings.Contains(a.Error, "more than a packet can hold") {
		t.Errorf("%+v", a)
	}
}

// FuzzRequest holds that every packet is answered and none ends the server.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{`{"verb":"x"}`, "{", "null", `{"verb":{}}`, "\xff", `"x"`} {
		f.Add([]byte(s))
	}
	path := serve(f, echo)
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) == 0 || len(packet) > 2*client.MaxRequest {
			return // an empty packet is how a client hangs up
		}
		fd := dial(t, path)
		if err := say(fd, packet); err != nil {
			t.Fatal(err)
		}
		hear(t, fd)
	})
}

// The runtime interrupts its own threads to preempt them, and a call with a
// timeout is not restarted by the kernel after that.
func TestCallIsNotDisturbedByInterruptions(t *testing.T) {
	asked := make(chan bool)
	var late func(any, error)
	path := serve(t, func(r Request, reply func(any, error)) {
		if r.Verb == "slow" {
			late = reply
			asked <- true
			return
		}
		late("done", nil)
		reply("done", nil)
	})
	got := make(chan error)
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		got <- client.Call(path, client.Request{Verb: "slow"}, nil, patience)
	}()
	caller := <-tid
	<-asked
	for range 200 {
		if err := unix.Tgkill(os.Getpid(), caller, unix.SIGURG); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-got:
			t.Fatalf("ended without an answer: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := client.Call(path, client.Request{Verb: "now"}, nil, patience); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}
