// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/lab/wire"
)

func TestParameters(t *testing.T) {
	const cmdline = "console=ttyAMA0 usb_storage.delay_use=0 usbcore.autosuspend=-1 usb-storage.quirks=a usbcore x.y.z=1\n"
	for path, want := range map[string]string{
		"/lib/usb-storage.ko": "delay_use=0 quirks=a",
		"/lib/usbcore.ko":     "autosuspend=-1",
		"/lib/x.ko":           "y.z=1",
		"/lib/evdev.ko":       "",
	} {
		if got := parameters(cmdline, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// programs are shared by the tests, as in the guest: two collectors of children would rob each other.
var programs = newProcesses()

func TestRun(t *testing.T) {
	exit, err := programs.run(t.Context(), &wire.Run{
		Args: []string{"sh", "-c", `cat; echo "$X" >&2; exit 7`}, Env: []string{"X=err"}, Stdin: []byte("in"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if exit.Code != 7 || string(exit.Stdout) != "in" || string(exit.Stderr) != "err\n" || exit.Cancelled {
		t.Errorf("exit %+v", exit)
	}
}

func TestRunUnknownProgram(t *testing.T) {
	if _, err := programs.run(t.Context(), &wire.Run{Args: []string{"/no/such/program"}}); err == nil {
		t.Error("no error")
	}
	if _, err := programs.run(t.Context(), &wire.Run{}); err == nil {
		t.Error("without a program: no error")
	}
}

// A descendant that keeps the output open must not keep the reply.
func TestRunDoesNotWaitForDescendants(t *testing.T) {
	begin := time.Now()
	exit, err := programs.run(t.Context(), &wire.Run{Args: []string{"sh", "-c", "sleep 20 & echo $!"}})
	if err != nil || time.Since(begin) > 10*time.Second {
		t.Errorf("exit %+v, error %v after %v", exit, err, time.Since(begin))
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun := filepath.Join(t.TempDir(), "begun")
	go func() {
		_, _ = await(t.Context(), &wire.Await{Path: begun, Exists: true})
		cancel()
	}()
	exit, err := programs.run(ctx, &wire.Run{Args: []string{"sh", "-c", `echo begun; : >"$1"; sleep 60`, "sh", begun}})
	if err != nil || !exit.Cancelled || exit.Signal != 9 || string(exit.Stdout) != "begun\n" {
		t.Errorf("exit %+v, error %v", exit, err)
	}
}

// sharedMemory makes a folder in a file system of which inotify is asked.
func sharedMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "guest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestAwait(t *testing.T)                 { testAwait(t, t.TempDir()) }
func TestAwaitInATellingFolder(t *testing.T) { testAwait(t, sharedMemory(t)) }

func testAwait(t *testing.T, dir string) {
	path := filepath.Join(dir, "file")
	done := "done"
	for _, test := range []struct {
		name  string
		write string
		await wire.Await
		span  [2]int
	}{
		{"match", "one\ntwo\n", wire.Await{Match: "t.o"}, [2]int{4, 7}},
		{"match after offset", "one\ntwo\n", wire.Await{Match: "o", Offset: 1}, [2]int{5, 6}},
		{"equals", " done\n", wire.Await{Equals: &done}, [2]int{0, 6}},
		{"exists", "x", wire.Await{Exists: true}, [2]int{}},
		{"lacks", "x", wire.Await{Lacks: "y"}, [2]int{}},
	} {
		os.Remove(path)
		time.AfterFunc(20*time.Millisecond, func() { _ = os.WriteFile(path, []byte(test.write), 0o644) })
		test.await.Path = path
		reply, err := await(t.Context(), &test.await)
		if err != nil || !reply.Met || reply.Span != test.span {
			t.Errorf("%s: reply %+v, error %v", test.name, reply, err)
		}
	}
	time.AfterFunc(20*time.Millisecond, func() { os.Remove(path) })
	if reply, err := await(t.Context(), &wire.Await{Path: path, Gone: true}); err != nil || !reply.Met {
		t.Errorf("gone: reply %+v, error %v", reply, err)
	}
}

// A file's appearance and its end are noticed, and what has nothing to report
// is not watched.
func TestWatchHearsOfItsFile(t *testing.T) {
	dir := sharedMemory(t)
	path := filepath.Join(dir, "file")
	w := watchFile(path)
	if w == nil {
		t.Fatal(dir + " is in no file system that tells of changes")
	}
	defer w.close()
	write := func(path string) {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(path + "-other")
	write(path)
	<-w.changed
	if err := os.Remove(path + "-other"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	<-w.changed
	for _, none := range []string{"/dev/null", "/proc/self/status", "/no/such/folder/x"} {
		if watchFile(none) != nil {
			t.Errorf("%s is watched", none)
		}
	}
}

// A folder that is made again is another one, which no watch covers.
func TestAwaitInAFolderThatIsMadeAnew(t *testing.T) {
	dir := filepath.Join(sharedMemory(t), "folder")
	path := filepath.Join(dir, "file")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		_ = os.Rename(dir, dir+"-before")
		_ = os.Mkdir(dir, 0o755)
		_ = os.WriteFile(path, nil, 0o644)
	})
	if reply, err := await(t.Context(), &wire.Await{Path: path, Exists: true}); err != nil || !reply.Met {
		t.Errorf("reply %+v, error %v", reply, err)
	}
}

// A line that is still being written is not taken for a whole one.
func TestAwaitCompleteLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("device: sda"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	reply, err := await(ctx, &wire.Await{Path: path, Match: "sda", Lines: true})
	if err != nil || reply.Met || string(reply.Data) != "device: sda" {
		t.Errorf("reply %+v, error %v", reply, err)
	}
}

func TestAwaitBadPattern(t *testing.T) {
	if _, err := await(t.Context(), &wire.Await{Path: "/", Match: "("}); err == nil {
		t.Error("no error")
	}
}

func TestStepsStopAtTheFirstError(t *testing.T) {
	dir := t.TempDir()
	first, last := filepath.Join(dir, "a/b"), filepath.Join(dir, "last")
	err := takeSteps(t.Context(), []wire.Step{
		{Write: &wire.Write{Path: first, Data: []byte("1")}},
		{Write: &wire.Write{Path: first, Data: []byte("2"), Append: true}},
		{Pause: time.Millisecond},
		{Remove: filepath.Join(dir, "missing")},
		{Write: &wire.Write{Path: last}},
	})
	if err == nil {
		t.Error("no error")
	}
	if text, _ := os.ReadFile(first); string(text) != "12" {
		t.Errorf("first: %q", text)
	}
	if _, err := os.Stat(last); err == nil {
		t.Error("a step after the error was taken")
	}
}

// newTestServer returns the host's end of a server's line.
func newTestServer(t *testing.T) (*wire.Reader, *wire.Writer, net.Conn) {
	ours, theirs := net.Pipe()
	s := newServer(theirs, programs)
	go func() { _ = s.serve() }()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return wire.NewReader(ours), wire.NewWriter(ours), ours
}

func TestServerAnswersBesideAWait(t *testing.T) {
	r, w, _ := newTestServer(t)
	path := filepath.Join(t.TempDir(), "file")
	send(t, w, wire.Request{ID: 1, Await: &wire.Await{Path: path, Match: "go"}})
	send(t, w, wire.Request{ID: 2, Steps: []wire.Step{{Write: &wire.Write{Path: path, Data: []byte("go")}}}})
	seen := map[uint64]wire.Reply{}
	for range 2 {
		reply := receive(t, r)
		seen[reply.ID] = reply
	}
	if !seen[1].Met || seen[2].Error != "" {
		t.Errorf("replies %+v", seen)
	}
}

func TestServerCancels(t *testing.T) {
	r, w, _ := newTestServer(t)
	send(t, w, wire.Request{ID: 1, Await: &wire.Await{Path: "/no/such/file", Exists: true}})
	send(t, w, wire.Request{Cancel: 77})
	send(t, w, wire.Request{Cancel: 1})
	if reply := receive(t, r); reply.ID != 1 || reply.Met {
		t.Errorf("reply %+v", reply)
	}
}

func TestServerSurvivesGarbage(t *testing.T) {
	r, w, conn := newTestServer(t)
	go func() { _, _ = conn.Write([]byte("{\"id\":\n")) }()
	if reply := receive(t, r); reply.ID != 0 || !strings.Contains(reply.Error, "bad message") {
		t.Errorf("reply %+v", reply)
	}
	send(t, w, wire.Request{ID: 5})
	if reply := receive(t, r); reply.ID != 5 || reply.Error == "" {
		t.Errorf("a request for nothing: reply %+v", reply)
	}
}

func send(t *testing.T, w *wire.Writer, request wire.Request) {
	t.Helper()
	if err := w.Write(request); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, r *wire.Reader) wire.Reply {
	t.Helper()
	var reply wire.Reply
	if err := r.Read(&reply); err != nil {
		t.Fatal(err)
	}
	return reply
}
