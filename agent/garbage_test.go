// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// residentProgram returns how many KiB of the program's own code and constants are in
// memory, as the kernel shows it.
func residentProgram(t *testing.T) (sum int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	program, counts := "", false
	if program, err = os.Readlink("/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if fields := strings.Fields(line); strings.Contains(fields[0], "-") && len(fields) > 1 && len(fields[1]) == 4 {
			counts = fields[1][1] == '-' && fields[len(fields)-1] == program
		} else if c, _ := fmt.Sscanf(line, "Rss: %d", &n); c == 1 && counts {
			sum += n
		}
	}
	return sum
}

func TestUnmapLetsGoOfTheProgram(t *testing.T) {
	before := residentProgram(t)
	unmap()
	if after := residentProgram(t); before == 0 || after > before*3/4 {
		t.Errorf("%d KiB of the program are in memory, %d before", after, before)
	}
}

func TestAnonymousMemory(t *testing.T) {
	const size = 32 << 20
	before := anonymous()
	junk, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE) // not a heap's, which may have room
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(junk)
	for i := 0; i < size; i += 4096 {
		junk[i] = 1
	}
	if more := anonymous() - before; more < size/2 || more > 2*size {
		t.Errorf("%d bytes more, want %d", more, size)
	}
}

// After a start that left much garbage, the heap is what is in use.
func TestGiveBackReturnsGarbage(t *testing.T) {
	usual := PutOffGarbage()
	defer debug.SetGCPercent(usual)
	const size = 64 << 20
	junk := make([][]byte, 0, 640)
	for range cap(junk) {
		junk = append(junk, make([]byte, size/cap(junk)))
	}
	runtime.KeepAlive(junk)
	junk = nil
	giveBack(usual)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if kept := m.HeapIdle - m.HeapReleased; m.HeapAlloc > size/4 || kept > size/4 { // what other tests use is less
		t.Errorf("%d bytes in use, %d more kept", m.HeapAlloc, kept)
	}
	if got := debug.SetGCPercent(usual); got != usual {
		t.Errorf("collection at %d %%, want %d", got, usual)
	}
}
