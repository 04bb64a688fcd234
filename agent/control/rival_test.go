// SPDX-License-Identifier: MIT

package control

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/client"
	"reflexd/journal/logtest"
)

func newLoop(t testing.TB) *loop.Loop {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// Of two agents that begin at once beside what a third one left, one gets the
// socket, and it is still there when the other has given up.
func TestOfTwoAgentsOneGetsTheSocket(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for range 100 {
		path := filepath.Join(t.TempDir(), "s")
		leaveStale(t, path)
		loops := [2]*loop.Loop{newLoop(t), newLoop(t)}
		var servers [2]*Server
		var errs [2]error
		var wait sync.WaitGroup
		for i := range loops {
			wait.Go(func() { servers[i], errs[i] = Listen(loops[i], path, log, echo) })
		}
		wait.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatal("not one of two:", errs)
		}
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		if err := errs[1-winner]; !strings.Contains(err.Error(), "another reflexd is running") {
			t.Error(err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
		servers[winner].Close()
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
			t.Error("left behind:", left)
		}
	}
}

func leaveStale(t *testing.T, path string) {
	t.Helper()
	fd, err := socket()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

// Somebody took the names away, so that another agent could begin: it keeps
// its socket when the first one ends.
func TestOnlyItsOwnerRemovesTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	log := slog.New(slog.DiscardHandler)
	first, err := Listen(newLoop(t), path, log, echo)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(newLoop(t), path, log, echo); !errors.Is(err, errRunning) {
		t.Error("begun beside a running one:", err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(newLoop(t), path, log, echo)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error("the first one removed the second one's socket:", err)
	}
	second.Close()
}

// In /tmp anything may be at the names of the socket and its lock.
func TestWhatOthersPutInPlaceOfTheSocket(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for what, plant := range map[string]func(path string) error{
		"a link":          func(path string) error { return os.Symlink("/nowhere", path) },
		"another's file":  func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o666), os.Chown(path, 54321, -1)) },
		"a pipe":          func(path string) error { return unix.Mkfifo(path, 0o666) },
		"a link to a pty": func(path string) error { return os.Symlink("/dev/ptmx", path) },
	} {
		for _, name := range []string{"s", "s.lock"} {
			path := filepath.Join(t.TempDir(), "s")
			planted := filepath.Join(filepath.Dir(path), name)
			if err := plant(planted); err != nil {
				t.Fatal(err)
			}
			s, err := Listen(newLoop(t), path, log, echo)
			if err == nil {
				t.Errorf("%s at %s: taken", what, name)
				s.Close()
			}
			if _, err := os.Lstat(planted); err != nil {
				t.Errorf("%s at %s: %v", what, name, err)
			}
		}
	}
}

// A client believes no server of just any user.
func TestClientsBelieveRootAndThemselvesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listenAs(t, path, 54321)
	err := client.Call(path, client.Request{Verb: "emit"}, nil, patience)
	if err == nil || !strings.Contains(err.Error(), "user 54321 listens there, which is neither root nor you") {
		t.Error(err)
	}
	if _, err := Listen(newLoop(t), path, slog.New(slog.DiscardHandler), echo); err == nil || !strings.Contains(err.Error(), "user 54321 listens there") {
		t.Error(err)
	}
}

// listenAs has a process of another user listen at path: the kernel notes who
// calls listen(2), and that is this thread alone.
func listenAs(t *testing.T, path string, uid int) {
	t.Helper()
	fd, err := socket()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	listening := make(chan error)
	go func() {
		// The goroutine ends locked to its thread, which ends with it.
		runtime.LockOSThread()
		err := unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			err = errno
		}
		listening <- errors.Join(err, unix.Listen(fd, 1))
	}()
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
}

// An agent that is stopped (SIGSTOP) accepts nobody: the clients that find the
// line full give up, too.
func TestClientsGiveUpInLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(newLoop(t), path, slog.New(slog.DiscardHandler), echo) // its loop does not run
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range backlog + 1 {
		dial(t, path)
	}
	const short = 50 * time.Millisecond
	if err := client.Call(path, client.Request{Verb: "status"}, nil, short); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
}

// Without a descriptor for it a client is sent away and told why; the loop
// sleeps meanwhile, and goes on when there are descriptors again.
func TestAnAgentOutOfDescriptors(t *testing.T) {
	for _, spare := range []bool{true, false} {
		l := newLoop(t)
		path := filepath.Join(t.TempDir(), "s")
		log := logtest.New()
		s, err := Listen(l, path, slog.New(slog.NewTextHandler(log, nil)), echo)
		if err != nil {
			t.Fatal(err)
		}
		if !spare {
			unix.Close(s.spare)
			s.spare = -1
		}
		ended := make(chan error)
		go func() { ended <- l.Run(func() {}) }()
		clients := [3]int{dialer(t), dialer(t), dialer(t)}
		giveBack := useUp(t)
		before := wakeups(l)
		for _, fd := range clients {
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				t.Fatal(err)
			}
		}
		if spare {
			for _, fd := range clients {
				var buf [512]byte
				n, err := unix.Read(fd, buf[:])
				var a client.Answer
				if err != nil || json.Unmarshal(buf[:n], &a) != nil || !strings.Contains(a.Error, "too many open files") {
					t.Errorf("%q, %v", buf[:n], err)
				}
			}
		} else {
			if _, ok := log.Await(patience, "rejected"); !ok {
				t.Fatal("nothing is rejected")
			}
		}
		if n := wakeups(l) - before; n > 20 {
			t.Errorf("spare %t: woken %d times", spare, n)
		}
		giveBack()
		if err := client.Call(path, client.Request{Verb: "x"}, nil, patience); err != nil {
			t.Errorf("spare %t: %v", spare, err)
		}
		if n := log.Count("rejected"); n != 1 {
			t.Errorf("spare %t: logged %d times", spare, n)
		}
		l.Post(func() { s.Close(); l.Stop() })
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func dialer(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// useUp leaves this process without a descriptor until the returned function
// is called.
func useUp(t *testing.T) (giveBack func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	highest := dialer(t)
	few := unix.Rlimit{Cur: uint64(highest + 1), Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var taken []int
	for {
		fd, err := unix.Dup(highest)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	return func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
}

func wakeups(l *loop.Loop) uint64 {
	n := make(chan uint64)
	l.Post(func() { n <- l.Wakeups() })
	return <-n
}
