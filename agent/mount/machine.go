// SPDX-License-Identifier: MIT

// The machine: all that the source asks of the kernel and does to devices. A
// simulation has another.

package mount

// machine is what the source finds and does. Its methods may take as long as a
// device takes, and are called in the background.
type machine interface {
	// list returns what block devices there are, find the one with that name.
	list() ([]identity, error)
	find(name string) (identity, bool)
	// look finds out about a device; see claims.look.
	look(id identity, interesting func(*facts) bool) *facts
	// revalidate has the kernel look whether a drive has another medium;
	// swapped reports whether what is mounted was on another one, and that the
	// kernel cannot be made to see it.
	revalidate(name string)
	swapped(f *facts, mounted []held) (bool, error)
	watchMedium(f *facts, interesting func(*facts) bool)
	// attach mounts a device. release unmounts it and cleans up, and reports
	// whether it is mounted still; cut does so for a device that is gone.
	attach(w *wish) (*mounted, error)
	release(id identity, mt *mounted, how manner) (still bool, err error)
	cut(id identity, mt *mounted) error
	releaseForeign(target string, how manner) error
	// drive finds the drive that a device is, or is a part of; eject detaches it.
	drive(name string) (*drive, error)
	eject(d *drive) error
	// takeStock looks at what an earlier run of ours has mounted.
	takeStock(roots []string) (kept, stale []remembered, err error)
}

// real is the machine that we run on.
type real struct{ s *Source }

func (m real) list() ([]identity, error)         { return m.s.blocks.list() }
func (m real) find(name string) (identity, bool) { return m.s.blocks.find(name) }
func (m real) drive(name string) (*drive, error) { return m.s.blocks.drive(name) }
func (m real) eject(d *drive) error              { return d.eject(&m.s.mounter) }
func (m real) revalidate(name string)            { revalidate(name) }

func (m real) look(id identity, interesting func(*facts) bool) *facts {
	return m.s.claims.look(id, interesting)
}

func (m real) swapped(f *facts, mounted []held) (bool, error) {
	swapped, err := m.s.blocks.swapped(f, mounted)
	return swapped && !m.s.blocks.renew(f.whole), err
}

func (m real) watchMedium(f *facts, interesting func(*facts) bool) { watchMedium(f, interesting) }
func (m real) attach(w *wish) (*mounted, error)                    { return m.s.mounter.attach(w) }
func (m real) cut(id identity, mt *mounted) error                  { return m.s.mounter.cut(id, mt) }

func (m real) release(id identity, mt *mounted, how manner) (still bool, err error) {
	err = m.s.mounter.release(mt.point, how)
	if still = m.s.mounter.mounts.has(mt.point, &id); !still {
		m.s.mounter.clean(id, mt)
	}
	return still, err
}

func (m real) releaseForeign(target string, how manner) error {
	return m.s.mounter.releaseForeign(target, m.s.blocks.dev, how)
}

func (m real) takeStock(roots []string) (kept, stale []remembered, err error) {
	return m.s.mounter.takeStock(&m.s.blocks, roots)
}
