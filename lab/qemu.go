// SPDX-License-Identifier: MIT

// The QEMU process: started with its sockets as inherited descriptors, so that no file of it lies about, and killed
// with whoever started it.

package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"reflexd/lab/image"
)

// qemu is a running QEMU. Ended is closed when it has ended.
type qemu struct {
	console tail // the guest's
	said    tail // by QEMU itself
	pid     int
	ended   chan struct{}
	kill    context.CancelFunc
}

// startQEMU starts QEMU and the goroutine that owns it, which ends with it. Memory are the descriptors from initrdFD on.
func startQEMU(ctx context.Context, args []string, agent, control *os.File, memory []*os.File, copyTo io.Writer) (*qemu, error) {
	console, consoleEnd, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer consoleEnd.Close()
	q := &qemu{ended: make(chan struct{})}
	ctx, q.kill = context.WithCancel(ctx)
	q.console.copyTo = copyTo
	c := image.Command(ctx, "qemu-system-aarch64", args...)
	c.Stdout, c.Stderr = &q.said, &q.said
	c.ExtraFiles = append([]*os.File{agent, control, consoleEnd}, memory...)
	c.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	started := make(chan error)
	go q.own(ctx, c, console, started)
	return q, <-started
}

// own starts the process and waits for its end, on one thread: its death signal comes when the thread that started it
// ends, not the process.
func (q *qemu) own(ctx context.Context, c *exec.Cmd, console *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(q.ended)
	defer q.kill()
	defer console.Close()
	err := c.Start()
	if err == nil {
		q.pid = c.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = io.Copy(&q.console, console) }) // ends when QEMU's end of the socket is closed
	err = c.Wait()
	reader.Wait()
	if err != nil && ctx.Err() == nil { // else it ended because we killed it
		fmt.Fprintf(&q.said, "%v\n", err)
	}
}

// wait kills QEMU and waits for its end.
func (q *qemu) wait() {
	q.kill()
	<-q.ended
}

// lastWords is the end of what the guest's console and QEMU said, in a form to append to an error.
func (q *qemu) lastWords() string {
	var text strings.Builder
	for _, said := range []struct {
		by   string
		text string
	}{{"QEMU", q.said.String()}, {"the console", q.console.String()}} {
		if trimmed := strings.TrimSpace(said.text); trimmed != "" {
			fmt.Fprintf(&text, "\n--- %s:\n%s", said.by, trimmed[max(0, len(trimmed)-4000):])
		}
	}
	return text.String()
}

// socketPair returns two connected sockets: ours, which goes through Go's poller, and one to hand on.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket to QEMU"), os.NewFile(uintptr(fds[1]), "socket of QEMU"), nil
}

// tailSize is how much of a text a tail keeps.
const tailSize = 64 << 10

// A tail keeps the end of what is written to it.
type tail struct {
	copyTo io.Writer // may be nil

	mu   sync.Mutex // guards text
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if excess := len(t.text) - tailSize; excess > tailSize {
		t.text = bytes.Clone(t.text[excess:])
	}
	if t.copyTo != nil {
		_, _ = t.copyTo.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(0, len(t.text)-tailSize):])
}
