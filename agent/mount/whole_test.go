// SPDX-License-Identifier: MIT

package mount

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"reflexd/agent/expand"
	"reflexd/agent/mount/fstype"
	"reflexd/blkid"
	"reflexd/sources"
)

// debugfs changes an ext filesystem.
func debugfs(t *testing.T, path string, requests ...string) string {
	t.Helper()
	for _, request := range requests {
		if out, err := exec.Command("/usr/sbin/debugfs", "-w", "-R", request, path).CombinedOutput(); err != nil {
			t.Fatalf("debugfs: %v\n%s", err, out)
		}
	}
	return path
}

// apart makes an ext4 whose journal is on another device.
func apart(t *testing.T) string {
	t.Helper()
	path := image(t, "/usr/sbin/mkfs.ext4", "-q", "-F", "-L", "APART", "-O", "^has_journal", "-E", "root_owner=0:0")
	return debugfs(t, path, "feature has_journal", "ssv journal_dev 0x701")
}

// superOptions are the options in mountinfo that are the filesystem's.
func superOptions(t *testing.T, point string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " "+point+" ") {
			return line[strings.LastIndex(line, " ")+1:]
		}
	}
	t.Fatalf("nothing is mounted at %s", point)
	return ""
}

// loopsWith is the policy for the test's own sticks, and more.
func loopsWith(more string) string { return strings.TrimSuffix(loops, "}") + more + "}" }

// What a superblock asks for is overridden, and the owner's word is not.
func TestErrorsDoNotPanic(t *testing.T) {
	for owner, want := range map[string]string{
		"":                                     "rw,block_validity,nowarn_on_error,errors=remount-ro\n",
		", options: {ext4: [errors=continue]}": "rw,block_validity,nowarn_on_error\n",
	} {
		t.Run("", func(t *testing.T) {
			dir := t.TempDir()
			d := newStick(t, dir)
			r := start(t, dir, loopsWith(owner))
			d.insert(debugfs(t, ext4(t, "ASKS"), "ssv errors 1", "ssv mount_opts warn_on_error,errors=continue,noblock_validity"), false)
			r.expect("mounted " + d.name)
			if got := superOptions(t, dir+"/media/ASKS"); got != want {
				t.Errorf("with %q: options %s, want %s", owner, got, want)
			}
		})
	}
}

// A filesystem that is only partly on the drive is mounted if the owner says
// how to do without the rest.
func TestPartsElsewhere(t *testing.T) {
	for _, c := range []struct{ name, policy, image, want string }{
		{"journal", "", apart(t), "failed"},
		{"owner does without", `, read_only: true, options: {ext4: [noload]}`, apart(t), "mounted"},
		{"superblock insists", `, read_only: true, options: {ext4: [noload]}`, debugfs(t, apart(t), "ssv mount_opts acl,journal_path=/dev/null"), "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			d := newStick(t, dir)
			r := start(t, dir, loopsWith(c.policy))
			d.insert(c.image, false)
			e := r.expect(c.want + " " + d.name)
			reason := strings.Contains(e, "journal is on another device (to mount it, name that in `options`: journal_dev") ||
				strings.Contains(e, `the mount options in its superblock, "acl,journal_path=/dev/null", name a device`)
			if (c.want == "failed") != reason {
				t.Error(e)
			}
			r.stop()
			if c.want == "failed" {
				sane(t, dir)
			}
		})
	}
}

// The kernel has a folder in sysfs for each btrfs that is mounted.
func TestTwinOfBtrfs(t *testing.T) {
	const mounted = "01234567-89ab-cdef-fedc-ba9876543210"
	m := &blocks{sys: t.TempDir()}
	if err := os.MkdirAll(m.sys+"/fs/btrfs/"+mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		content blkid.Content
		want    string
	}{
		{blkid.Content{Type: "btrfs", UUID: mounted}, "mount /dev/x as btrfs: a btrfs with this UUID is already mounted"},
		{blkid.Content{Type: "btrfs", UUID: "11234567-89ab-cdef-fedc-ba9876543210"}, ""},
		{blkid.Content{Type: "btrfs"}, ""}, // one of zeros is none
		{blkid.Content{Type: "xfs", UUID: mounted}, ""},
	} {
		f := &facts{identity: identity{name: "/dev/x"}, content: c.content, twin: m.hasTwin(&c.content)}
		w := &wish{facts: f, kind: fstype.Find(c.content.Type), options: []string{"degraded"}}
		if err := w.whole(); (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%+v: %v, want %q", c.content, err, c.want)
		}
	}
}

// The owner's options name other devices, but a drive's never.
func TestWhole(t *testing.T) {
	journal, two := "its journal is on another device", "it is one of 2 devices"
	for _, c := range []struct {
		kind    string
		content blkid.Content
		options []string
		whole   bool
	}{
		{"vfat", blkid.Content{Type: "iso9660", Elsewhere: "?"}, nil, true}, // its driver opens nothing else
		{"ext4", blkid.Content{Type: "ext4", Options: "errors=panic"}, nil, true},
		{"ext4", blkid.Content{Type: "ext4", Options: "journal_dev=2049"}, nil, false},
		{"ext4", blkid.Content{Type: "ext3", Options: "acl,,journal_path"}, []string{"noload"}, false},
		{"ext4", blkid.Content{Type: "ext4", Elsewhere: journal}, []string{"journal_path=/dev/sdb1"}, true},
		{"ext4", blkid.Content{Type: "ext4", Elsewhere: journal}, []string{"logdev=/dev/sdb1"}, false},
		{"xfs", blkid.Content{Type: "xfs", Elsewhere: "its log"}, []string{"noatime", "logdev=/dev/sdb1"}, true},
		{"btrfs", blkid.Content{Type: "btrfs", Elsewhere: two}, []string{"device=/dev/sdb"}, true},
		{"btrfs", blkid.Content{Type: "btrfs", Elsewhere: two}, []string{"devices=/dev/sdb"}, false},
		{"f2fs", blkid.Content{Type: "f2fs", Elsewhere: "names"}, []string{"device=/dev/sdb", "norecovery"}, false},
		{"ext2", blkid.Content{Type: "ext4", Elsewhere: journal}, nil, false},
		{"xfs", blkid.Content{}, nil, false},
		{"f2fs", blkid.Content{Type: "vfat"}, nil, false},
	} {
		w := &wish{facts: &facts{content: c.content}, kind: fstype.Find(c.kind), options: c.options}
		if err := w.whole(); (err == nil) != c.whole {
			t.Errorf("%s with %q as %s: %v", c.content.Type, c.options, c.kind, err)
		}
	}
}

// A rule's `type` is no way around: whether it has parts elsewhere is known of
// what is on the drive only.
func TestTypeOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	d.insert(ext4(t, "TRUE"), false)
	r := start(t, dir, "off")
	mount := func(kind string) error {
		at, _ := expand.Parse(dir + "/media/x")
		return r.ask(func(done func(error)) {
			r.source.Mount(Request{Device: d.name, At: at, Type: kind, Event: &sources.Event{}}, done)
		})
	}
	if err := mount("f2fs"); err == nil || !strings.Contains(err.Error(), "expected f2fs on it, found ext4") {
		t.Errorf("f2fs: %v", err)
	}
	r.expect("failed " + d.name)
	if err := mount("ext2"); err != nil { // the same driver's
		t.Errorf("ext2: %v", err)
	}
	r.expect("mounted " + d.name)
}
