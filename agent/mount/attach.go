// SPDX-License-Identifier: MIT

// Mounting: one try at one mount point, in the background.

package mount

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
	"reflexd/agent/mount/fstype"
)

// wish is how a device is to be mounted.
type wish struct {
	facts    *facts
	kind     *fstype.Type
	options  []string
	readOnly bool
	sync     bool
	write    bool // even if it is dirty
	owner    string
	root     string // the fixed folder
	below    string // the mount point below it
	refuse   bool   // no other name if that one is taken
	policy   *policy
}

// mounted is what came of it.
type mounted struct {
	root, below string
	point       string
	made        int // how many of the lowest folders of below are ours
	readOnly    bool
	why         string // it is read-only though nobody asked for it
	unguarded   []fstype.Guard
}

// mounter attaches and detaches filesystems, and keeps the records of those
// that are ours.
type mounter struct {
	mounts    mountinfo
	processes processes
	records   records
}

// attach mounts the device. It fails with errTaken where another mount point
// may do.
func (m *mounter) attach(w *wish) (*mounted, error) {
	f, result, err := m.prepare(w)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err = w.mountOn(f, result); err == nil {
		if err = m.verify(w, result); err != nil {
			if left := m.umount(result.point, unix.MNT_DETACH); left != nil { // with its record: the next run cleans up
				return nil, errors.Join(err, left)
			}
		}
	}
	if err != nil {
		m.clean(w.facts.identity, result)
		return nil, err
	}
	return result, nil
}

// prepare makes the folder. It tries again if an upper one is removed
// meanwhile, which another device's mount point had in it.
func (m *mounter) prepare(w *wish) (f *folder, result *mounted, err error) {
	const mostTries = 10
	for range mostTries {
		if f, err = openFolder(w.root, w.below); err != nil {
			return nil, nil, err
		}
		result = &mounted{root: f.root, below: f.below, point: f.point(), made: f.made}
		if err = m.record(w.facts.identity, f, result); err == nil {
			return f, result, nil
		}
		f.close()
		m.clean(w.facts.identity, result)
		if !errors.Is(err, errUndone) {
			break
		}
	}
	return nil, nil, err
}

// record records the mount and then makes the folder: whenever we are killed,
// the next run knows which folders are ours.
func (m *mounter) record(id identity, f *folder, result *mounted) error {
	if err := m.records.remember(id, result); err != nil {
		return err
	}
	err := f.make()
	if f.made == result.made {
		return err
	}
	result.made = f.made
	return errors.Join(err, m.records.remember(id, result))
}

// mountOn mounts the device on the folder, read-only if it cannot be written
// to or better is not.
func (w *wish) mountOn(f *folder, result *mounted) error {
	o, err := w.mountOptions()
	if err != nil {
		return err
	}
	w.decide(result)
	err = w.try(f, o, result)
	protected := errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES)
	if protected && !result.readOnly {
		result.readOnly, result.why = true, "the device is write-protected"
		err = w.try(f, o, result)
	}
	if errors.Is(err, unix.EROFS) && w.kind.NoReplay != "" {
		o.Add(w.kind.NoReplay)
		result.why = "the device is write-protected, so its journal is not replayed"
		err = w.try(f, o, result)
	}
	return w.explain(err)
}

// decide says whether the device is mounted read-only, as far as that is known
// before.
func (w *wish) decide(result *mounted) {
	c := &w.facts.content
	result.readOnly = w.readOnly || w.kind.ReadOnly || c.ReadOnly
	switch {
	case result.readOnly:
	case w.facts.protected:
		result.readOnly, result.why = true, "the device is write-protected"
	case c.Dirty && !w.kind.Journal && !w.write:
		result.readOnly, result.why = true, "it was not unmounted after its last use, and mounting does not repair it"
	}
}

// try calls mount(2) with each of the type's drivers until the kernel knows
// one.
func (w *wish) try(f *folder, o fstype.Options, result *mounted) (err error) {
	if result.readOnly {
		o.Flags |= unix.MS_RDONLY
	}
	for i := range w.kind.Drivers {
		d := &w.kind.Drivers[i]
		result.unguarded, err = d.Try(o, func(o fstype.Options) error {
			return unix.Mount(w.facts.name, procFd(f.fd), d.Name, o.Flags, strings.Join(o.Data, ","))
		})
		if err != unix.ENODEV {
			return err
		}
	}
	return err
}

func (w *wish) mountOptions() (fstype.Options, error) {
	o := fstype.Safe()
	o.Add(w.kind.Defaults...)
	if w.owner != "" && !w.kind.Owners {
		user, group, _ := strings.Cut(w.owner, ":")
		a, err := account.Find("", user, group)
		if err != nil {
			return o, fmt.Errorf("owner of the files: %w", err)
		}
		o.Add(fmt.Sprintf("uid=%d", a.Uid), fmt.Sprintf("gid=%d", a.Gid))
		if w.kind.Name != "iso9660" {
			o.Add("umask=022")
		}
	}
	if w.sync {
		o.Add("sync")
		o.Data = slices.DeleteFunc(o.Data, func(s string) bool { return s == "flush" })
	}
	o.Add(w.options...)
	return o, nil
}

// explain says in words what mount(2) says by a number.
func (w *wish) explain(err error) error {
	kind := w.kind.Name
	switch err {
	case nil:
		return nil
	case unix.ENODEV:
		return fmt.Errorf("mount %s: %s", w.facts.name, fstype.Unknown(kind))
	case unix.EINVAL:
		hint := "a damaged filesystem, or an option unknown to the driver: see dmesg"
		if kind == "xfs" {
			hint = "the UUID of another mounted one, " + hint
		}
		return fmt.Errorf("mount %s as %s: %w (%s)", w.facts.name, kind, err, hint)
	case unix.EIO:
		return fmt.Errorf("mount %s as %s: %w (a damaged filesystem, or an unreadable device: see dmesg)", w.facts.name, kind, err)
	case unix.EPERM:
		return fmt.Errorf("mount %s as %s: %w (only root may mount)", w.facts.name, kind, err)
	}
	return fmt.Errorf("mount %s as %s: %w", w.facts.name, kind, err)
}

// verify looks whether the device is where it was mounted: it may have been
// another by then, or is gone already.
func (m *mounter) verify(w *wish, result *mounted) error {
	mounts, err := m.mounts.read()
	if err != nil {
		return err
	}
	e := at(mounts, result.point, w.facts.name, w.facts.number)
	if e == nil {
		return fmt.Errorf("mount %s: it did not appear at %s", w.facts.name, result.point)
	}
	if e.readOnly && !result.readOnly {
		result.readOnly, result.why = true, "the driver supports this filesystem only read-only"
	}
	return nil
}
