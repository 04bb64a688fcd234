// SPDX-License-Identifier: MIT

// The files that are installed, and the archives that hold them.

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// file is one that is installed or packed.
type file struct {
	path string // relative
	perm fs.FileMode
	data []byte
}

// tree is a set of files.
type tree struct {
	root  string // of the checkout
	files []file
	err   error // the first that came up while the tree was filled
}

func (t *tree) add(path string, perm fs.FileMode, data []byte) {
	t.files = append(t.files, file{path, perm, data})
}

// copy adds a file of the checkout, and returns its content.
func (t *tree) copy(path string, perm fs.FileMode, from string) []byte {
	data, err := os.ReadFile(filepath.Join(t.root, from))
	t.fail(err)
	t.add(path, perm, data)
	return data
}

// copyAll adds the files of the checkout that a pattern matches, with what change makes of each, to the folder to.
func (t *tree) copyAll(to, pattern string, change func([]byte) []byte) {
	found, err := filepath.Glob(filepath.Join(t.root, pattern))
	t.fail(err)
	if len(found) == 0 {
		t.fail(fmt.Errorf("nothing matches %s", pattern))
	}
	for _, from := range found {
		data, err := os.ReadFile(from)
		t.fail(err)
		if change != nil {
			data = change(data)
		}
		t.add(path.Join(to, filepath.Base(from)), 0o644, data)
	}
}

func (t *tree) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// documents adds the documentation in the folders that the checkout has, so that the links between pages hold.
func (t *tree) documents(to string) {
	t.copy(path.Join(to, "README.md"), 0o644, "README.md")
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md", "docs/*/*.svg", "docs/*/*.json"} {
		found, err := filepath.Glob(filepath.Join(t.root, pattern))
		t.fail(err)
		for _, from := range found {
			name, err := filepath.Rel(t.root, from)
			t.fail(err)
			t.copy(path.Join(to, name), 0o644, name)
		}
	}
	t.copyAll(path.Join(to, "examples"), "examples/*.yaml", nil)
}

// folders returns the folders that the files are in, each after its parent.
func (t *tree) folders() []string {
	var all []string
	for _, f := range t.files {
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// write writes the files below dir, all with the same time.
func (t *tree) write(dir string, date time.Time) error {
	folders := append([]string{"."}, t.folders()...)
	for _, name := range folders {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil { // whatever the umask
			return err
		}
	}
	for _, f := range t.files {
		at := filepath.Join(dir, f.path)
		if err := os.WriteFile(at, f.data, f.perm); err != nil {
			return err
		}
		if err := os.Chmod(at, f.perm); err != nil {
			return err
		}
		if err := os.Chtimes(at, date, date); err != nil {
			return err
		}
	}
	for _, name := range slices.Backward(folders) {
		if err := os.Chtimes(filepath.Join(dir, name), date, date); err != nil {
			return err
		}
	}
	return t.err
}

// tarball returns the files in a compressed archive, below the folder base.
func tarball(base string, t *tree, date time.Time) ([]byte, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	entry := func(h tar.Header, data []byte) {
		h.ModTime, h.Size, h.Format = date, int64(len(data)), tar.FormatUSTAR
		t.fail(w.WriteHeader(&h))
		_, err := w.Write(data)
		t.fail(err)
	}
	for _, dir := range append([]string{""}, t.folders()...) {
		entry(tar.Header{Typeflag: tar.TypeDir, Name: path.Join(base, dir) + "/", Mode: 0o755}, nil)
	}
	for _, f := range t.files {
		entry(tar.Header{Typeflag: tar.TypeReg, Name: path.Join(base, f.path), Mode: int64(f.perm)}, f.data)
	}
	t.fail(w.Close())
	t.fail(z.Close())
	return packed.Bytes(), t.err
}

// gzipped returns data compressed, without a name or a time.
func gzipped(data []byte) []byte {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // fails for an invalid level alone
	_, _ = z.Write(data)                                       // in memory
	_ = z.Close()
	return packed.Bytes()
}

// checksums returns what sha256sum prints of the files in dir.
func checksums(dir string, names []string) ([]byte, error) {
	slices.Sort(names)
	var sums bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	return sums.Bytes(), nil
}
