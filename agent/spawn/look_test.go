// SPDX-License-Identifier: MIT

package spawn

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Every program of this machine that can be started is found by looking, too.
func TestLookFindsWhatStarts(t *testing.T) {
	for _, name := range []string{"sh", "ls", "env", "/bin/true"} {
		spec := &Spec{Argv: []string{name}, Env: os.Environ()}
		file, _, err := Look(spec, os.Getuid(), "")
		if err != nil || filepath.Base(file) != filepath.Base(name) {
			t.Errorf("%s: %s, %v", name, file, err)
		}
	}
}

// An agent that is not root's can start programs as nobody but itself.
func TestLookAsAnotherUser(t *testing.T) {
	spec := &Spec{Argv: []string{"true"}, User: "root"}
	_, advice, err := Look(spec, 1000, "")
	if err == nil || err.Error() != "become user root: operation not permitted" || advice == "" {
		t.Errorf("%v; %s", err, advice)
	}
	if _, _, err := Look(spec, 0, ""); err != nil {
		t.Error(err)
	}
}

func TestLoaderOfThisMachine(t *testing.T) {
	f, err := os.Open("/bin/ls")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	loader, err := interpreterOf(f)
	if err != nil || unix.Access(loader, unix.X_OK) != nil {
		t.Errorf("the loader of /bin/ls is %q, %v", loader, err)
	}
}

// What is in a file is nobody's promise.
func FuzzInterpreter(f *testing.F) {
	for _, seed := range []string{"", "#!", "#!/bin/sh -e\n", "#! \n", "\x7fELF", "\x7fELF\x00/lib/ld-linux.so.3\x00", "\x7fELF\x00/lib"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, err := interpreterOf(bytes.NewReader(b))
		if err != nil && err != unix.ENOEXEC || err != nil && name != "" {
			t.Errorf("%q: %q, %v", b, name, err)
		}
	})
}
