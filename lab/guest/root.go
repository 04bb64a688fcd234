// SPDX-License-Identifier: MIT

// A system of the board's own: its root becomes /, and its init process 1.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/lab/wire"
)

// switchRoot returns only if it fails.
func switchRoot(device string) error {
	if err := leaveServer(); err != nil {
		return err
	}
	const root = "/newroot"
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for end := time.Now().Add(portPatience); ; time.Sleep(pollEvery) { // its driver may still be setting it up
		err := unix.Mount(device, root, "ext4", 0, "")
		if err == nil {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("mount %s: %w", device, err)
		}
	}
	for _, at := range []string{"/dev", "/proc", "/sys", "/run"} {
		if err := unix.Mount(at, root+at, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", at, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s: %w", root, err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	note("starting the init of %s", device)
	return unix.Exec("/sbin/init", []string{"/sbin/init"}, os.Environ())
}

// leaveServer puts this program and its setup where the system finds them.
func leaveServer() error {
	for from, to := range map[string]string{"/proc/self/exe": wire.ServerPath, wire.SetupPath: wire.ServerSetupPath} {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o755); err != nil {
			return err
		}
	}
	return nil
}
