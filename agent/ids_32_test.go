// SPDX-License-Identifier: MIT

//go:build 386 || arm

package agent

import "golang.org/x/sys/unix"

// The calls whose numbers are those of 32 bits.
const (
	setgroups = unix.SYS_SETGROUPS32
	setresgid = unix.SYS_SETRESGID32
	setresuid = unix.SYS_SETRESUID32
)
