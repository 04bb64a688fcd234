// SPDX-License-Identifier: MIT

// Taking programs out of unpacked packages, together with all that they cannot do without.

package image

import (
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"reflexd/lab/cpio"
)

// A picker copies files of a tree into an archive: a link brings what it points to, a program its libraries.
type picker struct {
	root      string
	libraries []string // the folders where the linker looks, below the root
	w         *cpio.Writer
	picked    map[string]bool
}

// pick copies what is at a path below the root; of a folder, all of it.
func (p *picker) pick(path string) error {
	if p.picked[path] {
		return nil
	}
	p.picked[path] = true
	info, err := os.Lstat(filepath.Join(p.root, path))
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return p.pickFolder(path)
	case info.Mode()&fs.ModeSymlink != 0:
		return p.pickLink(path)
	}
	return p.pickFile(path, uint32(info.Mode().Perm()))
}

func (p *picker) pickFolder(path string) error {
	entries, err := os.ReadDir(filepath.Join(p.root, path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := p.pick(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (p *picker) pickLink(path string) error {
	target, err := os.Readlink(filepath.Join(p.root, path))
	if err != nil {
		return err
	}
	p.w.Symlink(path, target)
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return p.pick(strings.TrimPrefix(target, "/"))
}

func (p *picker) pickFile(path string, perm uint32) error {
	file := filepath.Join(p.root, path)
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p.w.File(path, perm, data)
	if !strings.HasPrefix(string(data), elf.ELFMAG) {
		return nil
	}
	needed, err := neededBy(file)
	if err != nil {
		return err
	}
	for _, name := range needed {
		if err := p.pickNeeded(name); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// pickNeeded picks a library by its name, or the program's interpreter by its path.
func (p *picker) pickNeeded(name string) error {
	if filepath.IsAbs(name) {
		return p.pick(strings.TrimPrefix(name, "/"))
	}
	for _, folder := range p.libraries {
		path := filepath.Join(folder, name)
		if _, err := os.Lstat(filepath.Join(p.root, path)); err == nil {
			return p.pick(path)
		}
	}
	return fmt.Errorf("needs %s, which none of the packages has", name)
}

// neededBy returns the libraries that a program or library names, and its interpreter.
func neededBy(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, segment := range f.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		path, err := io.ReadAll(segment.Open())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		needed = append(needed, strings.TrimRight(string(path), "\x00"))
	}
	return needed, nil
}
