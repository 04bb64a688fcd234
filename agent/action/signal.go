// SPDX-License-Identifier: MIT

// The action signal: kill(2), or sigqueue(3) where it has a value.

package action

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/regular"
	"reflexd/sources"
	"reflexd/sources/signal"
)

var signalKind = Kind{
	Key:  "signal",
	Also: "kill",
	Doc:  "send a signal to a process",
	New: func() (config.Value, func(*Check) Action) {
		a := &signalAction{number: int(unix.SIGTERM)}
		return config.Object(
			config.Field{Name: "to", Doc: "a PID, the absolute path of a PID file, or a process's name", Required: true, Value: expand.Value(&a.to)},
			config.Field{Name: "signal", Doc: "which signal", Default: "SIGTERM",
				Value: config.Parsed(&a.number, "signal", signal.Number)},
			config.Field{Name: "value", Doc: "an integer to send with it, as sigqueue(3) does",
				Value: config.Func(config.Shape{Type: "an integer or ${FIELD}"}, func(n config.Node, ps *config.Problems) {
					a.value = &expand.Text{}
					expand.Value(a.value).Read(n, ps)
				})},
		), a.check
	},
}

type signalAction struct {
	to     expand.Text
	number int
	value  *expand.Text
}

func (a *signalAction) check(c *Check) Action {
	c.Text(a.to)
	if a.to.Pos.Line > 0 && !a.to.HasFields() {
		if err := checkReceiver(a.to.Expand(&sources.Event{})); err != nil {
			c.Problems.Errorf(a.to.Pos, "%v", err)
		}
	}
	if a.value != nil {
		c.Text(*a.value)
		if _, err := parseValue(*a.value, &sources.Event{}); err != nil && !a.value.HasFields() {
			c.Problems.Errorf(a.value.Pos, "%v", err)
		}
	}
	return a
}

// checkReceiver returns why nothing can be sent to what `to` names.
func checkReceiver(to string) error {
	const wanted = "a PID, the absolute path of a PID file, or a process's name"
	pid, err := strconv.Atoi(to)
	switch {
	case to == "":
		return errors.New("expected " + wanted + ", found empty quotes")
	case err == nil && pid <= 0:
		return fmt.Errorf("expected %s; %d is not a process ID", wanted, pid)
	case strings.Contains(to, "/") && to[0] != '/':
		return fmt.Errorf("expected %s, found %q; did you mean %q?", wanted, to, "/"+to)
	}
	return nil
}

// parseValue returns the value that text stands for.
func parseValue(text expand.Text, e *sources.Event) (int32, error) {
	s := text.Expand(e)
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("the value %q is not a 32-bit integer", s)
	}
	return int32(n), nil
}

// Describe implements Action.
func (a *signalAction) Describe(e *sources.Event) string {
	return "signal " + signal.Name(a.number) + " to " + a.to.Expand(e)
}

// Start implements Action. Finding a process by name reads all of /proc, so
// it is done beside the loop; signals to one receiver are sent in their order.
func (a *signalAction) Start(r *Run) (Pending, error) {
	to := a.to.Expand(r.Event)
	var value *int32
	if a.value != nil {
		v, err := parseValue(*a.value, r.Event)
		if err != nil {
			return nil, fmt.Errorf("signal %s: %w", to, err)
		}
		value = &v
	}
	proc := r.Env.Proc
	var err error
	r.Env.beside("signal "+to, func() { err = sendSignal(proc, to, a.number, value) }, func() { r.Finish(err) })
	return unstoppable{}, nil
}

func sendSignal(proc, to string, number int, value *int32) error {
	pids, err := findProcesses(proc, to)
	if err != nil {
		return fmt.Errorf("signal %s: %w", to, err)
	}
	for _, pid := range pids {
		if value == nil {
			err = unix.Kill(pid, unix.Signal(number))
		} else {
			err = sigqueue(pid, number, *value)
		}
		if err != nil {
			return fmt.Errorf("signal %s: send %s to process %d: %w", to, signal.Name(number), pid, err)
		}
	}
	return nil
}

// findProcesses returns the processes that to stands for, at least one. It
// never returns us, 0, 1's group or a group: those would be accidents.
func findProcesses(proc, to string) ([]int, error) {
	if strings.HasPrefix(to, "/") {
		const longest = 64 // a number, and white space
		text, err := regular.Read(to, longest)
		if err != nil {
			return nil, fmt.Errorf("read PID file: %w", errors.Unwrap(err))
		}
		to = strings.TrimSpace(string(text))
		if _, err := strconv.Atoi(to); err != nil {
			return nil, fmt.Errorf("expected a process ID in the PID file, found %.20q", to)
		}
	}
	if pid, err := strconv.Atoi(to); err == nil {
		if pid <= 0 {
			return nil, fmt.Errorf("%d is not a process ID", pid)
		}
		return []int{pid}, nil
	}
	if to == "" {
		return nil, errors.New("the name of the process is empty")
	}
	return findByName(proc, to)
}

// findByName returns the processes whose command name, of which the kernel
// keeps 15 bytes, is name.
func findByName(proc, name string) ([]int, error) {
	const commLength = 15
	comm := name[:min(len(name), commLength)]
	files, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	var pids []int
	var others []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if is := strings.TrimSuffix(string(text), "\n"); err != nil || is != comm {
			others = append(others, is)
			continue // another one, or gone meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, errors.New("no process has that name" + config.Suggest(comm, others))
	}
	return pids, nil
}

// siginfo is the kernel's siginfo_t as rt_sigqueueinfo(2) takes it, 128 bytes:
// on 64-bit systems the union begins 8-byte aligned.
type siginfo struct {
	signo, errno, code int32
	union              [128 - 12]byte
}

// sigqueue does what sigqueue(3) does, which x/sys does not have.
func sigqueue(pid, number int, value int32) error {
	const siQueue = -1
	info := siginfo{signo: int32(number), code: siQueue}
	at := unsafe.Sizeof(uintptr(0)) - 4 // padding before the union on 64-bit systems
	*(*int32)(unsafe.Pointer(&info.union[at])) = int32(os.Getpid())
	*(*int32)(unsafe.Pointer(&info.union[at+4])) = int32(os.Getuid())
	*(*int32)(unsafe.Pointer(&info.union[at+8])) = value
	_, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(number), uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return errno
	}
	return nil
}
