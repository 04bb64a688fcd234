// SPDX-License-Identifier: MIT

package cpio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// An entry is what a reader finds.
type entry struct {
	name         string
	mode         uint64
	data         string
	major, minor uint64
}

// read takes an archive apart by the format's description.
func read(t *testing.T, archive []byte) []entry {
	t.Helper()
	var entries []entry
	at := 0
	field := func(i int) uint64 {
		n, err := strconv.ParseUint(string(archive[at+6+8*i:at+14+8*i]), 16, 64)
		if err != nil {
			t.Fatalf("entry at %d: %v", at, err)
		}
		return n
	}
	for {
		if string(archive[at:at+6]) != "070701" {
			t.Fatalf("no entry at %d: %q", at, archive[at:at+6])
		}
		e := entry{mode: field(1), major: field(9), minor: field(10)}
		size, nameSize := int(field(6)), int(field(11))
		name := archive[at+110 : at+110+nameSize]
		data := at + align(110+nameSize)
		e.name, e.data = strings.TrimSuffix(string(name), "\x00"), string(archive[data:data+size])
		if e.name == trailer {
			return entries
		}
		entries = append(entries, e)
		at = data + align(size)
	}
}

func align(n int) int { return (n + 3) &^ 3 }

func sample(t *testing.T) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := NewWriter(&archive)
	w.Dir("tmp", 0o1777)
	w.File("/usr/bin/tool", 0o755, []byte("#!"))
	w.File("usr/bin/other", 0o644, nil)
	w.Symlink("bin", "usr/bin")
	w.Device("dev/console", 0o600, 5, 1)
	w.File("../../etc/passwd", 0o644, []byte("root\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func TestWriter(t *testing.T) {
	var got strings.Builder
	for _, e := range read(t, sample(t)) {
		fmt.Fprintf(&got, "%o %s %q %d:%d\n", e.mode, e.name, e.data, e.major, e.minor)
	}
	const want = `41777 tmp "" 0:0
40755 usr "" 0:0
40755 usr/bin "" 0:0
100755 usr/bin/tool "#!" 0:0
100644 usr/bin/other "" 0:0
120777 bin "usr/bin" 0:0
40755 dev "" 0:0
20600 dev/console "" 5:1
40755 etc "" 0:0
100644 etc/passwd "root\n" 0:0
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", &got, want)
	}
}

func TestPadding(t *testing.T) {
	if n := len(sample(t)); n%512 != 0 {
		t.Errorf("the archive has %d bytes, want a multiple of 512", n)
	}
}

// The format has more readers than ours.
func TestOtherReader(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil && os.Getenv("REFLEXD_TOOLS") != "all" {
		t.Skip(err)
	}
	c := exec.Command("cpio", "-t", "--quiet")
	c.Stdin = bytes.NewReader(sample(t))
	list, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "tmp\nusr\nusr/bin\nusr/bin/tool\nusr/bin/other\nbin\ndev\ndev/console\netc\netc/passwd\n"
	if string(list) != want {
		t.Errorf("cpio lists:\n%s", list)
	}
}

// A full disk fails the write that finds it.
type fullDisk struct{ room int }

var errFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestErrorSticks(t *testing.T) {
	w := NewWriter(&fullDisk{room: 200})
	w.File("a", 0o644, make([]byte, 300))
	w.File("b", 0o644, nil)
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

func TestWriteAfterClose(t *testing.T) {
	var archive bytes.Buffer
	w := NewWriter(&archive)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := archive.Len()
	w.File("late", 0o644, nil)
	if archive.Len() != n || w.Close() == nil {
		t.Error("a closed archive was written to")
	}
}
