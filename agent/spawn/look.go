// SPDX-License-Identifier: MIT

// Look: what would come of starting a program, found out without starting it.

package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
	"reflexd/config"
)

// Look returns the file that spec would start, or why it would not, in the
// words in which its end would report it, and what to do where they do not say it.
// uid is the user whom the agent runs as, root where / is: "" but for tests.
// It reads files and may block.
func Look(spec *Spec, uid int, root string) (file, advice string, err error) {
	who, err := account.Find(root, spec.User, spec.Group)
	if err != nil {
		return "", "", err
	}
	if uid != 0 && who.SetUser && int(who.Uid) != uid {
		return "", "only root may: run the agent as root, or leave out `user:`", fmt.Errorf("%s: %w", who.Step(), unix.EPERM)
	}
	if err := unix.Access(root+spec.Dir, unix.F_OK); spec.Dir != "" && err != nil {
		return "", "", fmt.Errorf("chdir %s: %w", spec.Dir, err)
	}
	p := &program{spec: spec, path: searchPath(environment(spec.Env, who.Env, spec.Set))}
	p.files = candidates(spec.Argv[0], p.path)
	file, err = p.look(&who, root)
	if err == nil || strings.Contains(spec.Argv[0], "/") || !errors.As(err, new(unknown)) {
		return file, "", err
	}
	return "", p.near(root), err
}

// unknown is the error for a program that is nowhere.
type unknown struct{ error }

// look finds the file that execve(2) would take.
func (p *program) look(who *account.Account, root string) (string, error) {
	var execs []call
	for _, file := range p.files {
		at := file
		if !filepath.IsAbs(at) {
			at = filepath.Join(p.spec.Dir, at)
		}
		switch err := loadable(who, root, at); err {
		case nil:
			return file, nil
		case errNoInterpreter:
			return "", noInterpreter(file)
		default:
			execs = append(execs, call{result: -uintptr(err.(unix.Errno))})
		}
	}
	err, missing := p.execFailure(execs)
	if missing {
		return "", unknown{err}
	}
	return "", err
}

// errNoInterpreter says that a program's file is there, and not what loads it.
var errNoInterpreter = errors.New("its interpreter is missing")

// loadable does what execve(2) does before it goes on for good: it returns an
// unix.Errno, or errNoInterpreter.
func loadable(a *account.Account, root, path string) error {
	var stat unix.Stat_t
	if err := unix.Stat(filepath.Join(root, path), &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || !mayExecute(a, &stat) {
		return unix.EACCES
	}
	f, err := os.Open(filepath.Join(root, path))
	if err != nil {
		return nil // it may be executed and not read
	}
	defer f.Close()
	interpreter, err := interpreterOf(f)
	if err != nil {
		return err
	}
	if interpreter != "" && unix.Access(filepath.Join(root, interpreter), unix.F_OK) != nil {
		return errNoInterpreter
	}
	return nil
}

// mayExecute reports whether the account may execute a file. Of an account
// that is not changed nothing is known: somebody must be allowed to.
func mayExecute(a *account.Account, stat *unix.Stat_t) bool {
	mode := stat.Mode
	switch {
	case !a.SetUser || a.Uid == 0:
		return mode&0o111 != 0
	case stat.Uid == a.Uid:
		return mode&0o100 != 0
	}
	for _, gid := range a.Groups {
		if gid == stat.Gid {
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}

// interpreterOf returns what loads a program's file: the first word after #!,
// or an ELF file's loader; "" for none. ENOEXEC says that the kernel loads
// no such file.
func interpreterOf(f io.ReaderAt) (string, error) {
	head := make([]byte, 4096)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		line, _, _ := strings.Cut(string(head[2:]), "\n")
		words := strings.Fields(line)
		if len(words) == 0 {
			return "", unix.ENOEXEC
		}
		return words[0], nil
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return loaderIn(head), nil
	}
	return "", unix.ENOEXEC
}

// loaderIn returns the loader that an ELF file names, which linkers put behind
// its headers and so into its first bytes: /lib/ld-linux.so.3, or in the like
// of /lib64.
func loaderIn(head []byte) string {
	for word := range bytes.SplitSeq(head, []byte{0}) {
		if bytes.HasPrefix(word, []byte("/lib")) && bytes.Contains(word, []byte("/ld")) {
			return string(word)
		}
	}
	return ""
}

// near suggests a program that is called nearly as the one that is in no folder
// of PATH.
func (p *program) near(root string) string {
	var names []string
	for _, file := range p.files {
		entries, _ := os.ReadDir(filepath.Join(root, filepath.Dir(file)))
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	if near := config.Suggest(p.spec.Argv[0], names); near != "" {
		return strings.TrimPrefix(near, "; ")
	}
	return "install it, or write its full path"
}
