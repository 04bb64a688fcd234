// SPDX-License-Identifier: MIT

// The machine: all that the source asks of the kernel and does to devices. A
// simulation has another.

package mount

import (
	"path/filepath"

	"reflexd/sources"
)

// machine is what the source finds and does. Its methods may take as long as a
// device takes, and are called in the background.
type machine interface {
	// list returns what block devices there are, find the one with that name.
	list() ([]identity, error)
	find(name string) (identity, error)
	// look finds out about a device; see claims.look.
	look(id identity, interesting func(*facts) bool) *facts
	// revalidate has the kernel look whether a drive has another medium, as
	// swapped does, which reports whether what is mounted was on another one, and
	// that the kernel cannot be made to see it.
	revalidate(name string)
	swapped(id identity, mounted []held) (bool, error)
	watchMedium(f *facts, interesting func(*facts) bool)
	// attach mounts a device. release unmounts it and cleans up, and reports
	// whether it is mounted still; cut does so for a device that is gone.
	attach(w *wish) (*mounted, error)
	release(id identity, mt *mounted, how manner) (still bool, err error)
	cut(id identity, mt *mounted) error
	releaseForeign(target string, how manner) error
	// mountTable returns what is mounted. tidy cleans up behind a mount if it is
	// not there any more, and reports whether it still is.
	mountTable() ([]entry, error)
	tidy(id identity, mt *mounted) (still bool)
	// drive finds the drive that a device is, or is a part of; eject detaches it.
	drive(name string) (*drive, error)
	eject(d *drive) error
	// takeStock looks at what an earlier run of ours has mounted.
	takeStock(roots []string) (kept, stale []remembered, err error)
}

// real is the machine that we run on.
type real struct {
	blocks  blocks
	claims  claims
	mounter mounter
}

func newReal(h *sources.Host) *real {
	b, mounts := blocks{dev: h.Dev, sys: h.Sys}, mountinfo(h.Proc)
	return &real{
		blocks:  b,
		claims:  claims{blocks: b, mounts: mounts, proc: h.Proc, fstab: "/etc/fstab"},
		mounter: mounter{mounts: mounts, processes: processes(h.Proc), records: "/run/reflexd/mounts"},
	}
}

func (m *real) list() ([]identity, error)          { return m.blocks.list() }
func (m *real) find(name string) (identity, error) { return m.blocks.find(name) }
func (m *real) drive(name string) (*drive, error)  { return m.blocks.drive(name) }
func (m *real) eject(d *drive) error               { return d.eject(&m.mounter) }
func (m *real) revalidate(name string)             { revalidate(name) }

func (m *real) look(id identity, interesting func(*facts) bool) *facts {
	return m.claims.look(id, interesting)
}

func (m *real) swapped(id identity, mounted []held) (bool, error) {
	if len(mounted) == 0 {
		revalidate(id.name)
		return false, nil
	}
	swapped, err := m.blocks.swapped(id, mounted)
	return swapped && !m.blocks.renew(wholeOf(filepath.Join(m.blocks.sys, id.path))), err
}

func (m *real) watchMedium(f *facts, interesting func(*facts) bool) { watchMedium(f, interesting) }
func (m *real) attach(w *wish) (*mounted, error)                    { return m.mounter.attach(w) }
func (m *real) cut(id identity, mt *mounted) error                  { return m.mounter.cut(id, mt) }

func (m *real) release(id identity, mt *mounted, how manner) (still bool, err error) {
	err = m.mounter.release(mt.point, how)
	return m.tidy(id, mt), err
}

func (m *real) tidy(id identity, mt *mounted) (still bool) {
	if still = m.mounter.mounts.has(mt.point, &id); !still {
		m.mounter.clean(id, mt)
	}
	return still
}

func (m *real) mountTable() ([]entry, error) { return m.mounter.mounts.read() }

func (m *real) releaseForeign(target string, how manner) error {
	return m.mounter.releaseForeign(target, m.blocks.dev, how)
}

func (m *real) takeStock(roots []string) (kept, stale []remembered, err error) {
	return m.mounter.takeStock(&m.blocks, roots)
}
