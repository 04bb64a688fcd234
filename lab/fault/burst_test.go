// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

package fault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	reflexd "reflexd/agent"
	"reflexd/client"
)

// burstRules are slow: each firing takes a millisecond, and one waits.
const burstRules = `
files:
  pipe: {path: DIR/pipe, read: line}
  folder: {path: DIR/folder, watch: changes, events: [created]}
netlink:
  user: {protocol: usersock, groups: [21], from: any, decode: text, buffer: 64K}
rules:
  - {name: go, when: {event: go}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: signal, when: {signal: SIGRTMIN+5}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: pipe, when: {file: pipe, is: readable}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: folder, when: {file: folder, is: changed}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: netlink, when: {netlink: user}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: uevent, when: {uevent: {ACTION: change, SUBSYSTEM: net}}, mode: MODE, log_level: off, do: {wait: 1ms}}
`

// burst is something that is done many times as fast as it can be.
type burst struct {
	rule   string // whose firings are counted
	losses string // the source that reports losses
	send   func(t *testing.T, a *burstAgent, n int) (sent int)
	// again, if not nil, sends one more: the kernel numbers what it loses, and says so with the next.
	again func(t *testing.T)
}

// burstAgent is an agent that nobody slows down.
type burstAgent struct {
	*journal
	dir     string
	cmd     *exec.Cmd
	uevents *os.File
}

func (a *burstAgent) socket() string { return filepath.Join(a.dir, "socket") }

func launchBurst(t *testing.T, rules, mode string) *burstAgent {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	a := &burstAgent{dir: t.TempDir(), uevents: openUevents(t)}
	if err := os.Mkdir(filepath.Join(a.dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(a.dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, "c.yaml")
	text := strings.NewReplacer("DIR", a.dir, "MODE", mode).Replace(rules)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a.cmd = exec.Command(path, "run", "-c", file, "--socket", a.socket())
	var output *os.File
	if a.journal, output, err = record(a.cmd); err != nil {
		t.Fatal(err)
	}
	err = a.cmd.Start()
	output.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		<-a.ended
		if t.Failed() {
			t.Logf("%.4000s", a.log(0))
		}
	})
	if !a.started(patience) {
		t.Fatal("it does not start")
	}
	return a
}

var bursts = []burst{
	{rule: "go", send: func(t *testing.T, a *burstAgent, n int) (sent int) {
		c, err := client.Dial(a.socket())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range n {
			if _, err := c.Emit("go", nil); err == nil {
				sent++
			}
		}
		return sent
	}},
	// A signal that finds the queue full is refused, and whoever sends it knows.
	{rule: "signal", send: func(t *testing.T, a *burstAgent, n int) (sent int) {
		for i := range n {
			switch err := sigqueue(a.cmd.Process.Pid, 34+5, i); err {
			case nil:
				sent++
			case unix.EAGAIN:
			default:
				t.Fatal(err)
			}
		}
		return sent
	}},
	// A pipe that is full makes its writers wait.
	{rule: "pipe", send: func(t *testing.T, a *burstAgent, n int) (sent int) {
		f, err := os.OpenFile(filepath.Join(a.dir, "pipe"), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range n {
			if _, err := fmt.Fprintln(f, i); err == nil {
				sent++
			}
		}
		return sent
	}},
	{rule: "netlink", losses: "netlink:user", send: func(t *testing.T, a *burstAgent, n int) (sent int) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_USERSOCK)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		b := binary.NativeEndian.AppendUint32(nil, unix.NLMSG_HDRLEN)
		b = binary.NativeEndian.AppendUint16(b, unix.NLMSG_MIN_TYPE)
		b = append(b, make([]byte, unix.NLMSG_HDRLEN-6)...)
		for range n {
			err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << 20})
			if err != nil && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOBUFS) {
				t.Fatal(err)
			}
			sent++
		}
		return sent
	}},
	{rule: "uevent", losses: "uevent", send: func(t *testing.T, a *burstAgent, n int) (sent int) {
		for range n {
			if _, err := a.uevents.WriteString("change 0aaaaaaa-0000-0000-0000-000000000001 T=1"); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		return sent
	}},
	{rule: "folder", losses: "file", send: func(t *testing.T, a *burstAgent, n int) (sent int) {
		for i := range n {
			name := filepath.Join(a.dir, "folder", fmt.Sprint(i))
			if err := unix.Mknod(name, unix.S_IFREG|0o600, 0); err != nil {
				t.Fatal(err)
			}
			sent++
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		return sent
	}},
}

// Of a burst each event is handled, dropped and counted, or reported lost.
func TestBursts(t *testing.T) {
	const few, many = 20_000, 200_000
	for _, mode := range []string{"queued", "coalesce", "single"} {
		for _, n := range []int{few, many} {
			if n == many && mode != "queued" && !everyFault {
				continue
			}
			t.Run(fmt.Sprint(mode, n), func(t *testing.T) {
				a := launchBurst(t, burstRules, mode)
				var all sync.WaitGroup
				for _, b := range bursts {
					all.Go(func() { a.account(t, &b, mode, n) })
				}
				all.Wait()
			})
		}
	}
}

// The agent sleeps until all was sent: what the kernel has no room for is lost, and reported with its number.
func TestBurstsWhileItSleeps(t *testing.T) {
	a := launchBurst(t, burstRules, "queued")
	for _, b := range bursts {
		if b.rule != "signal" && b.rule != "netlink" && b.rule != "uevent" {
			continue // whoever sends these waits for the agent
		}
		awake := b
		awake.send = func(t *testing.T, a *burstAgent, n int) int {
			_ = a.cmd.Process.Signal(unix.SIGSTOP)
			defer func() { _ = a.cmd.Process.Signal(unix.SIGCONT) }()
			return b.send(t, a, n)
		}
		a.account(t, &awake, "queued", 200_000)
	}
}

// account waits until what was sent is accounted for, and returns how many that were.
func (a *burstAgent) account(t *testing.T, b *burst, mode string, n int) (sent int) {
	uevents := ueventsSoFar(t)
	sent = b.send(t, a, n)
	const mostMore = 100
	more := 0
	var last handled
	for end := time.Now().Add(patience); time.Now().Before(end); {
		is, err := a.handled(b, mode)
		if err != nil {
			t.Errorf("%s: %v", b.rule, err)
			return sent
		}
		// Others of the machine may cause uevents meanwhile. No rule fires, but they may be among the lost.
		foreign := 0
		if b.losses == "uevent" && is.lost > 0 {
			foreign = max(0, ueventsSoFar(t)-uevents-sent)
		}
		switch all := is.all(); {
		case all >= sent && all <= sent+foreign && !is.runs:
			t.Logf("%s: sent %d, %v", b.rule, sent, is)
			return sent
		case is != last: // it is at work
			end = time.Now().Add(patience)
		case b.again != nil && all < sent && more < mostMore:
			b.again(t)
			sent++
			more++
		}
		last = is
	}
	t.Errorf("%s: sent %d, %v", b.rule, sent, last)
	return sent
}

// handled is what became of a burst.
type handled struct {
	fired, dropped, lost, losses int
	merged                       bool // what was dropped is a part of what fired
	runs                         bool // something still does
}

func (h handled) all() int {
	if h.merged {
		return h.fired + h.lost
	}
	return h.fired + h.dropped + h.lost
}

func (h handled) String() string {
	return fmt.Sprintf("fired %d, dropped %d, reported lost %d in %d losses: %d", h.fired, h.dropped, h.lost, h.losses, h.all())
}

// handled asks what has become of a burst.
func (a *burstAgent) handled(b *burst, mode string) (h handled, err error) {
	s, err := reflexd.AskStatus(a.socket(), patience)
	if err != nil {
		return h, err
	}
	for name, loss := range s.Losses {
		if name == b.losses || b.losses == "input" && strings.HasPrefix(name, "input:") {
			h.lost, h.losses = h.lost+int(loss.Events), h.losses+int(loss.Times)
		}
	}
	h.merged = mode == "coalesce"
	for _, r := range s.Rules {
		if r.Name == b.rule {
			h.fired, h.dropped, h.runs = r.Fired, r.Dropped, len(r.Running) > 0
		}
	}
	return h, nil
}
