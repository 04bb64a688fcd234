// SPDX-License-Identifier: MIT

package mount

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/agent/loop/looptest"
	"reflexd/sources"
)

// refusing is a machine whose devices cannot be listed.
type refusing struct {
	*simulated
	err error
}

func (m *refusing) list() ([]identity, error) {
	if m.err != nil {
		return nil, m.err
	}
	return m.simulated.list()
}

// stickOf is a source without a kernel, with a USB drive.
func stickOf(t *testing.T, fstype string) (s *Source, late *looptest.Late, events *[]string) {
	late, events = &looptest.Late{Loop: loop.NewVirtual(time.Hour)}, &[]string{}
	s = newSource(sources.Host{Loop: late, Simulated: true, Log: slog.New(slog.DiscardHandler), Emit: func(e *sources.Event) {
		*events = append(*events, e.Topic.State+" "+e.Topic.Name)
	}})
	if _, err := s.SimulatePlug(map[string]string{"DEVNAME": "/dev/sda1", "FSTYPE": fstype, "LABEL": "A", "ID_BUS": "usb"}); err != nil {
		t.Fatal(err)
	}
	return s, late, events
}

const others, sticks = `[{match: {LABEL: B}, at: /media/b}]`, `[{match: {LABEL: A}, at: /media/a}]`

// A reload while the devices are listed has each looked at again, whatever they were
// listed for.
func TestReloadWhileListing(t *testing.T) {
	s, late, events := stickOf(t, "vfat")
	s.Apply(readPlan(t, others))
	late.End()
	s.list(false) // as after a loss
	s.Apply(readPlan(t, sticks))
	late.End()
	if !slices.Contains(*events, "mounted /media/a") {
		t.Errorf("%q", *events)
	}
}

// A reload emits nothing of what it makes as little of as the plan before; for another
// reason, it does.
func TestIgnoredOverReload(t *testing.T) {
	s, late, events := stickOf(t, "ext4")
	for _, c := range []struct{ yaml, want string }{
		{`[{match: {LABEL: A}, types: [vfat], at: /media/a}]`, "ignored /media/a"},
		{`[{match: {LABEL: A}, types: [vfat], at: /media/a}, {match: {LABEL: B}, at: /media/b}]`, ""},
		{`[{match: {LABEL: A}, types: [vfat], at: /media/c}]`, "ignored /media/c"},
		{`[{match: {LABEL: A}, at: /media/c}]`, "mounted /media/c"},
	} {
		s.Apply(readPlan(t, c.yaml))
		late.End()
		if got := strings.Join(*events, ", "); got != c.want {
			t.Errorf("%s: %q, want %q", c.yaml, got, c.want)
		}
		*events = nil
	}
}

// Devices that could not be listed since the kernel had not the means are listed
// again.
func TestListedAgain(t *testing.T) {
	s, late, events := stickOf(t, "vfat")
	m := &refusing{s.machine.(*simulated), unix.EMFILE}
	s.machine = m
	s.Apply(readPlan(t, sticks))
	late.End()
	m.err = nil
	late.Advance(late.Now()+time.Second, late.End)
	if !slices.Contains(*events, "mounted /media/a") {
		t.Errorf("%q", *events)
	}
}

// A device about which nothing could be found out, since the kernel had not the means,
// is not one that is gone. A lease on the file stands for that: it has the kernel answer
// EAGAIN.
func TestListIsWholeOrNone(t *testing.T) {
	dir := t.TempDir()
	b := &blocks{dev: "/dev", sys: dir}
	var last *os.File
	for _, name := range []string{"sda", "sdb"} {
		folder := filepath.Join(dir, "class/block", name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(folder, "uevent"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString("MAJOR=8\nMINOR=0\nDEVNAME=" + name + "\n"); err != nil {
			t.Fatal(err)
		}
		last = f
	}
	all, err := b.list()
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	if _, err := unix.FcntlInt(last.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	if all, err = b.list(); err == nil || !strings.Contains(err.Error(), "list block devices: ") {
		t.Errorf("%v, %v", all, err)
	}
}
