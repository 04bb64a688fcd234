// SPDX-License-Identifier: MIT

//go:build amd64 || arm64

package fault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asTrapped is set in the environment of the process that becomes the program, to the names of the calls to trap.
const asTrapped = "REFLEXD_FAULT_TRAPPED"

// Become is to be called at the beginning of TestMain. In the process that Start made it has the kernel trap the calls of
// this thread, becomes the program and does not return.
func Become() {
	if os.Getenv(asTrapped) == "" {
		return
	}
	err := become()
	fmt.Fprintln(os.Stderr, "fault:", err)
	os.Exit(1)
}

func become() error {
	const socket = 3
	program := filter(strings.Fields(os.Getenv(asTrapped)))
	os.Unsetenv(asTrapped)
	unix.CloseOnExec(socket)
	runtime.LockOSThread()
	// The listener is sent by a thread that has no filter: ours would wait for whoever is to receive it.
	listener, sent := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		sent <- nil
		sent <- unix.Sendmsg(socket, []byte{0}, unix.UnixRights(<-listener), nil, 0)
	}()
	<-sent
	if os.Geteuid() != 0 {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	fd, err := install(program)
	if err != nil {
		return fmt.Errorf("install the filter: %w", err)
	}
	listener <- fd
	if err := <-sent; err != nil {
		return fmt.Errorf("send the listener: %w", err)
	}
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// filter returns the BPF program that has calls trapped: seccomp(2).
func filter(names []string) []unix.SockFilter {
	const number = 0 // the offset in struct seccomp_data
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for _, k := range Kinds {
		if !slices.Contains(names, k.Name) {
			continue
		}
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(k.Number), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}

// install has the kernel apply the filter to this thread, and returns the listener.
func install(program []unix.SockFilter) (int, error) {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// The signals with which the runtime preempts goroutines must not interrupt what is trapped (Linux 5.19).
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER} {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		if errno == 0 {
			return int(fd), nil
		}
		if errno != unix.EINVAL {
			return -1, errno
		}
	}
	return -1, unix.EINVAL
}

// A Call is a system call that is about to be made.
type Call struct {
	Kind *Kind
	// Place is where in the program's own code it is made: the functions, the innermost first. It is "" if the runtime
	// makes it for itself.
	Place string
	args  [6]uint64
	tid   int
	own   bool // by the program's process, not by one that it made
}

// Verdict is what becomes of a Call: it is made (the zero value), fails, or does less than it was asked to.
type Verdict struct {
	Errno unix.Errno
	Short bool
}

// Trap decides over the system calls of one process, and of those that it makes until they become other programs.
type Trap struct {
	Cmd      *exec.Cmd
	listener int
	code     *code
	decide   func(*Call) Verdict
	kinds    map[int32]*Kind
	threads  map[int]bool // by number: of the program; others are of processes that it made
	others   map[int]bool // processes that became other programs
	ended    chan struct{}
}

// Start starts a program that was made by Go. Decide is asked about its calls of the given names, one after the other; if
// there are no names, about those of all Kinds.
func Start(cmd *exec.Cmd, decide func(*Call) Verdict, names ...string) (*Trap, error) {
	if len(names) == 0 {
		for _, k := range Kinds {
			names = append(names, k.Name)
		}
	}
	code, err := codeOf(cmd.Path)
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd.Args = append([]string{"fault"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = "/proc/self/exe"
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, asTrapped+"="+strings.Join(names, " "))
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		unix.Close(pair[0])
		return nil, err
	}
	t := &Trap{Cmd: cmd, code: code, decide: decide, kinds: map[int32]*Kind{}, threads: map[int]bool{}, others: map[int]bool{}, ended: make(chan struct{})}
	for i := range Kinds {
		t.kinds[int32(Kinds[i].Number)] = &Kinds[i]
	}
	t.listener, err = receiveListener(pair[0])
	unix.Close(pair[0])
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	go t.serve()
	return t, nil
}

func receiveListener(socket int) (int, error) {
	var data [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data[:], oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("receive the listener: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("the program was not started: it sent no listener")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// Wait waits until the program has ended.
func (t *Trap) Wait() error {
	err := t.Cmd.Wait()
	<-t.ended
	return err
}

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// serve answers for every call until all who have the filter are gone.
func (t *Trap) serve() {
	defer close(t.ended)
	defer unix.Close(t.listener)
	for {
		fds := []unix.PollFd{{Fd: int32(t.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			if fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
				return
			}
			continue
		}
		var n notification
		if err := ioctl(t.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			continue // whoever made the call was killed meanwhile
		}
		r := t.answer(&n)
		r.id = n.id
		_ = ioctl(t.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	}
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

func (t *Trap) answer(n *notification) response {
	made := response{flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	kind := t.kinds[n.number]
	if kind == nil || t.others[int(n.pid)] || n.number == unix.SYS_EPOLL_CTL && n.args[1] != unix.EPOLL_CTL_ADD {
		return made // to change or end the watching of a descriptor, the kernel needs nothing
	}
	c := &Call{Kind: kind, args: n.args, tid: int(n.pid), own: t.isThread(int(n.pid))}
	if c.own {
		c.Place = t.code.place(c.tid)
	} else {
		c.Place = "the new process"
	}
	v := Verdict{}
	if c.Place != "" {
		v = t.decide(c)
	}
	if !c.own && kind.Name == "execve" && v.Errno == 0 {
		t.others[c.tid] = true
	}
	switch {
	case v.Errno != 0:
		return response{errno: -int32(v.Errno)}
	case v.Short:
		if done, ok := t.short(c); ok {
			return response{value: done}
		}
	}
	return made
}

// isThread reports whether that is a thread of the program's process.
func (t *Trap) isThread(tid int) bool {
	if !t.threads[tid] {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", t.Cmd.Process.Pid, tid))
		t.threads[tid] = err == nil
	}
	return t.threads[tid]
}

// CanShorten reports whether the call reads or writes more than a byte of what has no records: a file, pipe or terminal.
func (c *Call) CanShorten() bool {
	if !c.Kind.Short || !c.own || c.args[2] < 2 {
		return false
	}
	kind := c.fileType()
	return kind == unix.S_IFREG || kind == unix.S_IFIFO
}

// CanFail reports whether the kernel may return that error. What is in a regular file, of /proc too, is there: nobody is
// asked to come again. Some drivers do so for their attributes, which therefore are read without package os: it would
// wait for ever for the word that there is something now (sources.TestAttributesDoNotWait).
func (c *Call) CanFail(errno unix.Errno) bool {
	moves := c.Kind.Short // the calls whose first argument is a descriptor that they read or write
	return errno != unix.EAGAIN || !moves || c.fileType() != unix.S_IFREG
}

// fileType returns the S_IFMT bits of the descriptor that is the first argument, 0 if there is no such.
func (c *Call) fileType() uint32 {
	var st unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d/fd/%d", c.tid, c.args[0]), &st) != nil {
		return 0
	}
	return st.Mode & unix.S_IFMT
}

// short does what the call asks for, but less of it.
func (t *Trap) short(c *Call) (done int64, ok bool) {
	pid := t.Cmd.Process.Pid
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, int(c.args[0]), 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	buf := make([]byte, min(c.args[2]/2, 1<<16))
	local := []unix.Iovec{{Base: &buf[0]}}
	remote := []unix.RemoteIovec{{Base: uintptr(c.args[1])}}
	span := func(n int) { local[0].SetLen(n); remote[0].Len = n }
	var n int
	switch c.Kind.Name {
	case "read":
		buf = buf[:1]
		n, err = unix.Read(fd, buf)
	case "pread64":
		buf = buf[:1]
		n, err = unix.Pread(fd, buf, int64(c.args[3]))
	default:
		span(len(buf))
		if _, err := unix.ProcessVMReadv(c.tid, local, remote, 0); err != nil {
			return 0, false
		}
		if c.Kind.Name == "write" {
			n, err = unix.Write(fd, buf)
		} else {
			n, err = unix.Pwrite(fd, buf, int64(c.args[3]))
		}
		return int64(n), err == nil
	}
	if err != nil {
		return 0, false
	}
	if n > 0 {
		span(n)
		if _, err := unix.ProcessVMWritev(c.tid, local, remote, 0); err != nil {
			return 0, false
		}
	}
	return int64(n), true
}

// String names the call and its place.
func (c *Call) String() string {
	return c.Kind.Name + " in " + strings.ReplaceAll(c.Place, "\n", " < ")
}
