// SPDX-License-Identifier: MIT

// Replacing a file so that whatever happens meanwhile, the old one or the new
// one is there.

package regular

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Replace makes text the content of the file at path, with the permissions
// perm, on the disk and not only in memory. The folder of path is made if it
// is not there. A symbolic link at path is replaced, not followed.
func Replace(path, text string, perm os.FileMode) error {
	r := replacement{path: path, text: text, perm: perm}
	return r.do(r.steps()...)
}

// Swap is Replace for a file that is of no use after a power failure: it is left
// to the kernel when the new one is on the disk.
func Swap(path, text string, perm os.FileMode) error {
	r := replacement{path: path, text: text, perm: perm}
	return r.do(r.makeFolder, r.create, r.fill, r.close, r.rename)
}

// replacement is one replacement of a file.
type replacement struct {
	path, text string
	perm       os.FileMode
	file       *os.File // under the temporary name
}

func (r *replacement) do(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			r.giveUp()
			return err
		}
	}
	return nil
}

// steps are to be done in order. After any of them the power may fail.
func (r *replacement) steps() []func() error {
	return []func() error{r.makeFolder, r.create, r.fill, r.flush, r.close, r.rename, r.flushFolder}
}

// giveUp removes what was written: a disk may be full of it.
func (r *replacement) giveUp() {
	if r.file != nil {
		r.file.Close()
		_ = os.Remove(r.temporary())
	}
}

func (r *replacement) temporary() string { return r.path + ".new" }

func (r *replacement) makeFolder() error { return os.MkdirAll(filepath.Dir(r.path), 0o755) }

// create makes the temporary file anew: what an earlier try left there, or
// somebody's link to elsewhere, goes.
func (r *replacement) create() error {
	_ = os.Remove(r.temporary())
	f, err := os.OpenFile(r.temporary(), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, r.perm)
	r.file = f
	return err
}

func (r *replacement) fill() error {
	_, err := r.file.WriteString(r.text)
	if err == nil {
		err = r.file.Chmod(r.perm) // whatever the umask is
	}
	return err
}

// flush comes before the file gets its name: a file system may write the name
// to the disk before the content, and then there would be an empty file.
func (r *replacement) flush() error { return r.file.Sync() }

func (r *replacement) close() error { return r.file.Close() }

func (r *replacement) rename() error { return os.Rename(r.temporary(), r.path) }

func (r *replacement) flushFolder() error {
	folder, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	defer folder.Close()
	// Some file systems cannot; there the name is on its way all the same.
	if err := folder.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
