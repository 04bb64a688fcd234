// SPDX-License-Identifier: MIT

package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A rule unmounts a device at the moment in which it is pulled, between our
// looking at what is mounted and our taking it away: nothing is left over.
func TestCutWhereSomebodyElseWasFaster(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root is told that nothing is mounted there")
	}
	dir := t.TempDir()
	proc := filepath.Join(dir, "proc")
	m := mounter{mounts: mountinfo(proc), records: records(filepath.Join(dir, "records"))}
	mt := &mounted{root: filepath.Join(dir, "media"), below: "PHOTOS", point: filepath.Join(dir, "media/PHOTOS"), made: 1}
	id := identity{name: "/dev/sda1", number: "8:1", seq: "4"}
	for _, folder := range []string{filepath.Join(proc, "self"), string(m.records), mt.point} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(m.records.file(id), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	// The first look sees the mount, all later ones do not.
	info, later := m.mounts.file(), filepath.Join(dir, "later")
	if err := os.WriteFile(later, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(info, 0o600); err != nil {
		t.Fatal(err)
	}
	looked := make(chan error)
	go func() {
		f, err := os.OpenFile(info, os.O_WRONLY, 0) // when the first look begins
		if err == nil {
			err = os.Rename(later, info)
			fmt.Fprintf(f, "310 27 8:1 / %s rw - vfat /dev/sda1 ro\n", mt.point)
			f.Close()
		}
		looked <- err
	}()
	if err := m.cut(id, mt); err != nil {
		t.Error(err)
	}
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{mt.point, m.records.file(id)} {
		if _, err := os.Lstat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left over: %v", left, err)
		}
	}
}
