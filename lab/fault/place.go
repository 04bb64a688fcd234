// SPDX-License-Identifier: MIT

//go:build amd64

// Where a call is made: the stack of a thread, unwound by the tables that the Go linker puts into each program.

package fault

import (
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// code is what the tables of a program say: its functions, and how far each has the stack grown at each instruction
// (runtime/symtab.go, pcvalue).
type code struct {
	table  *gosym.Table
	text   uint64
	raw    []byte // .gopclntab
	pctab  uint64 // offsets in raw
	funcs  uint64
	quanta uint64 // the least length of an instruction
	mu     sync.Mutex
	known  map[uint64]frame
}

// frame is what is known of an instruction.
type frame struct {
	grown uint64 // the stack, since the call of its function
	name  string // of the function
	line  int
	ok    bool
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
	const magic, header = 0xfffffff1, 8 // of Go 1.20 and later
	if binary.LittleEndian.Uint32(raw) != magic {
		return nil, fmt.Errorf("%s: tables of an unknown version of Go", path)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(raw[header+8*i:]) }
	const pctab, functab = 6, 7
	return &code{table: table, text: text.Addr, raw: raw, pctab: word(pctab), funcs: word(functab), quanta: uint64(raw[6]), known: map[uint64]frame{}}, nil
}

// at returns what is known of the instruction at pc.
func (c *code) at(pc uint64) frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.known[pc]
	if ok {
		return f
	}
	_, line, fn := c.table.PCToLine(pc)
	if fn != nil {
		f.name, f.line = fn.Name, line
		f.grown, f.ok = c.grown(fn, pc)
	}
	c.known[pc] = f
	return f
}

// grown looks the stack's growth up in the table of the function.
func (c *code) grown(fn *gosym.Func, pc uint64) (uint64, bool) {
	lo, hi := uint32(0), binary.LittleEndian.Uint32(c.raw[8:])
	entry := uint32(fn.Entry - c.text)
	at := func(i uint32) (start, offset uint32) {
		b := c.raw[c.funcs+uint64(i)*8:]
		return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	}
	for lo+1 < hi {
		if mid := (lo + hi) / 2; func() bool { s, _ := at(mid); return s <= entry }() {
			lo = mid
		} else {
			hi = mid
		}
	}
	_, offset := at(lo)
	const pcsp = 16 // in struct _func
	p := c.raw[c.pctab+uint64(binary.LittleEndian.Uint32(c.raw[c.funcs+uint64(offset)+pcsp:])):]
	value, at2 := int64(-1), fn.Entry
	for first := true; ; first = false {
		delta, n := binary.Uvarint(p)
		if n <= 0 || delta == 0 && !first {
			return 0, false
		}
		p = p[n:]
		value += int64(delta>>1) ^ -int64(delta&1)
		step, n := binary.Uvarint(p)
		if n <= 0 {
			return 0, false
		}
		p = p[n:]
		if at2 += step * c.quanta; pc < at2 {
			return uint64(value), value >= 0
		}
	}
}

// wrappers are what lies between the kernel and whoever makes a call.
var wrappers = []string{"syscall.", "internal/runtime/syscall", "golang.org/x/sys/", "internal/syscall/", "internal/poll.", "os.", "runtime/internal/syscall"}

// place returns where in the program's own packages the thread that is stopped in a system call makes it, and from where
// that was called. It returns "" if the runtime makes it.
func (c *code) place(tid int) string {
	pc, sp, err := registers(tid)
	if err != nil {
		return ""
	}
	const most, own = 64, 3
	var names []string
	stack := stackOf(tid, sp)
	up := uint64(0)
	for range most {
		f := c.at(pc)
		if !f.ok {
			break
		}
		switch {
		case strings.HasPrefix(f.name, "reflexd/") || strings.HasPrefix(f.name, "main.") || strings.HasPrefix(f.name, "github.com/"):
			names = append(names, fmt.Sprintf("%s:%d", strings.TrimPrefix(f.name, "reflexd/"), f.line))
		case len(names) == 0 && !isWrapper(f.name) && strings.HasPrefix(f.name, "runtime."):
			return ""
		}
		if len(names) == own {
			break
		}
		up += f.grown
		if up+8 > uint64(len(stack)) {
			break
		}
		pc = binary.LittleEndian.Uint64(stack[up:]) - 1 // the call before it
		up += 8
	}
	return strings.Join(names, "\n")
}

func isWrapper(name string) bool {
	for _, w := range wrappers {
		if strings.HasPrefix(name, w) {
			return true
		}
	}
	return false
}

// registers returns the program counter and the stack pointer of a thread that is in a system call: proc_pid_syscall(5).
func registers(tid int) (pc, sp uint64, err error) {
	for range 1000 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", tid))
		if err != nil {
			return 0, 0, err
		}
		fields := strings.Fields(string(text))
		if len(fields) < 9 {
			continue // it is on its way
		}
		sp, _ = strconv.ParseUint(fields[len(fields)-2], 0, 64)
		pc, _ = strconv.ParseUint(fields[len(fields)-1], 0, 64)
		return pc, sp, nil
	}
	return 0, 0, unix.EAGAIN
}

// stackOf returns the part of the thread's stack above sp.
func stackOf(tid int, sp uint64) []byte {
	const page, most = 4096, 16 << 10
	buf := make([]byte, 0, most)
	for len(buf) < most { // page by page: the next one may not be there
		at := sp + uint64(len(buf))
		n := page - int(at%page)
		part := make([]byte, n)
		local := []unix.Iovec{{Base: &part[0]}}
		local[0].SetLen(n)
		got, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: n}}, 0)
		if err != nil {
			break
		}
		buf = append(buf, part[:got]...)
	}
	return buf
}
