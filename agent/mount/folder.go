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

// errUndone says that an upper folder was removed while one was made in it.
var errUndone = errors.New("the folder above it was removed")

// folder is a mount point, as far as it is there.
type folder struct {
	root, below string   // root is free of links
	fd          int      // O_PATH, of the lowest folder that is there
	missing     []string // those below it
	made        int      // how many of the lowest we make
}

func (f *folder) point() string { return filepath.Join(f.root, f.below) }

func (f *folder) close() { unix.Close(f.fd) }

// openFolder opens the folder below a fixed one, as far as it is there. Nothing
// is made but the fixed one.
func openFolder(root, below string) (*folder, error) {
	root, err := fixed(root)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	f := &folder{root: root, below: below, fd: fd, missing: strings.Split(below, "/")}
	for err == nil && len(f.missing) > 0 {
		err = f.enter()
	}
	if err != nil && err != unix.ENOENT {
		f.close()
		return nil, fmt.Errorf("open mount point %s: %w", f.point(), err)
	}
	f.made = len(f.missing)
	return f, nil
}

// make makes what is missing, for root alone to write to. If it fails, some of
// it may be there.
func (f *folder) make() error {
	const perm = 0o755
	for len(f.missing) > 0 {
		err := unix.Mkdirat(f.fd, f.missing[0], perm)
		made := err == nil
		if err == unix.EEXIST { // somebody was faster
			f.made, err = len(f.missing)-1, nil
		}
		if err == nil {
			err = f.enter()
		}
		if err == unix.ENOENT {
			err = errUndone
		}
		if err != nil {
			return fmt.Errorf("create mount point %s: %w", f.point(), err)
		}
		if made {
			// Whatever the umask is: others may look into it.
			_ = unix.Chmod(procFd(f.fd), perm)
			_ = unix.Setxattr(procFd(f.fd), mark, []byte("1"), 0)
		}
	}
	return nil
}

// enter opens the first of what is missing. The last, which will be mounted on,
// must be empty.
func (f *folder) enter() error {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := unix.Openat2(f.fd, f.missing[0], &how)
	switch err {
	case nil:
	case unix.EXDEV, unix.ENOTDIR, unix.ELOOP: // something is mounted there, a file, or a link
		return errTaken
	default:
		return err
	}
	f.close()
	f.fd, f.missing = fd, f.missing[1:]
	if len(f.missing) > 0 {
		return nil
	}
	switch entries, err := os.ReadDir(procFd(fd)); {
	case err != nil:
		return err
	case len(entries) > 0:
		return errTaken
	}
	return nil
}

// procFd is the path by which calls reach an O_PATH descriptor that take none.
func procFd(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

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
// that are empty then, as far as they are ours: made says how many of the
// lowest are, and our mark says it of any.
func removeFolder(root, below string, made int) {
	for ; below != "." && below != ""; below = path.Dir(below) {
		p := filepath.Join(root, below)
		if made <= 0 && !isMarked(p) {
			return
		}
		if err := unix.Rmdir(p); err != nil && err != unix.ENOENT { // we were killed before it was made
			return
		}
		made--
	}
}

// sweep takes away the folders of ours that nothing is mounted on, directly
// below a fixed one.
func sweep(root string) {
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		if e.IsDir() {
			removeFolder(root, e.Name(), 0) // fails where something is mounted
		}
	}
}
