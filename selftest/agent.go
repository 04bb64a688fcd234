// SPDX-License-Identifier: MIT

// Agents for the tests: each is a process of its own with a configuration of its
// own, as a user runs it.

package selftest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/client"
)

// patience is how long an agent may take to start, and for what a test waits for.
const patience = 10 * time.Second

// agent is a running reflexd.
type agent struct {
	proc    *os.Process
	log     string       // its file
	control *client.Conn // for orders
	stream  *client.Conn // its events
}

// start starts an agent with a configuration and watches the events with these
// names, all if there are none.
func (b *bench) start(configuration string, names ...string) (*agent, error) {
	b.agents++
	base := filepath.Join(b.dir, fmt.Sprint(b.agents))
	if err := os.WriteFile(base+".yaml", []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	a := &agent{log: base + ".log"}
	if err := a.launch(b.Program, base+".yaml", base+".sock"); err != nil {
		return nil, fmt.Errorf("start an agent: %w%s", err, a.complaints())
	}
	var err error
	if a.control, err = client.Dial(base + ".sock"); err == nil {
		if a.stream, err = client.Dial(base + ".sock"); err == nil {
			err = a.stream.Watch(client.Filter{Names: names})
		}
	}
	if err != nil {
		a.stop(unix.SIGKILL)
		return nil, fmt.Errorf("talk to the agent: %w%s", err, a.complaints())
	}
	return a, nil
}

// launch starts the process and waits until it is ready.
func (a *agent) launch(program, file, socket string) error {
	log, err := os.OpenFile(a.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ready, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	args := []string{"reflexd", "run", "-c", file, "--socket", socket, "--log-level", "warn", "--ready-fd", "3"}
	a.proc, err = os.StartProcess(program, args, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{nil, log, log, theirs},
		Sys: &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}, // lest it survives a killed selftest
	})
	theirs.Close()
	if err != nil {
		return err
	}
	var line [1]byte
	err = ready.SetReadDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = ready.Read(line[:])
	}
	if err != nil {
		_ = a.proc.Kill() // it may have ended already
		_, _ = a.proc.Wait()
		return errors.New("it did not become ready")
	}
	return nil
}

// complaints returns what the agent has logged, for an error message.
func (a *agent) complaints() string {
	text, err := os.ReadFile(a.log)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "; its log: " + strings.TrimSpace(string(text))
}

// stop ends the agent by a signal.
func (a *agent) stop(s syscall.Signal) {
	for _, c := range []*client.Conn{a.control, a.stream} {
		if c != nil {
			c.Close()
		}
	}
	_ = a.proc.Signal(s) // it may have ended already
	_, _ = a.proc.Wait()
}

// await returns the next notice that is wanted. It fails after the limit.
func (a *agent) await(limit time.Duration, wanted func(*client.Notice) bool) (client.Notice, error) {
	timer := time.AfterFunc(limit, func() { a.stream.Close() })
	defer timer.Stop()
	for {
		n, err := a.stream.Next()
		switch {
		case err != nil:
			return n, fmt.Errorf("not within %v%s", limit, a.complaints())
		case n.Type == "lost":
			return n, fmt.Errorf("%d events were not read in time", n.Count)
		case wanted(&n):
			return n, nil
		}
	}
}

// isEdge reports whether n is an edge of the line called in.
func isEdge(n *client.Notice) bool {
	return n.Type == "event" && n.Kind == "line" && n.Name == "in" && (n.State == "rising" || n.State == "falling")
}

// edge waits for an edge, and returns its kernel timestamp.
func (a *agent) edge(state string) (time.Duration, error) {
	n, err := a.await(patience, func(n *client.Notice) bool { return isEdge(n) && n.State == state })
	if err != nil {
		return 0, fmt.Errorf("wait for a %s edge: %w", state, err)
	}
	return time.Duration(n.Time), nil
}

// edgesUntilNow sends the event over, which a rule must match, and returns the edges before it.
func (a *agent) edgesUntilNow() ([]client.Notice, error) {
	if _, err := a.control.Emit("over", nil); err != nil {
		return nil, err
	}
	var edges []client.Notice
	_, err := a.await(patience, func(n *client.Notice) bool {
		if isEdge(n) {
			edges = append(edges, *n)
		}
		return n.Type == "event" && n.Name == "over"
	})
	return edges, err
}
