// SPDX-License-Identifier: MIT

// The folders that things are mounted on: made by us where they are not
// there, reached through no link that others could have put there, and taken
// away again if they are ours and empty.

package mount

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/regular"
)

// mark is the extended attribute of folders that we made. The record in /run
// says the same but does not survive a power cut. Not every filesystem has
// such attributes: then an empty folder may be left over after one.
const mark = "trusted.reflexd"

// errTaken says that something else is in the place.
var errTaken = errors.New("the name is taken")

// folder is an open mount point.
type folder struct {
	point string // the absolute path, free of links
	fd    int    // O_PATH
	made  bool   // by us
}

func (f *folder) close() { unix.Close(f.fd) }

// openFolder opens the folder below a fixed one and makes what is missing,
// for root alone to write to.
func openFolder(root, below string) (*folder, error) {
	root, err := fixed(root)
	if err != nil {
		return nil, err
	}
	base, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	defer unix.Close(base)
	f := &folder{point: filepath.Join(root, below)}
	at := base
	parts := strings.Split(below, "/")
	for i := range parts {
		fd, made, err := enter(at, parts[i], i == len(parts)-1)
		if at != base {
			unix.Close(at)
		}
		if err != nil {
			removeFolder(root, path.Join(parts[:i]...), false)
			return nil, fmt.Errorf("create mount point %s: %w", f.point, err)
		}
		at, f.fd, f.made = fd, fd, made
	}
	return f, nil
}

// enter opens a folder in the folder at, and makes it if it is not there. The
// last one, which will be mounted on, must be empty.
func enter(at int, name string, last bool) (fd int, made bool, err error) {
	const perm = 0o755
	switch err := unix.Mkdirat(at, name, perm); err {
	case nil:
		made = true
	case unix.EEXIST:
	default:
		return -1, false, err
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err = unix.Openat2(at, name, &how)
	switch {
	case err == unix.EXDEV: // something is mounted there
		return -1, false, errTaken
	case err == unix.ENOTDIR, err == unix.ELOOP: // a file, or a link
		return -1, false, errTaken
	case err != nil:
		return -1, false, err
	case made:
		// Whatever the umask is: others may look into it.
		_ = unix.Chmod(procFd(fd), perm)
		_ = unix.Setxattr(procFd(fd), mark, []byte("1"), 0)
		return fd, true, nil
	case last && !isEmpty(fd):
		unix.Close(fd)
		return -1, false, errTaken
	}
	return fd, isMarked(procFd(fd)), nil
}

// procFd is the path by which calls reach an O_PATH descriptor that take none.
func procFd(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

func isEmpty(fd int) bool {
	entries, err := os.ReadDir(procFd(fd))
	return err == nil && len(entries) == 0
}

func isMarked(path string) bool {
	var value [1]byte
	n, err := unix.Getxattr(path, mark, value[:])
	return err == nil && n == 1
}

// fixed makes the fixed folder of a template where it is not there, and
// returns its real path. Every folder and link on the way must be root's, or
// ours, and none but with a sticky bit writable for others: else somebody
// could put something else there.
func fixed(root string) (string, error) {
	if err := trusted(root); err != nil {
		return "", err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("create folder for mounts: %w", err)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", fmt.Errorf("folder for mounts: %w", err)
	}
	return real, trusted(root)
}

func trusted(root string) error {
	if err := (regular.Trust{Users: []int{os.Geteuid()}}).Check(root); err != nil {
		return fmt.Errorf("folder for mounts: %w", err)
	}
	return nil
}

// removeFolder takes away the folder below a fixed one, and those above it
// that are empty then, as far as they are ours: made says that the lowest is,
// and our mark says it of all.
func removeFolder(root, below string, made bool) {
	for ; below != "." && below != ""; below = path.Dir(below) {
		p := filepath.Join(root, below)
		if !made && !isMarked(p) || unix.Rmdir(p) != nil {
			return
		}
		made = false
	}
}

// sweep takes away the folders of ours that nothing is mounted on, directly
// below a fixed one.
func sweep(root string) {
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		if e.IsDir() {
			removeFolder(root, e.Name(), false) // fails where something is mounted
		}
	}
}
