// SPDX-License-Identifier: MIT

package fault

import "golang.org/x/sys/unix"

// superseded are calls that newer architectures do not have.
var superseded = []Kind{
	{"open", unix.SYS_OPEN, append([]unix.Errno{interrupted, unix.ENODEV, unix.EIO, unix.ENOSPC}, opening...), false},
	{"epoll_wait", unix.SYS_EPOLL_WAIT, []unix.Errno{interrupted}, false},
	{"poll", unix.SYS_POLL, []unix.Errno{interrupted, unix.ENOMEM}, false},
	{"stat", unix.SYS_STAT, looking, false},
	{"lstat", unix.SYS_LSTAT, looking, false},
	{"mkdir", unix.SYS_MKDIR, naming, false},
	{"rmdir", unix.SYS_RMDIR, looking, false},
	{"rename", unix.SYS_RENAME, naming, false},
	{"lchown", unix.SYS_LCHOWN, looking, false},
}
