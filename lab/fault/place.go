// SPDX-License-Identifier: MIT

//go:build amd64 || arm64

// Where a call is made: whose the return addresses on the stack of a thread are, by the tables that the Go linker puts
// into each program.

package fault

import (
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// code is what the tables of a program say.
type code struct {
	table *gosym.Table
	text  uint64
	raw   []byte // .gopclntab
	mu    sync.Mutex
	known map[uint64]frame
}

// frame is what is known of an instruction.
type frame struct {
	function *gosym.Func // nil if it is none of the program's
	line     int
}

// codes has what was read, by the program's path: traps of the same program share it.
var codes struct {
	sync.Mutex
	known map[string]*code
}

// codeOf returns what the tables of a program say, which must not change.
func codeOf(path string) (*code, error) {
	codes.Lock()
	defer codes.Unlock()
	if c := codes.known[path]; c != nil {
		return c, nil
	}
	c, err := readCode(path)
	if err != nil {
		return nil, err
	}
	if codes.known == nil {
		codes.known = map[string]*code{}
	}
	codes.known[path] = c
	return c, nil
}

func readCode(path string) (*code, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section, text := f.Section(".gopclntab"), f.Section(".text")
	if section == nil || text == nil {
		return nil, fmt.Errorf("%s: no program made by Go", path)
	}
	raw, err := section.Data()
	if err != nil {
		return nil, err
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(raw, text.Addr))
	if err != nil {
		return nil, err
	}
	const magic = 0xfffffff1 // of Go 1.20 and later
	if binary.LittleEndian.Uint32(raw) != magic {
		return nil, fmt.Errorf("%s: tables of an unknown version of Go", path)
	}
	return &code{table: table, text: text.Addr, raw: raw, known: map[uint64]frame{}}, nil
}

// at returns what is known of the instruction at pc.
func (c *code) at(pc uint64) frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.known[pc]
	if ok {
		return f
	}
	_, f.line, f.function = c.table.PCToLine(pc)
	c.known[pc] = f
	return f
}

// wrappers are what lies between the kernel and whoever makes a call.
var wrappers = []string{"syscall.", "internal/runtime/syscall", "golang.org/x/sys/", "internal/syscall/", "internal/poll.", "os.", "runtime/internal/syscall"}

// helpers make calls for many callers, who are what counts.
var helpers = []string{
	"github.com/", "reflexd/sources.Read", "reflexd/sources.Write", "reflexd/sources.open", "reflexd/sources.ignoringEINTR",
	"reflexd/sources/gpio.init.", "reflexd/sources/input.ioctl", "reflexd/sources/input.bitsOf", "reflexd/sources/input.textOf",
	"reflexd/regular.", "reflexd/agent/mount.read", "reflexd/agent/mount.(*facts).",
}

// place returns where in the program's own packages the thread that is stopped in a system call makes it, and from where
// that was called. It returns "" if the runtime makes it.
func (c *code) place(tid int) string {
	const most, own = 64, 3
	var names []string
	depth, callers := 0, 0
	for pc := range c.callers(tid) {
		f := c.at(pc)
		if depth++; f.function == nil || depth > most {
			break
		}
		name := f.function.Name
		switch {
		case strings.HasPrefix(name, "reflexd/") || strings.HasPrefix(name, "main.") || strings.HasPrefix(name, "github.com/"):
			names = append(names, fmt.Sprintf("%s:%d", strings.TrimPrefix(name, "reflexd/"), f.line))
			if !hasPrefix(name, helpers) {
				callers++
			}
		case len(names) == 0 && !hasPrefix(name, wrappers) && strings.HasPrefix(name, "runtime."):
			return ""
		}
		if callers == own {
			break
		}
	}
	return strings.Join(names, "\n")
}

func hasPrefix(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// registers returns the program counter and the stack pointer of a thread that is in a system call: proc_pid_syscall(5).
func registers(tid int) (pc, sp uint64, err error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/syscall", tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	var text [256]byte
	for range 1000 {
		n, err := unix.Pread(fd, text[:], 0)
		if err != nil {
			return 0, 0, err
		}
		fields := strings.Fields(string(text[:n]))
		if len(fields) < 9 {
			continue // it is on its way
		}
		sp, _ = strconv.ParseUint(fields[len(fields)-2], 0, 64)
		pc, _ = strconv.ParseUint(fields[len(fields)-1], 0, 64)
		return pc, sp, nil
	}
	return 0, 0, unix.EAGAIN
}

// A stack is the part of a thread's memory above its stack pointer, of which no more is read than is asked for.
type stack struct {
	tid  int
	base uint64
	read []byte
}

// word returns the word at base+offset, 0 if there is none.
func (s *stack) word(offset uint64) uint64 {
	const word, most = 8, 16 << 10
	for offset+word > uint64(len(s.read)) {
		if len(s.read) >= most || !s.more() {
			return 0
		}
	}
	return binary.LittleEndian.Uint64(s.read[offset:])
}

// more reads on, to the end of the page at most: the next one may not be there.
func (s *stack) more() bool {
	const page, part = 4096, 1024
	at := s.base + uint64(len(s.read))
	buf := make([]byte, min(part, page-int(at%page)))
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	n, err := unix.ProcessVMReadv(s.tid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buf)}}, 0)
	if err != nil {
		return false
	}
	s.read = append(s.read, buf[:n]...)
	return n > 0
}
