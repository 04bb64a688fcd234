// SPDX-License-Identifier: MIT

// Tests of the assembly: it makes the calls in order, writes down what they
// returned, and jumps where it must. With plain fork flags they run under
// qemu-user too, which knows no other.

package spawn

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestCallsAreMadeInOrder(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	text := []byte("abcd")
	table := newTable(8)
	write := func(i int) []uintptr {
		return []uintptr{uintptr(p[1]), table.at(unsafe.Pointer(&text[i])), 1}
	}
	table.try(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	table.try(unix.SYS_WRITE, write(0)...)
	table.try(unix.SYS_CLOSE, ^uintptr(0))
	table.must("", unix.SYS_WRITE, write(1)...)
	table.must("chdir", unix.SYS_CHDIR, uintptr(unsafe.Pointer(&zeros)))
	table.try(unix.SYS_WRITE, write(2)...) // jumped over
	table.try(unix.SYS_EXIT_GROUP, 3)
	table.finish()
	pid, err := table.run()
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(p[1])
	got, n := make([]byte, 8), 0
	for range 3 {
		m, _ := unix.Read(p[0], got[n:])
		n += max(0, m)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	if string(got[:n]) != "ab" || status.ExitStatus() != 127 {
		t.Errorf("wrote %q, exited with %d", got[:n], status.ExitStatus())
	}
}

// In our own memory the results come back.
func TestCallsReturnResults(t *testing.T) {
	table := newTable(8)
	table.addClone()
	table.try(unix.SYS_GETPID)
	table.try(unix.SYS_CLOSE, ^uintptr(0))
	table.must("chdir", unix.SYS_CHDIR, uintptr(unsafe.Pointer(&zeros)))
	table.try(unix.SYS_GETPID) // jumped over
	table.finish()
	pid, err := table.run()
	if err == unix.EINVAL {
		t.Skip("no such clone: qemu-user?")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(int(table.pidfd))
	info, err := waitid(int(table.pidfd), 0)
	if err != nil || info.code != cldExited || info.status != 127 || int(info.pid) != pid {
		t.Errorf("ended with %+v, %v", info, err)
	}
	if got := int(table.calls[1].result); got != pid {
		t.Errorf("getpid said %d to %d", got, pid)
	}
	if e := errno(table.calls[2].result); e != unix.EBADF {
		t.Errorf("close: %v", e)
	}
	if e := errno(table.calls[3].result); e != unix.ENOENT {
		t.Errorf("chdir: %v", e)
	}
	if table.calls[4].result != 0 {
		t.Error("a call was not jumped over")
	}
}

func TestSizes(t *testing.T) {
	word := unsafe.Sizeof(uintptr(0))
	var c call
	if unsafe.Sizeof(c) != 8*word || unsafe.Offsetof(c.onError) != 6*word || unsafe.Offsetof(c.result) != 7*word {
		t.Error("layout of a call is not what the assembly expects")
	}
	var info childInfo
	if unsafe.Sizeof(info) < unsafe.Sizeof(unix.Siginfo{}) {
		t.Error("the kernel's siginfo_t is larger")
	}
}
