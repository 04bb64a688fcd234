// SPDX-License-Identifier: MIT

// Which changes of names matter.

package inotify

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Names are the events that say that a name appeared in a folder, went away,
// or has other permissions.
const Names = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE

// NamesIn returns the part of Names that matters to those who open what is in dirs.
// Whom permissions do not stop wants to know nothing of them. In /dev that is worth
// something: as long as a folder is watched for IN_ATTRIB, each read of what is in it,
// by any program, has the kernel look for who wants to know (__fsnotify_parent in
// fs/notify/fsnotify.c).
func NamesIn(dirs ...string) uint32 {
	elsewhere := func(dir string) bool { return !strings.HasPrefix(dir+"/", "/dev/") }
	if slices.ContainsFunc(dirs, elsewhere) || !permitted() {
		return Names
	}
	return Names &^ unix.IN_ATTRIB
}

// permitted reports whether no permissions of a device node stop us: we have
// CAP_DAC_OVERRIDE, and no security module goes by labels, which are attributes too.
func permitted() bool {
	const dacOverride = 1 // linux/capability.h
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&header, &sets[0]) == nil && sets[0].Effective>>dacOverride&1 == 1 &&
		unix.Access("/sys/fs/selinux", unix.F_OK) != nil && unix.Access("/sys/fs/smackfs", unix.F_OK) != nil
}
