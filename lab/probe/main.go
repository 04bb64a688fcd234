// SPDX-License-Identifier: MIT

// Probe is a small program that the lab's own tests run on a board, to see its devices as any program would:
//
//	probe hello                  says for which architecture it was built
//	probe follow CHIP IN OUT     prints the edges of line IN, and sets line OUT to its level
//	probe keys DEVICE            prints what a key of an input device does
//	probe forge UID KEY=VALUE…   announces a device as udevd does, as the user UID
//	probe address MAC IPV4       gives the network card with that hardware address the address, and raises it
//	probe interrupt PID          sends SIGURG to all threads of a process, a hundred times a second, until it ends
//	probe watch FILE             prints when a short file changes, in microseconds of CLOCK_MONOTONIC, and what to
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "probe: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "hello":
		fmt.Fprintf(out, "hello from %s\n", runtime.GOARCH)
		return nil
	case len(args) == 4 && args[0] == "follow":
		return follow(args[1], args[2], args[3], out)
	case len(args) == 2 && args[0] == "keys":
		return keys(args[1], out)
	case len(args) == 2 && args[0] == "watch":
		return watch(args[1], out)
	case len(args) == 2 && args[0] == "interrupt":
		return interrupt(args[1])
	case len(args) == 3 && args[0] == "address":
		return address(args[1], args[2])
	case len(args) >= 3 && args[0] == "forge":
		return forge(args[1], args[2:])
	}
	return fmt.Errorf("usage: probe hello | follow CHIP IN OUT | keys DEVICE | interrupt PID | watch FILE | address MAC IPV4 | forge UID KEY=VALUE…")
}

// follow prints edges of one line and repeats them on another, for ever.
func follow(chip, in, out string, w io.Writer) error {
	input, err := requestLine(chip, in, flagInput|flagRising|flagFalling)
	if err != nil {
		return err
	}
	output, err := requestLine(chip, out, flagOutput)
	if err != nil {
		return err
	}
	high, err := getLine(input)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "line %s is %v\n", in, high)
	// Edges are waited for by the runtime's poller: up to Linux 6.1 a chip cannot go while someone sleeps in read(2).
	if err := unix.SetNonblock(input, true); err != nil {
		return err
	}
	edges := os.NewFile(uintptr(input), "line "+in)
	for {
		var event lineEvent
		if err := binary.Read(edges, binary.LittleEndian, &event); err != nil {
			return fmt.Errorf("read edge: %w", err)
		}
		high := event.ID == risingEdge
		if err := setLine(output, high); err != nil {
			return err
		}
		fmt.Fprintf(w, "edge %d: line %d is %v\n", event.Sequence, event.Offset, high)
	}
}

// keys prints the key events of an input device until it goes away.
func keys(device string, w io.Writer) error {
	f, err := os.Open(device)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "listening to %s\n", device)
	event := make([]byte, 2*unsafe.Sizeof(uintptr(0))+8)
	for {
		if _, err := io.ReadFull(f, event); err != nil {
			return fmt.Errorf("read %s: %w", device, err)
		}
		tail := event[len(event)-8:] // behind the time stamp, whose size depends on the architecture
		kind, code := binary.LittleEndian.Uint16(tail), binary.LittleEndian.Uint16(tail[2:])
		if kind == evKey {
			fmt.Fprintf(w, "key %d is %d\n", code, binary.LittleEndian.Uint32(tail[4:]))
		}
	}
}

// watch reads a file, such as one of sysfs, again and again, and prints each change, for ever.
func watch(path string, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	buf := make([]byte, 64)
	for last := ""; ; time.Sleep(pollEvery) {
		n, err := f.ReadAt(buf, 0)
		if err != nil && err != io.EOF {
			return err
		}
		text := strings.TrimSpace(string(buf[:n]))
		if text == last {
			continue
		}
		last = text
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			return err
		}
		fmt.Fprintf(w, "at %d: %s\n", now.Nano()/1000, text)
	}
}

// pollEvery is short beside all that is watched, and leaves the emulated CPU to others.
const pollEvery = 2 * time.Millisecond

const evKey = 1

// Of linux/gpio.h: flags of lines, requests and events.
const (
	flagInput   = 1 << 2
	flagOutput  = 1 << 3
	flagRising  = 1 << 4
	flagFalling = 1 << 5

	getLineIoctl   = 0xc250b407
	getValuesIoctl = 0xc010b40e
	setValuesIoctl = 0xc010b40f

	risingEdge = 1
)

type lineRequest struct {
	Offsets    [64]uint32
	Consumer   [32]byte
	Flags      uint64
	Attributes [264]byte // none
	Lines      uint32
	Buffer     uint32
	_          [5]uint32
	FD         int32
}

type lineValues struct{ Bits, Mask uint64 }

type lineEvent struct {
	Time             uint64
	ID, Offset       uint32
	Sequence, InLine uint32
	_                [6]uint32
}

// requestLine requests one line of a chip and returns its descriptor.
func requestLine(chip, offset string, flags uint64) (int, error) {
	f, err := os.Open(chip)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	line, err := strconv.ParseUint(offset, 10, 32)
	if err != nil {
		return 0, err
	}
	request := lineRequest{Flags: flags, Lines: 1}
	request.Offsets[0] = uint32(line)
	copy(request.Consumer[:], "probe")
	if err := ioctl(int(f.Fd()), getLineIoctl, unsafe.Pointer(&request)); err != nil {
		return 0, fmt.Errorf("request line %d of %s: %w", line, chip, err)
	}
	return int(request.FD), nil
}

func getLine(fd int) (bool, error) {
	values := lineValues{Mask: 1}
	err := ioctl(fd, getValuesIoctl, unsafe.Pointer(&values))
	return values.Bits&1 != 0, err
}

func setLine(fd int, high bool) error {
	values := lineValues{Mask: 1}
	if high {
		values.Bits = 1
	}
	return ioctl(fd, setValuesIoctl, unsafe.Pointer(&values))
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// address gives a network card an address, with the mask of its class (netdevice(7)).
func address(mac, ipv4 string) error {
	cards, err := net.Interfaces()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(cards, func(c net.Interface) bool { return c.HardwareAddr.String() == mac })
	if i < 0 {
		return fmt.Errorf("no network card has the address %s", mac)
	}
	request, err := unix.NewIfreq(cards[i].Name)
	if err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := request.SetInet4Addr(net.ParseIP(ipv4).To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCSIFADDR, request); err != nil {
		return fmt.Errorf("set the address of %s: %w", cards[i].Name, err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("raise %s: %w", cards[i].Name, err)
	}
	return nil
}

// interrupt sends the signal with which the Go runtime interrupts its threads.
func interrupt(pid string) error {
	process, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	for {
		threads, err := os.ReadDir("/proc/" + pid + "/task")
		if err != nil {
			return nil // it has ended
		}
		for _, t := range threads {
			if thread, err := strconv.Atoi(t.Name()); err == nil {
				_ = unix.Tgkill(process, thread, unix.SIGURG)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
