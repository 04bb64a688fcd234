// SPDX-License-Identifier: MIT

// Who else could change a file, or put another one in its place.

package regular

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trust is a set of users who may own and write what is trusted. Root always
// may.
type Trust struct {
	Users []int
	// Etc is the folder with passwd(5) and group(5); "" for /etc.
	Etc string
}

// WriterError is the error for a file that somebody else could change.
type WriterError struct {
	Path string // the file, or the folder or link on the way there
	Who  string // "user 1000", "group 100", "everybody"
	How  string // what they could do, and what to do about it
}

// Error implements error.
func (e *WriterError) Error() string { return fmt.Sprintf("%s: %s %s", e.Path, e.Who, e.How) }

// mostLinks is how many symbolic links a path may lead through, as in the kernel.
const mostLinks = 40

// Check returns a *WriterError if anybody but the trusted users could write
// the file or folder at path, or replace it, any folder above it or a
// symbolic link on the way. A folder in which everybody may make files is
// trusted if its sticky bit protects a trusted user's entry. What does not
// exist nobody has written: the nearest folder above it counts. An access
// control list counts as far as it shows in the mode: see acl(5).
func (t Trust) Check(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	folder, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			folder = filepath.Dir(folder)
			continue
		}
		target, gone, err := t.checkEntry(filepath.Join(folder, name))
		if err != nil || gone {
			return err
		}
		if target == "" {
			folder = filepath.Join(folder, name)
			continue
		}
		if links++; links > mostLinks {
			return &os.PathError{Op: "open", Path: path, Err: unix.ELOOP}
		}
		if strings.HasPrefix(target, "/") {
			folder = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return nil
}

// checkEntry checks a folder, file or link of which the folder was checked.
// target is where it leads if it is a symbolic link; gone says that it is not
// there.
func (t Trust) checkEntry(path string) (target string, gone bool, err error) {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err == unix.ENOENT:
		return "", true, nil
	case err != nil:
		return "", false, &os.PathError{Op: "lstat", Path: path, Err: err}
	case !t.has(st.Uid):
		return "", false, &WriterError{path, fmt.Sprintf("user %d", st.Uid), "owns it and may change it: chown it to root"}
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFLNK {
		target, err = os.Readlink(path)
		return target, false, err
	}
	protects := kind == unix.S_IFDIR && st.Mode&unix.S_ISVTX != 0
	if who := t.otherWriter(&st); who != "" && !protects {
		return "", false, &WriterError{path, who, "may write it: chmod go-w"}
	}
	return "", false, nil
}

func (t Trust) has(uid uint32) bool { return uid == 0 || slices.Contains(t.Users, int(uid)) }

// otherWriter says who besides the owner may write what st describes; "" for
// nobody who is not trusted.
func (t Trust) otherWriter(st *unix.Stat_t) string {
	switch {
	case st.Mode&0o002 != 0:
		return "everybody"
	case st.Mode&0o020 != 0 && st.Gid != 0 && !t.isPrivate(st.Gid, st.Uid):
		return fmt.Sprintf("group %d", st.Gid)
	}
	return ""
}

// isPrivate reports whether nobody but the user is in the group, as with the
// groups that Debian gives each user.
func (t Trust) isPrivate(gid, uid uint32) bool {
	etc := t.Etc
	if etc == "" {
		etc = "/etc"
	}
	passwd, err := os.ReadFile(filepath.Join(etc, "passwd"))
	groups, other := os.ReadFile(filepath.Join(etc, "group"))
	if err != nil || other != nil {
		return false
	}
	user, number := "", strconv.Itoa(int(gid))
	const name, id, group, members = 0, 2, 3, 3
	for line := range bytes.Lines(passwd) {
		f := strings.Split(string(line), ":")
		switch {
		case len(f) <= group:
		case f[id] == strconv.Itoa(int(uid)):
			user = f[name]
		case f[group] == number:
			return false
		}
	}
	for line := range bytes.Lines(groups) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) > members && f[id] == number && f[members] != "" && f[members] != user {
			return false
		}
	}
	return user != ""
}
