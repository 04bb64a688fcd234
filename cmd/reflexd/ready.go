// SPDX-License-Identifier: MIT

// Readiness for service managers other than systemd: a line feed on a descriptor
// that they pass, as s6 and dinit expect it.

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noDescriptor is the value of --ready-fd if it is not given.
const noDescriptor = -1

// checkReadyFD returns an error unless fd is a descriptor that whoever started
// us passed, and has programs not inherit it. A number that was not passed may
// be one that the Go runtime has in use, so only a pipe or socket is accepted.
func checkReadyFD(fd int) error {
	var stat unix.Stat_t
	switch err := unix.Fstat(fd, &stat); {
	case fd == noDescriptor:
		return nil
	case fd < 3:
		return fmt.Errorf("--ready-fd: expected a number from 3 (0 to 2 are input, output and the log), found %d", fd)
	case err != nil:
		return fmt.Errorf("--ready-fd %d: %w: the service manager passed no such descriptor", fd, err)
	}
	if kind := stat.Mode & unix.S_IFMT; kind != unix.S_IFIFO && kind != unix.S_IFSOCK {
		return fmt.Errorf("--ready-fd %d: it is no pipe: the service manager passed no such descriptor", fd)
	}
	unix.CloseOnExec(fd)
	return nil
}

// announceReady writes the line feed and closes the descriptor. It does not
// block, and runs on the loop's thread.
func announceReady(fd int) error {
	if fd == noDescriptor {
		return nil
	}
	defer unix.Close(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	_, err := unix.Write(fd, []byte{'\n'})
	return err
}
