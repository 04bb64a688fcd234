// SPDX-License-Identifier: MIT

package mount

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/agent/expand"
	lab "reflexd/lab/image"
	"reflexd/sources"
)

// What is no filesystem for a policy is an event, once, so that a rule can
// unlock or assemble it.
func TestIgnoredContent(t *testing.T) {
	luks := append([]byte("LUKS\xba\xbe\x00\x02"), make([]byte, 1<<20)...)
	for name, c := range map[string]struct {
		content []byte
		want    []string
	}{
		"LUKS":  {luks, []string{"FSTYPE=crypto_LUKS", "REASON=crypto_LUKS is not a filesystem"}},
		"empty": {make([]byte, 1<<20), []string{"REASON=unknown data, or none"}},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "image")
		if err := os.WriteFile(file, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		d := newStick(t, dir)
		r := start(t, dir, loops)
		d.insert(file, false)
		r.expect(append([]string{"ignored " + d.name}, c.want...)...)
		r.do(func() { r.source.list(true) }) // as after a loss: it is the same content
		r.quiet()
		if n := strings.Count(r.log.String(), "msg=ignored"); n != 1 {
			t.Errorf("%s: reported %d times", name, n)
		}
		d.empty()
		r.stop()
	}
}

// Of what is not in the policy's list of types that is said, too.
func TestIgnoredType(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	r := start(t, dir, `{match: {DEVNAME: "DIR/dev/loop*"}, types: [vfat], at: "DIR/media/x"}`)
	d.insert(ext4(t, "A"), false)
	r.expect("ignored "+d.name+" "+dir+"/media/x", "FSTYPE=ext4", "LABEL=A", "REASON=no policy is for ext4")
}

// An explicit order is carried out where automount leaves a disk to its
// partitions.
func TestOrderToMountADiskWithPartitions(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	r := start(t, dir, loops)
	r.quiet()
	file := ext4(t, "WHOLE")
	table := lab.Command(t.Context(), "sfdisk", "--quiet", "--force", "--wipe", "never", file)
	table.Stdin = strings.NewReader("label: dos\nstart=8192, size=2048, type=83\n")
	if out, err := table.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v %s", err, out)
	}
	d.insert(file, false)
	if out, err := exec.Command("partx", "-a", d.name).CombinedOutput(); err != nil {
		t.Fatalf("partx: %v %s", err, out)
	}
	defer exec.Command("partx", "-d", d.name).Run()
	r.quiet()
	at, _ := expand.Parse(dir + "/media/x")
	if err := r.ask(func(done func(error)) { r.source.Unmount(UnmountRequest{Target: d.name}, done) }); err != nil {
		t.Log(err) // it may have been mounted before its partitions were known
	}
	if err := r.ask(func(done func(error)) {
		r.source.Mount(Request{Device: d.name, At: at, Event: &sources.Event{}}, done)
	}); err != nil || mountedAt(t, dir+"/media/x") == nil {
		t.Errorf("mount: %v", err)
	}
}

// A partition that was unmounted on purpose is left alone when the table is
// read again, and not any more when its drive or medium is another.
func TestUnmountedPartitionStaysUnmounted(t *testing.T) {
	for what, c := range map[string]struct {
		then func(event func(state, name, path, seq string, more ...sources.Field))
		want bool
	}{
		"the table is read again": {func(func(string, string, string, string, ...sources.Field)) {}, true},
		"the drive is pulled": {func(event func(string, string, string, string, ...sources.Field)) {
			event("remove", "/dev/x", "/devices/x", "7")
			event("add", "/dev/x", "/devices/x", "")
		}, false},
		"the medium changes": {func(event func(string, string, string, string, ...sources.Field)) {
			event("change", "/dev/x", "/devices/x", "7", sources.Field{Name: "DISK_MEDIA_CHANGE", Value: sources.Text("1")})
		}, false},
	} {
		r := start(t, t.TempDir(), `false`)
		r.do(func() {
			s := r.source
			event := func(state, name, path, seq string, more ...sources.Field) {
				e := &sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "block", State: state}, Fields: []sources.Field{
					{Name: "DEVNAME", Value: sources.Text(name)}, {Name: "DEVPATH", Value: sources.Text(path)},
					{Name: "MAJOR", Value: sources.Text("8")}, {Name: "MINOR", Value: sources.Text("1")}}}
				if seq != "" {
					e.Fields = append(e.Fields, sources.Field{Name: "DISKSEQ", Value: sources.Text(seq)})
				}
				e.Fields = append(e.Fields, more...)
				s.takeUevent(e)
			}
			event("add", "/dev/x", "/devices/x", "7")
			event("add", "/dev/x1", "/devices/x/x1", "7")
			s.devices["/dev/x1"].released = true
			event("remove", "/dev/x1", "/devices/x/x1", "7")
			c.then(event)
			event("add", "/dev/x1", "/devices/x/x1", "")
			if got := s.devices["/dev/x1"].released; got != c.want {
				t.Errorf("%s: it is left alone: %v, want %v", what, got, c.want)
			}
			clear(s.devices)
		})
	}
}

// What follows a mount finds what that mounts, although the device is looked
// for in the background.
func TestRequestsKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	r := start(t, dir, `{match: {DEVNAME: /dev/nothing}, at: DIR/media/x}`)
	d.insert(ext4(t, "ORDER"), false)
	r.quiet()
	at, _ := expand.Parse(dir + "/media/order")
	for range 5 {
		first, second := make(chan error, 1), make(chan error, 1)
		r.do(func() {
			r.source.Mount(Request{Device: d.name, At: at, Event: &sources.Event{}}, func(err error) { first <- err })
			r.source.Unmount(UnmountRequest{Target: d.name}, func(err error) { second <- err })
		})
		if mount, unmount := await(t, first), await(t, second); mount != nil || unmount != nil || mountedAt(t, dir+"/media/order") != nil {
			t.Fatalf("mount: %v, unmount: %v", mount, unmount)
		}
	}
}
