// SPDX-License-Identifier: MIT

// What a guest does that goes on from a saved state: it takes what it cannot have from there.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"reflexd/lab/wire"
)

// resume sets the clock and stirs the kernel's random numbers. A board without a real-time clock keeps the time that it
// would have after a boot.
func resume(r *wire.Resume) error {
	if _, err := os.Stat("/sys/class/rtc/rtc0"); err == nil {
		now := unix.NsecToTimeval(r.Now.UnixNano())
		if err := unix.Settimeofday(&now); err != nil {
			return fmt.Errorf("set the clock: %w", err)
		}
	}
	random, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer random.Close()
	_, err = random.Write(r.Seed)
	again := unix.IoctlSetInt(int(random.Fd()), unix.RNDRESEEDCRNG, 0)
	if errors.Is(again, unix.ENODATA) { // before it was seeded for the first time
		again = nil
	}
	return errors.Join(err, again)
}

// unpack has BusyBox unpack archives from memory, over what is there.
func (p *processes) unpack(ctx context.Context, u *wire.Unpack) error {
	window, err := mapMemory(u)
	if err != nil {
		return fmt.Errorf("map the memory at %#x: %w", u.At, err)
	}
	defer unix.Munmap(window)
	rest := window
	for _, size := range u.Sizes {
		run := &wire.Run{Args: []string{"/bin/busybox", "cpio", "-idu"}, Dir: "/", Stdin: rest[:size]}
		exit, err := p.run(ctx, run)
		if err != nil {
			return err
		}
		if exit.Code != 0 {
			return fmt.Errorf("unpack an archive: %s", exit.Stderr)
		}
		rest = rest[size:]
	}
	return nil
}

// mapMemory maps the archives.
func mapMemory(u *wire.Unpack) ([]byte, error) {
	total := 0
	for _, size := range u.Sizes {
		total += size
	}
	memory, err := os.Open("/dev/mem")
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	return unix.Mmap(int(memory.Fd()), u.At, total, unix.PROT_READ, unix.MAP_SHARED)
}
