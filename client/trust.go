// SPDX-License-Identifier: MIT

// Where the agent's socket is, and which server to believe there.

package client

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// systemPath is where an agent that runs as root has its socket.
const systemPath = "/run/reflexd.sock"

// OwnPath is where an agent that this user runs has its socket:
// /run/reflexd.sock for root, else in XDG_RUNTIME_DIR, else below /tmp.
func OwnPath() string {
	if os.Geteuid() == 0 {
		return systemPath
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "reflexd.sock")
	}
	return fmt.Sprintf("/tmp/reflexd-%d.sock", os.Geteuid())
}

// DefaultPath is the socket of the agent that a client asks if nobody names
// another: OwnPath, or root's if only that is there.
func DefaultPath() string {
	own := OwnPath()
	if !exists(own) && exists(systemPath) {
		return systemPath
	}
	return own
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// ownFolder is the folder in which an agent of another user than root has its
// socket, if root made it for it (RuntimeDirectory= of systemd.exec(5)).
const ownFolder = "/run/reflexd"

// CheckServer returns an error unless the process that listens behind the
// connected socket fd is one to believe: root's, our own user's, or the one's
// for whom root made /run/reflexd. Anybody may listen at a name in /tmp.
func CheckServer(fd int) error {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return fmt.Errorf("identify the listener: %w", err)
	}
	if peer.Uid == 0 || int(peer.Uid) == os.Geteuid() || isOwner(ownFolder, peer.Uid) {
		return nil
	}
	return fmt.Errorf("process %d of user %d listens there, which is neither root nor you", peer.Pid, peer.Uid)
}

// isOwner reports whether the user owns the folder, and nobody but root could
// have made it.
func isOwner(folder string, uid uint32) bool {
	var st, above unix.Stat_t
	return unix.Lstat(folder, &st) == nil && unix.Lstat(filepath.Dir(folder), &above) == nil &&
		st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Uid == uid && above.Uid == 0 && above.Mode&0o022 == 0
}
