// SPDX-License-Identifier: MIT

//go:build !386 && !arm

package agent

import "golang.org/x/sys/unix"

const (
	setgroups = unix.SYS_SETGROUPS
	setresgid = unix.SYS_SETRESGID
	setresuid = unix.SYS_SETRESUID
)
