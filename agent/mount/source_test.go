// SPDX-License-Identifier: MIT

package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// loops is the policy for the test's own sticks.
// mountedStick runs the source in a folder, with a stick in it whose ext4 is
// mounted by its label.
func mountedStick(t *testing.T, label string) (dir string, d *stick, r *rig) {
	t.Helper()
	dir = t.TempDir()
	d = newStick(t, dir)
	r = start(t, dir, loops)
	d.insert(ext4(t, label), false)
	r.expect("mounted")
	return dir, d, r
}

const loops = `{match: {DEVNAME: "DIR/dev/loop*"}, at: "DIR/media/${LABEL:-${UUID}}"}`

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func mountedAt(t *testing.T, point string) *entry {
	t.Helper()
	mounts, err := mountinfo("/proc").read()
	if err != nil {
		t.Fatal(err)
	}
	for i := range mounts {
		if mounts[i].point == point {
			return &mounts[i]
		}
	}
	return nil
}

// sane complains of anything that is left over in the test's folder.
func sane(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"media", "records"} {
		left, _ := os.ReadDir(filepath.Join(dir, name))
		for _, e := range left {
			t.Errorf("left over: %s/%s", name, e.Name())
		}
	}
	mounts, _ := mountinfo("/proc").read()
	for _, e := range mounts {
		if strings.HasPrefix(e.point, dir) {
			t.Errorf("still mounted: %+v", e)
		}
	}
}

func TestStickIsMountedAndUnmounted(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	r := start(t, dir, loops)
	d.insert(ext4(t, "PHOTOS"), false)
	point := dir + "/media/PHOTOS"
	r.expect("mounted "+d.name+" "+point, "FSTYPE=ext4", "LABEL=PHOTOS", "UUID=", "SIZE=33554432", "READ_ONLY=0")
	var st unix.Statfs_t
	if err := unix.Statfs(point, &st); err != nil {
		t.Fatal(err)
	}
	const safe = unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC | unix.ST_RELATIME
	if int64(st.Flags)&safe != safe {
		t.Errorf("flags %#x", st.Flags)
	}
	if err := r.unmount(d.name, false, false); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted "+d.name+" "+point, "LABEL=PHOTOS")
	sane(t, dir)
	// It stays unmounted until the medium changes.
	if err := os.WriteFile("/sys/class/block/"+filepath.Base(d.name)+"/uevent", []byte("change"), 0); err != nil {
		t.Fatal(err)
	}
	d.empty()
	d.insert(ext4(t, "NEXT"), false)
	r.expect("mounted", dir+"/media/NEXT")
	if err := r.unmount("all", false, false); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted")
}

func TestOneThatWasThereAtStart(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	d.insert(ext4(t, "EARLY"), false)
	r := start(t, dir, loops)
	r.expect("mounted "+d.name, "/media/EARLY")
}

func TestPulledWhileInUse(t *testing.T) {
	dir, d, r := mountedStick(t, "PHOTOS")
	f, err := os.Create(dir + "/media/PHOTOS/open")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.pull(d)
	r.expect("yanked " + d.name + " " + dir + "/media/PHOTOS")
	r.quiet()
	sane(t, dir)
}

// The kernel counts media. A stick that is being pulled may look like one
// without a medium for a moment: what is removed then has a higher number than
// what we mounted. A lower one is of a stick that had the name before.
func TestPulledAfterItsMediumWentAway(t *testing.T) {
	dir, d, r := mountedStick(t, "PHOTOS")
	r.pullMedium(d, -1)
	r.do(func() {
		if known := r.source.points[dir+"/media/PHOTOS"]; known == nil || known.gone {
			t.Error("it went with one that had its name before")
		}
	})
	r.pullMedium(d, 1)
	r.expect("yanked " + d.name + " " + dir + "/media/PHOTOS")
	r.quiet()
	sane(t, dir)
}

// A troubled machine cannot read its devices, or not mount them, and writes down in
// which order it is asked about one.
type troubled struct {
	machine
	noLook, noMount error
	name            string
	asked           []string
}

func (m *troubled) note(id identity, what string) {
	if id.name == m.name {
		m.asked = append(m.asked, what)
	}
}

func (m *troubled) look(id identity, interesting func(*facts) bool) *facts {
	m.note(id, "look")
	f := m.machine.look(id, interesting)
	if m.noLook != nil {
		f.err = m.noLook
	}
	return f
}

func (m *troubled) attach(w *wish) (*mounted, error) {
	if m.noMount != nil {
		return nil, m.noMount
	}
	return m.machine.attach(w)
}

func (m *troubled) swapped(id identity, mounted []held) (bool, error) {
	m.note(id, "swapped")
	return m.machine.swapped(id, mounted)
}

// The kernel fails what is asked of a device before it says that it has been
// pulled.
func TestPulledWhileItIsLookedAt(t *testing.T) {
	for what, m := range map[string]*troubled{
		"it cannot be opened":  {noLook: fmt.Errorf("probe it: %w", unix.ENXIO)},
		"it cannot be read":    {noLook: fmt.Errorf("probe it: %w", unix.EIO)},
		"it cannot be mounted": {noMount: fmt.Errorf("mount it: %w", unix.ENOMEDIUM)},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			r := start(t, dir, loops)
			r.quiet()
			due := r.holdTimers()
			r.do(func() { m.machine, r.source.machine = r.source.machine, m })
			gone, emptied, broken := newStick(t, dir), newStick(t, dir), newStick(t, dir)
			for _, d := range []*stick{gone, emptied, broken} {
				d.insert(ext4(t, "STICK"), false)
				r.until("it fails", func() bool {
					known := r.source.devices[d.name]
					return known != nil && known.problem != nil && known.queue.doing == ""
				})
			}
			r.pull(gone)
			r.do(func() { r.source.devices[emptied.name].seq = "" }) // as before Linux 5.15
			emptied.empty()                                          // a reader whose card was pulled
			r.changeMedium(emptied)
			r.quiet()
			r.do(func() {
				for _, fire := range *due {
					fire()
				}
			})
			r.expect("failed "+broken.name, "it: ") // and nothing of the others
		})
	}
}

// Nor is it one whose content nobody knows.
func TestProbeOfWhatGoes(t *testing.T) {
	d := newStick(t, t.TempDir())
	d.insert(ext4(t, "STICK"), false)
	const size = 32 << 20
	if content, err := probe(d.name, size); err != nil || content.Type != "ext4" {
		t.Error(content, err)
	}
	d.empty() // after its size was read
	if content, err := probe(d.name, size); !vanishes(err) {
		t.Error(content, err)
	}
}

// What was to be reported later is not, when nobody mounts anything any more.
func TestFailureOfAnEarlierConfiguration(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, loops)
	r.quiet()
	due := r.holdTimers()
	r.do(func() {
		r.source.machine = &troubled{machine: r.source.machine, noLook: fmt.Errorf("probe it: %w", unix.EIO)}
	})
	d := newStick(t, dir)
	d.insert(ext4(t, "STICK"), false)
	r.until("it fails", func() bool {
		known := r.source.devices[d.name]
		return known != nil && known.problem != nil
	})
	r.quiet()
	r.do(func() {
		r.source.Apply(&Plan{})
		for _, fire := range *due {
			fire()
		}
	})
	if len(r.events) > 0 {
		t.Errorf("told %q", r.events)
	}
}

func TestTwoOfOneName(t *testing.T) {
	dir := t.TempDir()
	a, b := newStick(t, dir), newStick(t, dir)
	image := ext4(t, "TWIN")
	a.insert(image, false)
	b.insert(ext4(t, "TWIN"), false)
	r := start(t, dir, loops)
	both := r.expect("mounted") + r.expect("mounted")
	for _, point := range []string{"/media/TWIN ", "/media/TWIN-2 "} {
		if !strings.Contains(both, dir+point) {
			t.Errorf("nothing at %s:\n%s", point, both)
		}
	}
}

func TestClashRefused(t *testing.T) {
	dir := t.TempDir()
	a := newStick(t, dir)
	if err := os.MkdirAll(dir+"/media/FULL/of", 0o755); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, strings.Replace(loops, "{", "{on_clash: refuse, ", 1))
	a.insert(ext4(t, "FULL"), false)
	r.expect("failed "+a.name, "the name is taken")
	if !exists(dir + "/media/FULL/of") {
		t.Error("somebody's folder is gone")
	}
}

func TestWriteProtectedIsReadOnly(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	r := start(t, dir, loops)
	d.insert(ext4(t, "LOCKED"), true)
	r.expect("mounted", "READ_ONLY=1", "WHY=the device is write-protected")
	if e := mountedAt(t, dir+"/media/LOCKED"); e == nil || !e.readOnly {
		t.Errorf("%+v", e)
	}
}

func TestDirtyIsReadOnly(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	path := image(t, "/usr/sbin/mkfs.ext2", "-q", "-F", "-L", "OLD")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		const state = 1024 + 0x3a // of the superblock: bit 0 says that it was unmounted
		_, err = f.WriteAt([]byte{0, 0}, state)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, loops)
	d.insert(path, false)
	r.expect("mounted", "FSTYPE=ext2", "READ_ONLY=1", "WHY=it was not unmounted")
}

func TestClaimed(t *testing.T) {
	dir := t.TempDir()
	d, swap, mine, last := newStick(t, dir), newStick(t, dir), newStick(t, dir), newStick(t, dir)
	if err := os.WriteFile(dir+"/fstab", []byte("# comment\nLABEL=BACKUP /backup ext4 noauto 0 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, loops)
	d.insert(ext4(t, "BACKUP"), false)
	swap.insert(image(t, "/sbin/mkswap"), false)
	r.expect("ignored "+swap.name, "FSTYPE=swap")
	other := t.TempDir()
	path := ext4(t, "OTHERS")
	r.do(func() { // so that nobody looks in between
		mine.insert(path, false)
		if err := unix.Mount(mine.name, other, "ext4", 0, ""); err != nil {
			t.Error(err)
		}
	})
	r.quiet()
	last.insert(ext4(t, "LAST"), false)
	r.expect("mounted " + last.name)
	if err := r.unmount(other, false, false); err != nil {
		t.Error(err)
	}
}

func TestBusy(t *testing.T) {
	dir, d, r := mountedStick(t, "BUSY")
	c := exec.Command("sleep", "1000")
	c.Dir = dir + "/media/BUSY"
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	err := r.unmount(d.name, false, false)
	if !errors.Is(err, unix.EBUSY) && (err == nil || !strings.Contains(err.Error(), "used by sleep (")) {
		t.Errorf("not said who is in the way: %v", err)
	}
	if err := r.unmount(dir+"/media/BUSY", false, true); err != nil {
		t.Error(err)
	}
	if <-ended == nil {
		t.Error("who was in the way was not ended")
	}
	r.expect("unmounted")
	sane(t, dir)
}

func TestLazy(t *testing.T) {
	dir, d, r := mountedStick(t, "BUSY")
	f, err := os.Open(dir + "/media/BUSY/lost+found")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.unmount(d.name, true, false); err != nil {
		t.Error(err)
	}
	r.expect("unmounted")
	sane(t, dir)
}

func TestUnmountedByOthers(t *testing.T) {
	dir, d, r := mountedStick(t, "THEIRS")
	if err := unix.Unmount(dir+"/media/THEIRS", 0); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted " + d.name)
	sane(t, dir)
}

func TestLaterRunTakesOver(t *testing.T) {
	dir := t.TempDir()
	d, gone := newStick(t, dir), newStick(t, dir)
	r := start(t, dir, loops)
	d.insert(ext4(t, "STAYS"), false)
	r.expect("mounted")
	gone.insert(ext4(t, "GONE"), false)
	r.expect("mounted")
	r.stop()
	// The second one's record says that it is another device that was there.
	m := r.source.real.mounter.records
	id, _ := r.source.real.blocks.find(gone.name)
	_ = os.Remove(m.file(id))
	id.seq = "1"
	if err := m.remember(id, &mounted{root: dir + "/media", below: "GONE", made: 1}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/media/CRASHED", 0o755); err != nil {
		t.Fatal(err)
	}
	id.number = "7:9999" // a crash between the record and the mount
	if err := m.remember(id, &mounted{root: dir + "/media", below: "CRASHED", made: 1}); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir, loops)
	again.expect("yanked " + gone.name)
	again.expect("mounted "+gone.name, "/media/GONE")
	if exists(dir + "/media/CRASHED") {
		t.Error("the folder of a mount that was never made is left over")
	}
	if err := again.unmount(d.name, false, false); err != nil {
		t.Fatal(err)
	}
	again.expect("unmounted "+d.name, "LABEL=STAYS", "FSTYPE=ext4")
	if err := again.unmount("all", false, false); err != nil {
		t.Fatal(err)
	}
	again.expect("unmounted")
	sane(t, dir)
}

func TestMostAtATime(t *testing.T) {
	dir := t.TempDir()
	a, b := newStick(t, dir), newStick(t, dir)
	r := start(t, dir, strings.Replace(loops, "{", "{max: 1, ", 1))
	a.insert(ext4(t, "ONE"), false)
	r.expect("mounted " + a.name)
	b.insert(ext4(t, "TWO"), false)
	r.expect("failed "+b.name, "max")
	if err := r.unmount(a.name, false, false); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted")
	r.expect("mounted " + b.name)
}

func TestPlantedLinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	for _, name := range []string{"/media", "/target"} {
		if err := os.Mkdir(dir+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir+"/target", dir+"/media/TRAP"); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, loops)
	d.insert(ext4(t, "TRAP"), false)
	r.expect("mounted "+d.name, "/media/TRAP-2")
	if mountedAt(t, dir+"/target") != nil {
		t.Error("mounted where the link led")
	}
}

// startWithFirst runs the source, which has mounted a stick that is called FIRST, and returns the file that the stick consists of, too:
// what is written to that is on the device, below its cache.
func startWithFirst(t *testing.T) (r *rig, d *stick, first string) {
	t.Helper()
	dir := t.TempDir()
	d, first = newStick(t, dir), ext4(t, "FIRST")
	d.insert(first, false)
	r = start(t, dir, strings.Replace(loops, "{", "{read_only: true, ", 1))
	r.expect("mounted "+d.name, "/media/FIRST")
	return r, d, first
}

// A medium that cannot be read right after the change is compared when it can.
func TestSwappedMediumThatIsNotReadableYet(t *testing.T) {
	r, d, first := startWithFirst(t)

	away := d.name + ".away" // nobody can open it meanwhile
	second, err := os.ReadFile(ext4(t, "SECOND"))
	if err := errors.Join(err, os.Rename(d.name, away)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first, second, 0); err != nil {
		t.Fatal(err)
	}
	r.changeMedium(d)
	r.quiet()
	r.do(func() {
		if r.source.points[r.dir+"/media/FIRST"] == nil || r.source.devices[d.name].compares != 1 {
			t.Error("compared what could not be read")
		}
	})
	if err := os.Rename(away, d.name); err != nil {
		t.Fatal(err)
	}
	r.expect("yanked "+d.name, "/media/FIRST")
	r.expect("mounted "+d.name, "/media/SECOND")
	if err := r.unmount("all", false, false); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted")
	sane(t, r.dir)
}

// Before anybody compares the new medium, the kernel has written to it what
// belongs to the old one.
func TestSwappedMediumThatWasWrittenTo(t *testing.T) {
	r, d, first := startWithFirst(t)

	const from, size = 1024, 1024 // the superblock
	old, err := os.ReadFile(first)
	second, errSecond := os.ReadFile(image(t, "/usr/sbin/mkfs.vfat", "-n", "SECOND"))
	if err := errors.Join(err, errSecond); err != nil {
		t.Fatal(err)
	}
	copy(second[from:], old[from:from+size])
	if err := os.WriteFile(first, second, 0); err != nil {
		t.Fatal(err)
	}
	r.changeMedium(d)
	r.expect("yanked "+d.name, "/media/FIRST")
	r.expect("failed "+d.name, "ambivalent content")
	sane(t, r.dir)
}

// As long as it is not known, what is mounted writes to the new medium.
func TestMediaAreComparedBeforeAnythingElseIsAsked(t *testing.T) {
	r, d, _ := startWithFirst(t)
	m := &troubled{name: d.name}
	r.quiet()
	r.do(func() { m.machine, r.source.machine = r.source.machine, m })
	r.changeMedium(d)
	r.quiet()
	r.do(func() {
		if want := []string{"swapped", "look"}; !slices.Equal(m.asked, want) {
			t.Errorf("asked for %q, want %q", m.asked, want)
		}
	})
}

// A card is changed faster than anyone can see that there was none.
func TestMediumSwappedWhileMounted(t *testing.T) {
	r, d, first := startWithFirst(t)
	r.changeMedium(d)
	r.quiet()
	r.do(func() {
		if r.source.points[r.dir+"/media/FIRST"] == nil {
			t.Error("a drive that was reset lost the mount of its medium")
		}
	})

	second, err := os.ReadFile(ext4(t, "SECOND"))
	if err == nil {
		err = os.WriteFile(first, second, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.changeMedium(d)
	r.expect("yanked "+d.name, "/media/FIRST")
	r.expect("mounted "+d.name, "/media/SECOND")
	if err := r.unmount("all", false, false); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted")
	sane(t, r.dir)
}
