// SPDX-License-Identifier: MIT

// Tests of what a program finds when it starts, and what is reported when it ends
// or cannot start.

package spawn

import (
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
)

func TestSignalsOfAProgramAreDefaultAndOpen(t *testing.T) {
	t.Run("clone3", func(t *testing.T) { testSignals(t, newRig(t)) })
	t.Run("clone", func(t *testing.T) {
		r := newRig(t)
		r.do(func() { refuse(t, unix.SYS_CLONE3, unix.SYS_CLOSE_RANGE) })
		testSignals(t, r)
		if r.setting.clone3 {
			t.Error("clone3 was not refused")
		}
	})
}

func testSignals(t *testing.T, r *rig) {
	signal.Ignore(unix.SIGPIPE, unix.SIGHUP)
	defer signal.Reset()
	var all, before, after unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	r.do(func() {
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil); err != nil {
			t.Error(err)
		}
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, nil, &before)
	})
	out, res := r.run(Spec{Argv: []string{"sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"}})
	if err := res.Failure(); err != nil {
		t.Fatal(err)
	}
	want := "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n"
	if out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	r.do(func() { _ = unix.PthreadSigmask(unix.SIG_BLOCK, nil, &after) })
	if after != before {
		t.Error("the loop's thread has another signal mask than before")
	}
}

// refuse makes system calls fail with ENOSYS on this thread and in its
// children, as the seccomp filters of old container programs do.
func refuse(t *testing.T, calls ...uint32) {
	const load, jumpIfEqual, answer = 0x20, 0x15, 0x06
	filter := []unix.SockFilter{{Code: load}} // the number of the call
	for _, call := range calls {
		filter = append(filter,
			unix.SockFilter{Code: jumpIfEqual, Jf: 1, K: call},
			unix.SockFilter{Code: answer, K: 0x00050000 | uint32(unix.ENOSYS)}) // SECCOMP_RET_ERRNO
	}
	filter = append(filter, unix.SockFilter{Code: answer, K: 0x7fff0000}) // SECCOMP_RET_ALLOW
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Error(err)
	}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	if err != nil {
		t.Error(err)
	}
}

// Signals that were ignored when the agent was started are not so for its
// programs.
func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(unix.SIGUSR2)
	defer signal.Reset(unix.SIGUSR2)
	if got := ignoredSignals(); !slices.Contains(got, uintptr(unix.SIGUSR2)) || slices.Contains(got, uintptr(unix.SIGUSR1)) {
		t.Errorf("got %v", got)
	}
	out, _ := newRig(t).run(Spec{Argv: []string{"sed", "-n", "/^SigI/p", "/proc/self/status"}})
	if out != "SigIgn:\t0000000000000000\n" {
		t.Errorf("got %s", out)
	}
}

func TestAProgramSeesOnlyItsStandardDescriptors(t *testing.T) {
	for range 30 {
		f, err := os.Open("/dev/zero")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	// One that the agent inherited.
	fd, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	text := "x"
	out, _ := newRig(t).run(Spec{Argv: sh("ls /proc/$$/fd; true"), Stdin: &text})
	if got := strings.Fields(out); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("program has descriptors %v", got)
	}
}

func TestSessionAndOpenFiles(t *testing.T) {
	out, res := newRig(t).run(Spec{Argv: sh(`cut -d" " -f5,6 /proc/$$/stat; ulimit -Sn`)})
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	want := fmt.Sprintf("%d %[1]d\n%d\n", res.Pid, min(limit.Max, openFiles))
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestEnvironment(t *testing.T) {
	out, _ := newRig(t).run(Spec{
		Argv: []string{"env"},
		Env:  []string{"A=1", "B=of the agent", "PATH=/usr/bin:/bin", "not a variable"},
		Set:  []string{"B=of the rule", "C=x=y"},
	})
	if want := "A=1\nPATH=/usr/bin:/bin\nB=of the rule\nC=x=y\n"; out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

func TestRunAsUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	r := newRig(t)
	r.do(func() { // groups of the agent's that its programs must not have
		groups := []uint32{12, 13}
		if _, _, e := syscall.RawSyscall(sysSetgroups, 2, uintptr(unsafe.Pointer(&groups[0])), 0); e != 0 {
			t.Error(e)
		}
	})
	text := "mine"
	// Opening descriptors anew, as /dev/stderr does, takes the right to them.
	out, res := r.run(Spec{
		Argv: sh("id -u; id -g; id -G; echo $HOME $USER $LOGNAME; cat /proc/self/fd/0; echo x >/proc/self/fd/2"), User: "nobody",
		Env: []string{"HOME=/root", "USER=root"}, Set: []string{"LOGNAME=set"}, Stdin: &text,
	})
	want := fmt.Sprintf("%s\n%s\n%[2]s\n%s nobody set\nminex\n", nobody.Uid, nobody.Gid, nobody.HomeDir)
	if out != want || res.Failure() != nil {
		t.Errorf("got\n%s(%v) want\n%s", out, res.Failure(), want)
	}
	out, _ = r.run(Spec{Argv: sh("id -u; id -g"), User: "nobody", Group: "12"})
	if want := nobody.Uid + "\n12\n"; out != want {
		t.Errorf("with a group: got %q, want %q", out, want)
	}
	out, _ = r.run(Spec{Argv: sh("id -u; id -g"), Group: "12"})
	if out != "0\n12\n" {
		t.Errorf("group alone: got %q", out)
	}
}

func TestDirAndStdin(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	long := strings.Repeat("0123456789abcdef", 20_000) // more than a pipe holds
	out, _ := r.run(Spec{Argv: sh("pwd -P; wc -c"), Dir: dir, Stdin: &long})
	if want := dir + "\n320000\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if out, _ := r.run(Spec{Argv: sh("wc -c")}); out != "0\n" {
		t.Errorf("without stdin: got %q", out)
	}
}

// The shell that started the agent was somewhere else.
func TestPWDIsWhereTheProgramStarts(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	for _, c := range []struct{ dir, want string }{
		{"/", "PWD=/\n"},
		{link, "PWD=" + link + "\n"},
		{dir + "/", "PWD=" + dir + "\n"},
		{link + "/..", ""},
	} {
		if out, _ := r.run(Spec{Argv: []string{"/usr/bin/env"}, Dir: c.dir}); out != c.want {
			t.Errorf("in %s: got %q, want %q", c.dir, out, c.want)
		}
	}
}

func TestWhatCannotStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	plain := write("plain", "x", 0o644)
	junk := write("junk", "\x01\x02", 0o755)
	write("orphan", "#!/no/such/interpreter\n", 0o755)
	for _, test := range []struct {
		name, want string
		spec       Spec
	}{
		{"no argv", "start: no program named", Spec{}},
		{"not in PATH", "start mpc: not found in PATH (/a:" + dir + ")",
			Spec{Argv: []string{"mpc"}, Env: []string{"PATH=/a:" + dir}}},
		{"default PATH", "start no-such: not found in PATH (" + defaultPath + ")", Spec{Argv: []string{"no-such"}}},
		{"only relative PATH", "start ls: not found in PATH (.:bin)",
			Spec{Argv: []string{"ls"}, Env: []string{"PATH=.:bin"}}},
		{"not there", "start /no/such: no such file or directory", Spec{Argv: []string{"/no/such"}}},
		{"not executable", "start " + plain + ": permission denied", Spec{Argv: []string{plain}}},
		{"not executable in PATH", "start " + plain + ": permission denied",
			Spec{Argv: []string{"plain"}, Env: []string{"PATH=" + dir + ":/usr/bin"}}},
		{"no program", "start " + junk + ": exec format error", Spec{Argv: []string{junk}}},
		{"interpreter missing", "start ./orphan: the file exists, but not the interpreter (#!) or loader (ld.so) that it names",
			Spec{Argv: []string{"./orphan"}, Dir: dir}},
		{"no directory", "chdir /nowhere: no such file or directory", Spec{Argv: []string{"ls"}, Dir: "/nowhere"}},
		{"no user", "user nobody2: unknown; did you mean \"nobody\"?", Spec{Argv: []string{"ls"}, User: "nobody2"}},
		{"no group", "group nogroup2: unknown; did you mean \"nogroup\"?", Spec{Argv: []string{"ls"}, Group: "nogroup2"}},
		{"NUL", `start "ls": a NUL byte in its arguments, environment or directory`,
			Spec{Argv: []string{"ls"}, Env: []string{"TEXT=a\x00b"}}},
		{"too long", "start /bin/true: argument list too long", Spec{Argv: []string{"/bin/true", strings.Repeat("x", 1<<20)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			_, res := r.run(test.spec)
			if res.Failure() == nil || res.Failure().Error() != test.want {
				t.Errorf("got  %v\nwant %s", res.Failure(), test.want)
			}
			r.untilNothingIsLeft()
			if slices.Contains([]string{"no argv", "NUL", "too long"}, test.name) {
				return // not to be seen by looking at files, or complained of by check
			}
			if _, _, err := Look(&test.spec, 0, ""); err == nil || err.Error() != test.want {
				t.Errorf("Look: got %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestWithoutPrivileges(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test gives root up and needs it")
	}
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // only this thread gives up its rights; it is thrown away
		errs <- startWithoutPrivileges()
	}()
	if err := <-errs; err == nil || err.Error() != "become user root: operation not permitted" {
		t.Errorf("got %v", err)
	}
}

func startWithoutPrivileges() error {
	if _, _, e := syscall.RawSyscall(sysSetuid, 65534, 0, 0); e != 0 {
		return e
	}
	null, err := above2(unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0))
	if err != nil {
		return err
	}
	defer unix.Close(null)
	root := account.Account{User: "root", SetUser: true}
	p, err := newProgram(&Spec{Argv: []string{"true"}}, &root, null, null, &setting{clone3: true, limit: unix.Rlimit{Cur: 64, Max: 64}})
	if err != nil {
		return err
	}
	_, pidfd, err := p.start()
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	if _, err := waitid(pidfd, 0); err != nil {
		return err
	}
	err, _ = p.failure()
	return err
}

func TestFailureTells(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{"exit 0", "<nil>"},
		{"exit 3", "exit status 3"},
		{"kill -TERM $$", "killed by SIGTERM"},
		{"kill -36 $$", "killed by signal 36"},
	} {
		_, res := newRig(t).run(Spec{Argv: sh(test.script)})
		if got := fmt.Sprint(res.Failure()); got != test.want {
			t.Errorf("%s: got %s, want %s", test.script, got, test.want)
		}
	}
}

// A thousand quick firings, under a hail of signals, leave nothing behind.
func TestAThousandQuickOnes(t *testing.T) {
	hits := make(chan os.Signal, 1)
	signal.Notify(hits, unix.SIGUSR1)
	defer signal.Stop(hits)
	hail := time.NewTicker(500 * time.Microsecond) // with it the runtime opens its poller's descriptors
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-hail.C:
				_ = unix.Kill(unix.Getpid(), unix.SIGUSR1)
			case <-over:
				return
			}
		}
	}()
	defer close(over)
	defer hail.Stop()

	r := newRig(t)
	before := openDescriptors(t)
	ended, lines := 0, 0
	output := func([]byte) { lines++ }
	var next func()
	started := 0
	next = func() { // 20 at a time
		i := started
		if started++; started > 1000 {
			return
		}
		spec := Spec{Argv: []string{"true"}, Timeout: time.Minute}
		if i%2 == 0 {
			spec.Argv, spec.Output = []string{"echo", strconv.Itoa(i)}, output
		}
		r.Start(spec, func(res Result) {
			ended++
			if err := res.Failure(); err != nil {
				t.Error(err)
			}
			next()
		})
	}
	r.do(func() {
		for range 20 {
			next()
		}
	})
	r.until("all have ended", func() bool { return ended == 1000 && r.Left() == 0 })
	if lines != 500 {
		t.Errorf("got %d lines of 500", lines)
	}
	if after := openDescriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("children left: %v", left)
	}
}

func openDescriptors(t *testing.T) int {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// children lists the children of this process, zombies too.
func children(t *testing.T) (stats []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			stats = append(stats, string(stat))
		}
	}
	return stats
}

func TestAbove2(t *testing.T) {
	fd, err := above2(unix.Dup(0))
	if err != nil || fd < 3 {
		t.Fatal(fd, err)
	}
	unix.Close(fd)
}
