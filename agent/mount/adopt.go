// SPDX-License-Identifier: MIT

// Adoption: at start, what an earlier run of ours has mounted is ours again;
// of what it left behind otherwise nothing stays.

package mount

import "reflexd/sources"

// adopt reads the records, in the background, and then has the devices listed.
func (s *Source) adopt() {
	var roots []string
	for _, q := range s.plan.policies {
		root, _ := split(q.at.text)
		roots = append(roots, root)
	}
	s.takeStock(roots, 1)
}

// takeStock tries until it is known what is mounted: nothing can be mounted before.
func (s *Source) takeStock(roots []string, try int) {
	var kept, stale []remembered
	var err error
	s.host.Loop.Beside(func() { kept, stale, err = s.machine.takeStock(roots) }, func() {
		if err != nil {
			if try == 1 {
				s.host.Log.Error("cannot read what was mounted before; trying again", "error", err)
			}
			pause, _ := sources.EndlessPause(err, try)
			s.restocking = s.host.Loop.After(pause, func() { s.takeStock(roots, try+1) })
			return
		}
		for _, r := range kept {
			s.takeOver(r)
		}
		for _, r := range stale {
			d := &device{identity: r.identity, gone: true, fields: r.fields}
			s.host.Log.Warn("removed while mounted, while reflexd was not running", "device", r.name, "at", r.point)
			s.emit(d, Yanked, r.point)
		}
		s.adopting = false
		s.list(true)
	})
}

// takeOver makes a mount of an earlier run ours. It is a state that was found:
// nothing has happened.
func (s *Source) takeOver(r remembered) {
	d, mt := s.known(r.identity), r.mounted
	if !d.same(r.identity) { // pulled since the records were read
		d = &device{identity: r.identity, gone: true, mount: &mt, fields: r.fields}
		s.yank(d)
		return
	}
	d.mount, d.fields = &mt, r.fields
	s.points[mt.point] = d
	s.watchTable()
	s.host.Log.Info("still mounted", "device", r.name, "at", mt.point)
	s.emitState(d, Mounted, sources.Found, mt.point)
}

// takeStock separates the records of what is mounted and there from those of what
// was pulled while nobody looked, and cleans up behind these and behind those
// that were unmounted or never mounted.
func (m *mounter) takeStock(b *blocks, roots []string) (kept, stale []remembered, err error) {
	mounts, err := m.mounts.read()
	if err != nil {
		return nil, nil, err
	}
	records, err := m.records.recall()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range records {
		e := at(mounts, r.point, r.name, r.number)
		switch {
		case e == nil:
			m.clean(r.identity, &r.mounted)
		case b.isThere(r.identity):
			r.readOnly = e.readOnly
			r.fields = b.describe(&r)
			kept = append(kept, r)
		default:
			r.fields = []sources.Field{{Name: "DEVNAME", Value: sources.Text(r.name)}}
			if m.cut(r.identity, &r.mounted) != nil { // it is tried again when the device is found to be gone
				kept = append(kept, r)
				continue
			}
			stale = append(stale, r)
		}
	}
	for _, root := range roots {
		sweep(root)
	}
	return kept, stale, nil
}

// describe makes the fields of a mount that is taken over.
func (b *blocks) describe(r *remembered) []sources.Field {
	f := b.hardware(r.identity)
	f.content, f.err = probe(f.name, f.size)
	f.describeContent()
	return append(eventFieldsOf(f), readOnlyField(r.readOnly))
}
