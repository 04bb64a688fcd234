// SPDX-License-Identifier: MIT

// Policies: what is mounted by itself, where and how.

package mount

import (
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/agent/mount/fstype"
	"reflexd/config"
	"reflexd/sources"
)

// policy is one entry of `automount`. It does not change once it is read.
type policy struct {
	pos      config.Pos
	match    sources.Where
	matches  bool // match was given: without it, removable devices are meant
	types    []string
	at       template
	options  map[string]*options
	readOnly bool
	sync     bool
	owner    string // USER or USER:GROUP, "" for root
	refuse   bool   // a clash of names is a failure
	write    bool   // a dirty filesystem is written to
	most     int    // how many at the same time; 0 for any number
}

// options are those for one type of filesystem.
type options struct {
	pos   config.Pos
	words []string
}

func newPolicy() *policy {
	p := &policy{}
	p.at.text, _ = expand.Parse(DefaultPoint)
	return p
}

// automountValue reads on, off, one policy or a list of them. A second file's
// policies come after the first's.
func (p *Plan) automountValue() config.Value {
	var on bool
	short := config.Bool(&on)
	one := func(q **policy) config.Value {
		*q = newPolicy()
		return config.At(&(*q).pos, (*q).value())
	}
	list := config.OneOrMore(&p.policies, one)
	shape, or := short.Shape(), list.Shape()
	shape.Or = &or
	return config.Func(shape, func(n config.Node, ps *config.Problems) {
		if n.Kind != config.Scalar {
			list.Read(n, ps)
			return
		}
		on = false
		short.Read(n, ps)
		if on {
			q := newPolicy()
			q.pos = n.Pos
			p.policies = append(p.policies, q)
		}
	})
}

func (q *policy) value() config.Value {
	where := sources.WhereValue(&q.match)
	match := config.Wrap(where, func(n config.Node, ps *config.Problems) {
		where.Read(n, ps)
		q.matches = true
		checkMatch(n, &q.match, ps)
	})
	clash := "suffix"
	dirty := "read-only"
	word := func(s *string) config.Value { return config.OneOf(s, fstype.Names()...) }
	place := func(o *options) *config.Pos { return &o.pos }
	return config.Object(
		config.Field{Name: "match", Also: "device", Doc: "conditions on the device's fields", Default: "any USB device or card reader", Value: match},
		config.Field{Name: "types", Also: "type fstype", Doc: "the filesystems to mount, one or a list", Default: "all known types", Value: config.OneOrMore(&q.types, word)},
		config.Field{Name: "at", Also: "path mountpoint mount_point", Doc: "the mount point, created if missing", Default: DefaultPoint, Value: q.at.value()},
		config.Field{Name: "options", Doc: "per type, added to nosuid, nodev, noexec, relatime and the type's defaults", Value: config.MapOf(&q.options, place, optionsValue)},
		config.Field{Name: "read_only", Doc: "mount it read-only, and write nothing to it", Default: "off", Value: config.Bool(&q.readOnly)},
		config.Field{Name: "sync", Doc: "write to the device at once: slow, and wears out flash memory", Default: "off", Value: config.Bool(&q.sync)},
		config.Field{Name: "owner", Doc: "USER or USER:GROUP that owns the files of a filesystem without owners", Default: "root", Value: config.Word(&q.owner, "a user")},
		config.Field{Name: "on_clash", Doc: "when the name is taken: append -2 and so on, or fail", Default: clash, Value: clashValue(&q.refuse)},
		config.Field{Name: "dirty", Doc: "what to do with a drive that was removed too early before and has no journal", Default: dirty, Value: dirtyValue(&q.write)},
		config.Field{Name: "max", Doc: "maximum number mounted at the same time", Default: "any number", Value: config.Int(&q.most, 1, 1000)},
	)
}

func clashValue(refuse *bool) config.Value { return either(refuse, "suffix", "refuse") }
func dirtyValue(write *bool) config.Value  { return either(write, "read-only", "write") }

// either reads one of two words, of which the second sets b.
func either(b *bool, no, yes string) config.Value {
	var text string
	word := config.OneOf(&text, no, yes)
	return config.Wrap(word, func(n config.Node, ps *config.Problems) {
		word.Read(n, ps)
		*b = text == yes
	})
}

func optionsValue(name string, o *options) config.Value {
	list := config.OneOrMore(&o.words, func(s *string) config.Value { return config.Word(s, "an option") })
	return config.Wrap(list, func(n config.Node, ps *config.Problems) {
		t := fstype.Find(name)
		if t == nil {
			ps.Errorf(o.pos, "unknown filesystem %q%s", name, config.Suggest(name, fstype.Names()))
			return
		}
		list.Read(n, ps)
		for _, word := range o.words {
			if err := fstype.Check(t, word); err != nil {
				ps.Errorf(n.Pos, "%v", err)
			}
		}
	})
}

// deviceFields are what is known of a device before it is mounted, and so may
// stand in `match` and in `at`.
var deviceFields = append([]string{"DEVNAME", "DEVPATH", "DEVTYPE", "MAJOR", "MINOR", "DISKSEQ", "PARTN", "PARTNAME",
	"PARTUUID", "REMOVABLE", "FSTYPE", "LABEL", "UUID", "SIZE"}, identityFields...)

// identityFields say what the hardware is; see uevent.Identify.
var identityFields = []string{"ID_BUS", "ID_VENDOR", "ID_VENDOR_ID", "ID_MODEL", "ID_MODEL_ID", "ID_SERIAL", "ID_SERIAL_SHORT", "ID_PATH",
	"ID_USB_INTERFACE_NUM"}

func checkMatch(n config.Node, w *sources.Where, ps *config.Problems) {
	for _, name := range w.Fields() {
		if !slices.Contains(deviceFields, name) {
			ps.Errorf(n.Pos, "a device has no field %s%s", name, config.Suggest(name, deviceFields))
		}
	}
	for _, name := range w.Exact("DEVNAME") {
		if !strings.HasPrefix(name, "/") {
			ps.Errorf(n.Pos, "DEVNAME is absolute: did you mean %q?", "/dev/"+name)
		}
	}
}

// takes reports whether q is about a device that has these fields.
func (q *policy) takes(f *facts) bool {
	if !q.matches {
		return f.removable
	}
	return q.match.Match(&sources.Event{Fields: f.fields})
}

// wants reports whether q mounts filesystems of the type.
func (q *policy) wants(name string) bool {
	return len(q.types) == 0 || slices.Contains(q.types, name)
}
