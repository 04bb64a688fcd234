// SPDX-License-Identifier: MIT

// Drives without a kernel, for tests of rules: which there are and what they
// hold comes from the test. The policies do with them what they ever do, and
// each mount succeeds.

package mount

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflexd/blkid"
	"reflexd/sources"
	"reflexd/sources/uevent"
)

// simulated is the machine of a simulation.
type simulated struct {
	devices []*simulatedDevice
	mounts  map[string]string // devices, by mount points
	kept    []remembered      // what is mounted at the start
	made    int               // devices so far, for their numbers
}

// simulatedDevice is a block device with all that can be found out about it.
type simulatedDevice struct {
	identity
	fields map[string]string
}

// contentFields are what is read from a device itself: the kernel's
// announcement has none of them.
var contentFields = []string{"FSTYPE", "LABEL", "UUID", "SIZE", "REMOVABLE", "READ_ONLY", "DIRTY"}

// SimulatePlug puts a block device there, and returns the properties with which
// the kernel announces it. FSTYPE, LABEL, UUID, SIZE and REMOVABLE say what it
// is and holds; READ_ONLY=1 makes it write-protected, DIRTY=1 one that was
// removed too early before.
func (s *Source) SimulatePlug(properties map[string]string) (map[string]string, error) {
	sim := s.machine.(*simulated)
	own := maps.Clone(properties)
	name := own["DEVNAME"]
	switch {
	case name == "":
		return nil, errors.New("a drive has a DEVNAME, such as /dev/sda1")
	case !strings.HasPrefix(name, "/"):
		own["DEVNAME"] = "/dev/" + name
	}
	if sim.device(own["DEVNAME"]) != nil {
		return nil, fmt.Errorf("%s is plugged in already", own["DEVNAME"])
	}
	sim.complete(own)
	id := identity{name: own["DEVNAME"], path: own["DEVPATH"], number: own["MAJOR"] + ":" + own["MINOR"], seq: own["DISKSEQ"]}
	sim.devices = append(sim.devices, &simulatedDevice{id, own})
	announced := maps.Clone(own)
	maps.DeleteFunc(announced, func(key, _ string) bool { return slices.Contains(contentFields, key) })
	return announced, nil
}

// SimulatePull takes a device away, and of a drive its partitions before it.
// It returns the properties with which the kernel announces each.
func (s *Source) SimulatePull(name string) ([]map[string]string, error) {
	sim := s.machine.(*simulated)
	drive := sim.device(name)
	if drive == nil {
		return nil, fmt.Errorf("%s is not plugged in", name)
	}
	var gone []map[string]string
	for _, d := range slices.Backward(slices.Clone(sim.devices)) {
		if d != drive && !strings.HasPrefix(d.path, drive.path+"/") {
			continue
		}
		sim.devices = slices.DeleteFunc(sim.devices, func(o *simulatedDevice) bool { return o == d })
		announced := maps.Clone(d.fields)
		maps.DeleteFunc(announced, func(key, _ string) bool { return slices.Contains(contentFields, key) })
		announced["ACTION"] = "remove"
		gone = append(gone, announced)
	}
	slices.SortStableFunc(gone, func(a, b map[string]string) int { return len(b["DEVPATH"]) - len(a["DEVPATH"]) })
	return gone, nil
}

// SimulateMounted has a drive be mounted at point when the plan is applied, by
// an earlier run of ours.
func (s *Source) SimulateMounted(point string, fields map[string]string) error {
	if !strings.HasPrefix(point, "/") || path.Clean(point) != point || point == "/" {
		return fmt.Errorf("%q is no mount point", point)
	}
	sim := s.machine.(*simulated)
	own := maps.Clone(fields)
	for letter := 'a'; own["DEVNAME"] == "" || sim.device(own["DEVNAME"]) != nil && fields["DEVNAME"] == ""; letter++ {
		own["DEVNAME"] = fmt.Sprintf("/dev/sd%c1", letter)
	}
	if _, err := s.SimulatePlug(own); err != nil {
		return err
	}
	d := sim.devices[len(sim.devices)-1]
	root, below := path.Split(point)
	mt := mounted{root: path.Clean(root), below: below, point: point}
	f := sim.look(d.identity, func(*facts) bool { return true })
	sim.kept = append(sim.kept, remembered{identity: d.identity, mounted: mt, fields: append(eventFieldsOf(f), readOnlyField(f.protected))})
	sim.mounts[point] = d.name
	return nil
}

// Simulates reports whether the device or mount point is one of the
// simulation's: of another, nothing is known. "all" is.
func (s *Source) Simulates(target string) bool {
	sim, target := s.machine.(*simulated), strings.TrimRight(target, "/")
	return target == "all" || sim.mounts[target] != "" || sim.device(target) != nil
}

// complete adds what a device has that is not given.
func (sim *simulated) complete(own map[string]string) {
	sim.made++
	kind := "disk"
	if _, isPart := uevent.DriveOf(path.Base(own["DEVNAME"])); isPart {
		kind = "partition"
	}
	for key, value := range map[string]string{
		"ACTION": "add", "SUBSYSTEM": "block", "DEVTYPE": kind, "MAJOR": "8", "MINOR": strconv.Itoa(sim.made), "DISKSEQ": strconv.Itoa(sim.made),
	} {
		if own[key] == "" {
			own[key] = value
		}
	}
	if own["DEVPATH"] == "" {
		own["DEVPATH"] = uevent.DevPath(own)
	}
}

func (sim *simulated) device(name string) *simulatedDevice {
	for _, d := range sim.devices {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (sim *simulated) list() (all []identity, err error) {
	for _, d := range sim.devices {
		all = append(all, d.identity)
	}
	return all, nil
}

func (sim *simulated) find(name string) (identity, error) {
	d := sim.device(name)
	if d == nil {
		return identity{}, errNoDevice
	}
	return d.identity, nil
}

// simulatedSize is how many bytes a drive has for which it is not given.
const simulatedSize = 8 << 30

func (sim *simulated) look(id identity, interesting func(*facts) bool) *facts {
	f := &facts{identity: id, size: simulatedSize}
	d := sim.device(id.name)
	if d == nil {
		f.claim = "it is not plugged in"
		return f
	}
	for _, key := range slices.Sorted(maps.Keys(d.fields)) {
		if slices.Contains(deviceFields, key) {
			f.set(key, sources.Text(d.fields[key]))
		}
	}
	if n, err := strconv.ParseInt(d.fields["SIZE"], 10, 64); err == nil {
		f.size = n
	}
	f.set("SIZE", sources.Int(f.size))
	if d.fields["DEVTYPE"] == "partition" {
		f.part = 1
	}
	f.protected = d.fields["READ_ONLY"] == "1"
	f.removable = d.fields["ID_BUS"] == "usb" || d.fields["REMOVABLE"] == "1"
	if f.removable {
		f.set("REMOVABLE", sources.Int(1))
	}
	switch point := sim.pointOf(id.name); {
	case !interesting(f):
		f.claim = "no policy matches"
	case point != "":
		f.claim = "it is already mounted at " + point
	case d.fields["FSTYPE"] == "" && sim.hasParts(d):
		f.claim = "it has partitions"
	default:
		f.content = contentOf(d.fields)
		f.describeContent()
	}
	return f
}

// contentOf returns what is on a device.
func contentOf(fields map[string]string) blkid.Content {
	c := blkid.Content{Type: fields["FSTYPE"], Label: fields["LABEL"], UUID: fields["UUID"], Dirty: fields["DIRTY"] == "1"}
	switch {
	case c.Type == "":
	case strings.HasPrefix(c.Type, "crypto_"), c.Type == "BitLocker":
		c.Usage = blkid.Crypto
	case strings.HasSuffix(c.Type, "_member"):
		c.Usage = blkid.RAID
	default:
		c.Usage = blkid.Filesystem
	}
	return c
}

func (sim *simulated) pointOf(name string) string {
	for _, point := range slices.Sorted(maps.Keys(sim.mounts)) {
		if sim.mounts[point] == name {
			return point
		}
	}
	return ""
}

func (sim *simulated) hasParts(drive *simulatedDevice) bool {
	return slices.ContainsFunc(sim.devices, func(d *simulatedDevice) bool { return strings.HasPrefix(d.path, drive.path+"/") })
}

func (sim *simulated) revalidate(string)                      {}
func (sim *simulated) swapped(identity, []held) (bool, error) { return false, nil }
func (sim *simulated) watchMedium(*facts, func(*facts) bool)  {}
func (sim *simulated) releaseForeign(string, manner) error    { return nil }
func (sim *simulated) eject(*drive) error                     { return nil }
func (sim *simulated) mountTable() ([]entry, error)           { return nil, nil }
func (sim *simulated) tidy(identity, *mounted) (still bool)   { return true }
func (sim *simulated) takeStock([]string) (kept, stale []remembered, err error) {
	return sim.kept, nil, nil
}

func (sim *simulated) attach(w *wish) (*mounted, error) {
	result := &mounted{root: w.root, below: w.below, point: filepath.Join(w.root, w.below), made: 1}
	if sim.mounts[result.point] != "" {
		return nil, errTaken
	}
	w.decide(result)
	sim.mounts[result.point] = w.facts.name
	return result, nil
}

func (sim *simulated) release(_ identity, mt *mounted, _ manner) (still bool, err error) {
	delete(sim.mounts, mt.point)
	return false, nil
}

func (sim *simulated) cut(id identity, mt *mounted) error {
	_, err := sim.release(id, mt, manner{})
	return err
}

func (sim *simulated) drive(name string) (*drive, error) {
	d := sim.device(name)
	if d == nil {
		return nil, fmt.Errorf("eject %s: %w", name, errNoDevice)
	}
	if whole := sim.device(path.Join(path.Dir(name), path.Base(path.Dir(d.path)))); whole != nil {
		d = whole
	}
	return &drive{identity: d.identity}, nil
}

// Simulated returns the event that something happened to what is mounted at
// point, whatever mounts it, with fields such as DEVNAME and LABEL.
func Simulated(point, is string, fields map[string]string) (*sources.Event, error) {
	if !slices.Contains([]string{Mounted, Unmounted, Failed, Yanked, Ignored}, is) {
		return nil, fmt.Errorf("nothing that is mounted becomes %q", is)
	}
	device := fields["DEVNAME"]
	if device == "" {
		device = "/dev/sda1"
	}
	e := &sources.Event{Topic: sources.Topic{Kind: "mount", Name: point, State: is}, Source: "mount:" + device, Standing: sources.Begins}
	if is == Failed || is == Ignored {
		e.Standing = sources.NoState
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		e.Fields = append(e.Fields, sources.Field{Name: name, Value: sources.Text(fields[name])})
	}
	if _, given := fields["DEVNAME"]; !given {
		e.Fields = append(e.Fields, sources.Field{Name: "DEVNAME", Value: sources.Text(device)})
	}
	e.Fields = append(e.Fields, sources.Field{Name: "MOUNTPOINT", Value: sources.Text(point)})
	return e, nil
}
