// SPDX-License-Identifier: MIT

// The other end: what the verbs use.

package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultPath is where the agent of this user has its socket: /run/reflexd.sock
// for root, else in XDG_RUNTIME_DIR, else below /tmp.
func DefaultPath() string {
	if os.Geteuid() == 0 {
		return "/run/reflexd.sock"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "reflexd.sock")
	}
	return fmt.Sprintf("/tmp/reflexd-%d.sock", os.Geteuid())
}

// Call sends r to the agent at path and stores its result in result, a
// pointer, or nil. It fails if no agent runs there, or if it answers with an
// error, or not within patience.
func Call(path string, r Request, result any, patience time.Duration) error {
	fd, err := connect(path, patience)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	packet, err := json.Marshal(r)
	if err == nil {
		err = uninterrupted(func() error { return unix.Sendto(fd, packet, unix.MSG_NOSIGNAL, nil) })
	}
	if err != nil && err != unix.EPIPE { // rejected: the answer says why
		return fmt.Errorf("ask the agent at %s: %w", path, err)
	}
	buf := make([]byte, maxAnswer)
	var n int
	err = uninterrupted(func() error {
		n, err = unix.Read(fd, buf)
		return err
	})
	switch {
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("the agent at %s does not answer", path)
	case err != nil:
		return fmt.Errorf("read the answer of the agent at %s: %w", path, err)
	case n == 0:
		return fmt.Errorf("the agent at %s closed the connection; only root and its own user have permission", path)
	}
	var a Answer
	if err := json.Unmarshal(buf[:n], &a); err != nil {
		return fmt.Errorf("decode the answer of the agent at %s: %w", path, err)
	}
	switch {
	case a.Wrong:
		return fmt.Errorf("%w%s", ErrConfiguration, strings.TrimPrefix(a.Error, ErrConfiguration.Error()))
	case a.Error != "":
		return errors.New(a.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(a.Result, result)
}

// uninterrupted makes a call again that a signal interrupted: the runtime
// sends its own threads some, and the kernel does not restart calls on a
// socket with a timeout (signal(7)).
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func connect(path string, patience time.Duration) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("create socket: %w", err)
	}
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	connecting := unix.NsecToTimeval(min(patience, longestConnect).Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &connecting)
	}
	if err == nil {
		err = uninterrupted(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) })
	}
	if err == nil {
		err = checkServer(fd)
	}
	if err == nil {
		return fd, nil
	}
	unix.Close(fd)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return -1, fmt.Errorf("no agent is running (nothing listens on %s)", path)
	case errors.Is(err, unix.EAGAIN):
		return -1, fmt.Errorf("the agent at %s does not answer: too many other clients are waiting", path)
	}
	return -1, fmt.Errorf("connect to the agent at %s: %w", path, err)
}

// longestConnect is how long a client waits in line for the agent to take it.
const longestConnect = 10 * time.Second

// ownFolder is the folder in which an agent of another user than root has its
// socket, if root made it for it (RuntimeDirectory= of systemd.exec(5)).
const ownFolder = "/run/reflexd"

// checkServer returns an error unless the process that listens behind the
// connected socket is one to believe: root's, our own user's, or the one's for
// whom root made ownFolder. Anybody may listen at a name in /tmp.
func checkServer(fd int) error {
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
