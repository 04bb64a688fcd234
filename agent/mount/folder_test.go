// SPDX-License-Identifier: MIT

package mount

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// folderRig is a mounter, for mounts that are prepared and never made.
func folderRig(t *testing.T) (dir string, m *mounter) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes folders that are root's, and needs root")
	}
	dir = t.TempDir()
	return dir, &mounter{mounts: "/proc", records: records(filepath.Join(dir, "records"))}
}

func wishAt(dir, below string, number int) *wish {
	name := "/dev/none" + strconv.Itoa(number)
	return &wish{facts: &facts{identity: identity{name: name, number: "7:" + strconv.Itoa(number), seq: "1"}}, root: dir + "/media", below: below}
}

// unmark takes the marks away: not every filesystem bears them.
func unmark(t *testing.T, dir string) {
	t.Helper()
	for _, path := range []string{"/media/a", "/media/a/b", "/media/a/b/c"} {
		if err := unix.Removexattr(dir+path, mark); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODATA) {
			t.Fatal(path, err)
		}
	}
}

// After a kill at any of the steps, the next run leaves only what others have made.
func TestKilledWhileFoldersAreMade(t *testing.T) {
	for _, before := range []string{"", "a", "a/b", "a/b/c"} {
		for steps := range 4 {
			t.Run(before+" "+strconv.Itoa(steps), func(t *testing.T) {
				dir, m := folderRig(t)
				if err := os.MkdirAll(filepath.Join(dir, "media", before), 0o755); err != nil {
					t.Fatal(err)
				}
				w := wishAt(dir, "a/b/c", 1)
				f, err := openFolder(w.root, w.below)
				if err != nil {
					t.Fatal(err)
				}
				defer f.close()
				if err := m.records.remember(w.facts.identity, &mounted{root: f.root, below: f.below, made: f.made}); err != nil {
					t.Fatal(err)
				}
				for range steps {
					if len(f.missing) > 0 {
						if err := unix.Mkdirat(f.fd, f.missing[0], 0o755); err != nil {
							t.Fatal(err)
						}
						if err := f.enter(); err != nil {
							t.Fatal(err)
						}
					}
				}
				if _, _, err := m.takeStock(&blocks{}, nil); err != nil {
					t.Fatal(err)
				}
				if before != "" {
					if !exists(filepath.Join(dir, "media", before)) {
						t.Error("what was there before is gone")
					}
					if err := os.RemoveAll(filepath.Join(dir, "media/a")); err != nil {
						t.Fatal(err)
					}
				}
				sane(t, dir)
			})
		}
	}
}

// Where folders bear no marks, those that we made go all the same, and no others.
func TestFoldersWithoutMarks(t *testing.T) {
	for before, left := range map[string]string{"": "", "a": "a", "a/b": "a/b"} {
		dir, m := folderRig(t)
		if err := os.MkdirAll(filepath.Join(dir, "media", before), 0o755); err != nil {
			t.Fatal(err)
		}
		w := wishAt(dir, "a/b/c", 1)
		f, result, err := m.prepare(w)
		if err != nil {
			t.Fatal(err)
		}
		f.close()
		unmark(t, dir)
		m.clean(w.facts.identity, result)
		if below := filepath.Join(dir, "media", left); !exists(below) {
			t.Errorf("%s is gone", below)
		} else if entries, err := os.ReadDir(below); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v, %v are left", below, err, entries)
		}
	}
}

// Somebody else makes a folder between our look and our try.
func TestFolderThatSomebodyElseMakes(t *testing.T) {
	dir, m := folderRig(t)
	w := wishAt(dir, "a/b/c", 1)
	f, err := openFolder(w.root, w.below)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if err := os.MkdirAll(dir+"/media/a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	result := &mounted{root: f.root, below: f.below, made: f.made}
	if err := m.record(w.facts.identity, f, result); err != nil {
		t.Fatal(err)
	}
	all, err := m.records.recall()
	if err != nil || len(all) != 1 || all[0].made != 1 {
		t.Errorf("the record says %+v, %v; one folder is ours", all, err)
	}
	m.clean(w.facts.identity, result)
	if exists(dir+"/media/a/b/c") || !exists(dir+"/media/a/b") {
		t.Error("of a/b/c, c is ours and should be gone, and b is not")
	}
}

// Devices that share a folder come and go at the same time.
func TestFolderThatIsShared(t *testing.T) {
	dir, m := folderRig(t)
	const times = 300
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			w := wishAt(dir, "shared/"+strconv.Itoa(i), i)
			for range times {
				f, result, err := m.prepare(w)
				if err != nil {
					t.Error(err)
					return
				}
				f.close()
				m.clean(w.facts.identity, result)
			}
		})
	}
	all.Wait()
	sane(t, dir)
}
