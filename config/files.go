// SPDX-License-Identifier: MIT

// Which files make up a configuration, and in what order.

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files that are read where nobody names others.
const (
	DefaultFile = "/etc/reflexd/reflexd.yaml"
	DefaultDir  = "/etc/reflexd/conf.d"
)

// ErrNone says that there is no configuration at all.
var ErrNone = errors.New("no configuration")

// TestSuffix is how the names of files with tests of a configuration end.
const TestSuffix = ".test.yaml"

// Files returns the files that paths stand for, in the order in which they
// are to be read: a file is itself, a folder the *.yaml files in it by name,
// but for files of tests.
// Without paths it is the default file and then the default folder, those
// that exist; ErrNone is returned if neither does.
func Files(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return defaultFiles(DefaultFile, DefaultDir)
	}
	var files []string
	for _, p := range paths {
		more, err := expand(p)
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			return nil, fmt.Errorf("%s: the folder holds no *.yaml file: %w", p, ErrNone)
		}
		files = append(files, more...)
	}
	return files, nil
}

func defaultFiles(file, dir string) ([]string, error) {
	var files []string
	for _, p := range []string{file, dir} {
		more, err := expand(p)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		files = append(files, more...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("neither %s nor %s/*.yaml exists: %w", file, dir, ErrNone)
	}
	return files, nil
}

func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, cause(err))
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration folder %s: %w", path, cause(err))
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), TestSuffix) {
			continue
		}
		if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	slices.Sort(files)
	return files, nil
}

// ReadFiles reads the files one after the other into root. What is wrong with
// them goes to ps.
func ReadFiles(files []string, root Value, ps *Problems) {
	for _, f := range files {
		if n, ok := load(f, ps); ok {
			root.Read(n, ps)
		}
	}
}
