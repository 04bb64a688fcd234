// SPDX-License-Identifier: MIT

// Garbage: what reading a configuration leaves behind.

package agent

import (
	"encoding/binary"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const (
	// startPercent lets a start make 16 MiB of garbage (4 MiB × startPercent ÷ 100)
	// before it is collected, which on one processor takes as long as the start
	// of a large configuration itself.
	startPercent = 400
	// worthIt is how many bytes the process must have before its garbage is
	// collected: the first collections take almost a megabyte for themselves, for ever, and
	// after the first one the runtime collects every two minutes.
	worthIt = 4 << 20
	// tidyAfter is when the first look at the devices is over, too.
	tidyAfter = time.Second
)

// PutOffGarbage makes the start of the agent less often interrupted by the
// garbage collector. It returns what Options.GCPercent is to be.
func PutOffGarbage() (usual int) { return debug.SetGCPercent(startPercent) }

// tidy gives back to the kernel what reading the configuration took, when
// nobody waits for that: what the agent needs from day to day is a fraction.
func (a *Agent) tidy() {
	if a.opts.simulated {
		return
	}
	percent := a.opts.GCPercent
	a.loop.After(tidyAfter, func() { a.loop.Beside(func() { giveBack(percent) }, sources.Nothing) })
}

// giveBack has the collector work as usual from now on, collects garbage, if there is more of it than collecting it would
// take for ever, and lets go of the pages of the program.
func giveBack(percent int) {
	if percent != 0 {
		debug.SetGCPercent(percent)
	}
	if anonymous() > worthIt {
		debug.FreeOSMemory()
	}
	unmap()
}

// anonymous returns how much memory the process has that no file backs, in
// bytes. The kernel is asked, since to ask the runtime takes half a megabyte:
// all its caches are emptied for it.
func anonymous() (bytes int) {
	text, _ := os.ReadFile("/proc/self/smaps_rollup")
	_, after, _ := strings.Cut(string(text), "\nAnonymous:")
	number, _, _ := strings.Cut(strings.TrimLeft(after, " "), " ")
	bytes, _ = strconv.Atoi(number)
	return bytes << 10
}

// unmap takes the program's code and constants, nearly all of which a start
// looks at, out of the process. They stay in the page cache as long as the kernel sees fit,
// and what is used comes back, 64 KiB at a time: as it is in the file. Of a program that
// can be loaded anywhere the loader has changed some, and all stay.
func unmap() {
	text, err := os.ReadFile("/proc/self/maps")
	program, err2 := os.Readlink("/proc/self/exe")
	if err != nil || err2 != nil || !isFixed("/proc/self/exe") {
		return // without /proc nobody counts
	}
	for line := range strings.Lines(string(text)) {
		span, access, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(access, "r-") || !strings.HasSuffix(line, " "+program+"\n") {
			continue
		}
		low, high, _ := strings.Cut(span, "-")
		from, err := strconv.ParseUint(low, 16, strconv.IntSize)
		to, err2 := strconv.ParseUint(high, 16, strconv.IntSize)
		if err == nil && err2 == nil {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(from), uintptr(to-from), unix.MADV_DONTNEED)
		}
	}
}

// isFixed reports whether a program is loaded at the addresses that it was linked for
// (ET_EXEC in e_type of its ELF header).
func isFixed(program string) bool {
	const at, exec = 16, 2
	var header [at + 2]byte
	f, err := os.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = io.ReadFull(f, header[:])
	return err == nil && binary.NativeEndian.Uint16(header[at:]) == exec
}
