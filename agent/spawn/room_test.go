// SPDX-License-Identifier: MIT

package spawn

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRoom(t *testing.T) {
	if room := Room(20); room != 20 {
		t.Errorf("without limits: %d", room)
	}
	if len(children(t)) > 0 {
		t.Error("something is left")
	}
}

func TestRoomUnderALimit(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test gives root up and needs it")
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		t.Fatal(err)
	}
	const nproc = 5
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: nproc, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NPROC, &limit)
	rooms := make(chan int)
	go func() {
		runtime.LockOSThread()                // only this thread becomes somebody else; it is thrown away
		nobodyElse := 100_000 + unix.Gettid() // nor a test that runs at the same time
		_, _, _ = syscall.RawSyscall(sysSetuid, uintptr(nobodyElse), 0, 0)
		rooms <- Room(20)
	}()
	if room := <-rooms; room != nproc-1 {
		t.Errorf("room for %d beside the thread itself, where %d may be", room, nproc)
	}
}
