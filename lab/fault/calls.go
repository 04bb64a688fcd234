// SPDX-License-Identifier: MIT

//go:build amd64 || arm64

// The system calls that can be made to fail, and how each of them may.

package fault

import "golang.org/x/sys/unix"

// A Kind is a system call that is trapped.
type Kind struct {
	Name   string
	Number int
	// Errors are those that the kernel may return whatever the caller does right.
	Errors []unix.Errno
	// Short says that it may do less than it was asked to.
	Short bool
}

var (
	interrupted = unix.EINTR
	// opening is what a call that makes a descriptor may fail with.
	opening = []unix.Errno{unix.EMFILE, unix.ENOMEM}
	memory  = []unix.Errno{unix.ENOMEM}
	moving  = []unix.Errno{interrupted, unix.EAGAIN, unix.ENOMEM, unix.EIO}
	naming  = []unix.Errno{unix.ENOSPC, unix.EIO, unix.ENOMEM}
	looking = []unix.Errno{unix.EIO, unix.ENOMEM}
)

// Kinds are all that are trapped. Those with which the Go runtime manages memory and threads are not among them: that
// they fail is the end of a Go program.
var Kinds = append(superseded, []Kind{
	{"read", unix.SYS_READ, append([]unix.Errno{unix.ENODEV}, moving...), true},
	{"pread64", unix.SYS_PREAD64, append([]unix.Errno{unix.ENODEV}, moving...), true},
	{"write", unix.SYS_WRITE, append([]unix.Errno{unix.ENODEV, unix.ENOSPC}, moving...), true},
	{"pwrite64", unix.SYS_PWRITE64, append([]unix.Errno{unix.ENOSPC}, moving...), true},
	{"openat", unix.SYS_OPENAT, append([]unix.Errno{interrupted, unix.ENODEV, unix.EIO, unix.ENOSPC}, opening...), false},
	{"openat2", unix.SYS_OPENAT2, append([]unix.Errno{interrupted, unix.EAGAIN, unix.EIO}, opening...), false},
	{"ioctl", unix.SYS_IOCTL, append([]unix.Errno{unix.ENODEV}, moving...), false},
	{"fcntl", unix.SYS_FCNTL, []unix.Errno{unix.EMFILE, unix.EIO}, false},
	{"epoll_create1", unix.SYS_EPOLL_CREATE1, opening, false},
	{"epoll_ctl", unix.SYS_EPOLL_CTL, []unix.Errno{unix.ENOSPC, unix.ENOMEM}, false},
	{"epoll_pwait", unix.SYS_EPOLL_PWAIT, []unix.Errno{interrupted}, false},
	{"eventfd2", unix.SYS_EVENTFD2, opening, false},
	{"signalfd4", unix.SYS_SIGNALFD4, append([]unix.Errno{unix.ENODEV}, opening...), false},
	{"inotify_init1", unix.SYS_INOTIFY_INIT1, opening, false},
	{"inotify_add_watch", unix.SYS_INOTIFY_ADD_WATCH, []unix.Errno{unix.ENOSPC, unix.ENOMEM}, false},
	{"pipe2", unix.SYS_PIPE2, opening, false},
	{"memfd_create", unix.SYS_MEMFD_CREATE, opening, false},
	{"ppoll", unix.SYS_PPOLL, []unix.Errno{interrupted, unix.ENOMEM}, false},
	{"socket", unix.SYS_SOCKET, opening, false},
	{"socketpair", unix.SYS_SOCKETPAIR, opening, false},
	{"bind", unix.SYS_BIND, []unix.Errno{unix.ENOMEM, unix.ENOSPC}, false},
	{"listen", unix.SYS_LISTEN, memory, false},
	{"connect", unix.SYS_CONNECT, []unix.Errno{interrupted, unix.EAGAIN, unix.ENOMEM}, false},
	{"accept4", unix.SYS_ACCEPT4, append([]unix.Errno{interrupted, unix.EAGAIN, unix.EIO}, opening...), false},
	{"sendto", unix.SYS_SENDTO, moving, false},
	{"sendmsg", unix.SYS_SENDMSG, moving, false},
	{"recvfrom", unix.SYS_RECVFROM, moving, false},
	{"recvmsg", unix.SYS_RECVMSG, append([]unix.Errno{unix.ENOBUFS}, moving...), false},
	{"setsockopt", unix.SYS_SETSOCKOPT, memory, false},
	{"getsockopt", unix.SYS_GETSOCKOPT, memory, false},
	{"getsockname", unix.SYS_GETSOCKNAME, memory, false},
	{"fstat", unix.SYS_FSTAT, looking, false},
	{"newfstatat", unix.SYS_NEWFSTATAT, looking, false},
	{"statx", unix.SYS_STATX, looking, false},
	{"statfs", unix.SYS_STATFS, looking, false},
	{"fstatfs", unix.SYS_FSTATFS, looking, false},
	{"faccessat", unix.SYS_FACCESSAT, looking, false},
	{"readlinkat", unix.SYS_READLINKAT, looking, false},
	{"getdents64", unix.SYS_GETDENTS64, looking, false},
	{"getxattr", unix.SYS_GETXATTR, looking, false},
	{"setxattr", unix.SYS_SETXATTR, naming, false},
	{"mkdirat", unix.SYS_MKDIRAT, naming, false},
	{"unlinkat", unix.SYS_UNLINKAT, looking, false},
	{"renameat", unix.SYS_RENAMEAT, naming, false},
	{"fchmod", unix.SYS_FCHMOD, looking, false},
	{"fchmodat", unix.SYS_FCHMODAT, looking, false},
	{"fchown", unix.SYS_FCHOWN, looking, false},
	{"fchownat", unix.SYS_FCHOWNAT, looking, false},
	{"ftruncate", unix.SYS_FTRUNCATE, []unix.Errno{interrupted, unix.EIO}, false},
	{"fsync", unix.SYS_FSYNC, []unix.Errno{interrupted, unix.EIO, unix.ENOSPC}, false},
	{"syncfs", unix.SYS_SYNCFS, []unix.Errno{unix.EIO, unix.ENOSPC}, false},
	{"flock", unix.SYS_FLOCK, []unix.Errno{interrupted, unix.ENOMEM}, false},
	{"mount", unix.SYS_MOUNT, []unix.Errno{interrupted, unix.ENOMEM, unix.EIO, unix.ENODEV}, false},
	{"umount2", unix.SYS_UMOUNT2, []unix.Errno{unix.EAGAIN, unix.ENOMEM, unix.EIO}, false},
	{"clone3", unix.SYS_CLONE3, []unix.Errno{unix.EAGAIN, unix.ENOMEM}, false},
	{"execve", unix.SYS_EXECVE, []unix.Errno{unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.EIO}, false},
	{"setsid", unix.SYS_SETSID, []unix.Errno{unix.EPERM}, false},
	{"dup3", unix.SYS_DUP3, []unix.Errno{interrupted, unix.EMFILE}, false},
	{"chdir", unix.SYS_CHDIR, looking, false},
	{"waitid", unix.SYS_WAITID, []unix.Errno{interrupted}, false},
	{"prlimit64", unix.SYS_PRLIMIT64, []unix.Errno{unix.EPERM}, false},
}...)
