// SPDX-License-Identifier: MIT

// The calls that set user and groups, where they have only one name.

//go:build !(386 || arm)

package spawn

import "golang.org/x/sys/unix"

const (
	sysSetgroups = unix.SYS_SETGROUPS
	sysSetgid    = unix.SYS_SETGID
	sysSetuid    = unix.SYS_SETUID
)
