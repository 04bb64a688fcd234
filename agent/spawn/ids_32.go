// SPDX-License-Identifier: MIT

// The calls that set user and groups, where those of the plain names take 16
// bits.

//go:build 386 || arm

package spawn

import "golang.org/x/sys/unix"

const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetgid    = unix.SYS_SETGID32
	sysSetuid    = unix.SYS_SETUID32
)
