// SPDX-License-Identifier: MIT

// Program: one start: everything from a Spec to a process, and what went wrong
// on the way there.

package spawn

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
)

// program is one start that is made. It lives at least until the child is in
// its program or dead.
type program struct {
	table *table
	exec  int // index of the first execve in table; its exit is the last

	spec  *Spec
	path  string   // what was searched
	files []string // what the execves try, in order
	who   *account.Account

	argv, env, names []*byte // names: of files, and of the directory behind them
	comm             [commSize]byte
	setting          *setting
	in, out          int
	cell             *cell // nil without a cgroup of its own, and if that is refused
}

// setting is what does not change from start to start.
type setting struct {
	limit   unix.Rlimit
	ignored []uintptr // signals; nil before the first start
	clone3  bool      // until it is refused
	before  Before
	cells   *cells // nil without cgroups of their own
	over    *table // of a start whose process has ended; may be nil
}

// newProgram prepares a start. in and out are the descriptors that become the
// child's 0, 1 and 2; they are above 2.
func newProgram(spec *Spec, who *account.Account, in, out int, setting *setting) (*program, error) {
	p := &program{spec: spec, who: who, in: in, out: out, setting: setting}
	env := environment(spec.Env, who.Env, place(spec.Dir), spec.Set)
	p.comm = comm(spec.Argv[0])
	p.path = searchPath(env)
	p.files = candidates(spec.Argv[0], p.path)
	var errs [3]error
	p.argv, errs[0] = syscall.SlicePtrFromStrings(spec.Argv)
	p.env, errs[1] = syscall.SlicePtrFromStrings(env)
	p.names, errs[2] = syscall.SlicePtrFromStrings(append(slices.Clip(p.files), spec.Dir))
	if errs != [3]error{} {
		return nil, fmt.Errorf("start %q: a NUL byte in its arguments, environment or directory", spec.Argv[0])
	}
	return p, nil
}

// commSize is TASK_COMM_LEN, the size of a process's name with its NUL.
const commSize = 16

// comm returns the name of a process that is about to become the program: as with
// systemd, that in parentheses.
func comm(program string) (name [commSize]byte) {
	base := filepath.Base(program)
	copy(name[:commSize-1], "("+base[:min(len(base), commSize-3)]+")")
	return name
}

// makeTable lists what the child does, in order. It begins with every signal
// blocked.
func (p *program) makeTable() {
	const others = 24 // the calls besides those that newTable adds, and the execves
	t := p.newTable(len(p.files) + others)
	p.table = t

	// Until its execve it would bear the agent's name, and be found by it.
	t.try(unix.SYS_PRCTL, unix.PR_SET_NAME, t.at(unsafe.Pointer(&p.comm)))
	// A session, and with it a process group. In our session the program could
	// type into our terminal, whoever it runs as (TIOCSTI).
	t.must(": make a session", unix.SYS_SETSID)
	t.try(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, t.at(unsafe.Pointer(&p.setting.limit)), 0)
	p.giveBack(t)
	p.addLimits(t)
	t.must(": connect its input", unix.SYS_DUP3, uintptr(p.in), 0, 0)
	t.must(": connect its output", unix.SYS_DUP3, uintptr(p.out), 1, 0)
	t.must(": connect its errors", unix.SYS_DUP3, uintptr(p.out), 2, 0)
	// All of ours are close-on-exec; this is for what the agent itself
	// inherited. (A seccomp filter may not know it.)
	t.try(unix.SYS_CLOSE_RANGE, 3, uintptr(^uint32(0)), 0)
	p.addAutogroup(t, len(t.calls)-1)
	p.addAccount(t)
	if p.spec.Dir != "" {
		dir := p.names[len(p.files)]
		t.must("chdir "+p.spec.Dir, unix.SYS_CHDIR, t.at(unsafe.Pointer(dir)))
	}
	t.must(": clear the signal mask", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&zeros)), 0, sigsetSize)
	p.exec = len(t.calls)
	argv, env := t.at(unsafe.Pointer(&p.argv[0])), t.at(unsafe.Pointer(&p.env[0]))
	for i := range p.files {
		t.try(unix.SYS_EXECVE, t.at(unsafe.Pointer(p.names[i])), argv, env)
	}
	t.finish()
}

// giveBack adds the calls that undo what the agent has changed for itself.
func (p *program) giveBack(t *table) {
	before := &p.setting.before
	if before.Pending != nil {
		t.try(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_SIGPENDING, t.at(unsafe.Pointer(before.Pending)), 0)
	}
	if before.Priority != nil {
		t.try(unix.SYS_SCHED_SETATTR, 0, t.at(unsafe.Pointer(before.Priority)), 0)
	}
}

// newTable returns a table that begins with the clone and the reset of
// signals. Handlers are the agent's; ignored signals, which execve leaves
// ignored, are those of whoever started it (nohup).
func (p *program) newTable(others int) *table {
	if p.setting.ignored == nil {
		p.setting.ignored = ignoredSignals()
	}
	reset := p.setting.ignored
	if !p.setting.clone3 {
		reset = slices.Collect(resettable)
	}
	t := p.setting.over.again(len(reset) + others)
	p.setting.over = nil
	if p.setting.clone3 {
		t.addClone3(p.cell)
	} else {
		t.addClone()
	}
	for _, signal := range reset {
		t.try(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&zeros)), 0, sigsetSize)
	}
	return t
}

// addAccount adds the change of user. The raw calls change the child alone,
// unlike those of package syscall, which change all threads of a process.
func (p *program) addAccount(t *table) {
	a := p.who
	if a.SetUser {
		t.must(a.Step(), sysSetgroups, uintptr(len(a.Groups)), t.at(unsafe.Pointer(unsafe.SliceData(a.Groups))))
	}
	if a.SetGroup {
		t.must(a.Step(), sysSetgid, uintptr(a.Gid))
	}
	if a.SetUser {
		t.must(a.Step(), sysSetuid, uintptr(a.Uid))
	}
}

// start makes the process. It does not wait until the program runs, or is
// known not to: failure says so when the process has ended.
func (p *program) start() (pid, pidfd int, err error) {
	for {
		p.makeTable()
		pid, err = p.table.run()
		switch {
		case err == nil:
			return pid, int(p.table.pidfd), nil
		case p.cell != nil && err != unix.EAGAIN && err != unix.ENOMEM && p.spec.Limits.Processes == 0:
			p.cell = nil
		case p.setting.clone3 && refused(err):
			p.setting.clone3 = false
		default:
			return 0, -1, fmt.Errorf("start %s: clone: %w", p.spec.Argv[0], err)
		}
	}
}

// failure returns why the ended process never became the program; nil if it
// did. missing says that no file was found, or none of those found could be
// loaded: see explain.
func (p *program) failure() (err error, missing bool) {
	for i, message := range p.table.errors[:p.exec] {
		if e := errno(p.table.calls[i].result); e != 0 && message != "" {
			if message[0] == ':' {
				message = "start " + p.spec.Argv[0] + message
			}
			return fmt.Errorf("%s: %w", message, e), false
		}
	}
	execs := p.table.calls[p.exec : len(p.table.calls)-1]
	if len(execs) > 0 && errno(execs[len(execs)-1].result) == 0 {
		return nil, false
	}
	return p.execFailure(execs)
}

// execFailure picks the error to show from those of all files tried: the one
// that says more than "not there".
func (p *program) execFailure(execs []call) (err error, missing bool) {
	name := p.spec.Argv[0]
	for i := range execs {
		if e := errno(execs[i].result); e != unix.ENOENT && e != unix.ENOTDIR {
			return fmt.Errorf("start %s: %w", p.files[i], e), false
		}
	}
	if !strings.Contains(name, "/") {
		return fmt.Errorf("start %s: not found in PATH (%s)", name, p.path), true
	}
	return fmt.Errorf("start %s: %w", name, errno(execs[0].result)), true
}

// explain looks closer at err, where execve found something missing: if the
// program's file is there, its interpreter or loader is not, as with a binary
// for another C library or float ABI. It asks the file system and may block.
func (p *program) explain(err error) error {
	for _, file := range p.files {
		at := file
		if !filepath.IsAbs(at) {
			at = filepath.Join(p.spec.Dir, at)
		}
		if unix.Access(at, unix.F_OK) == nil {
			return noInterpreter(file)
		}
	}
	return err
}

func noInterpreter(file string) error {
	return fmt.Errorf("start %s: the file exists, but not the interpreter (#!) or loader (ld.so) that it names", file)
}
