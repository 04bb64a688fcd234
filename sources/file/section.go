// SPDX-License-Identifier: MIT

// The section `files` of the configuration.

package file

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/signal"
)

// defaultSignal is SIGRTMAX-2: far from those that drivers and programs choose
// for themselves, which count from the other end.
const defaultSignal = 62

// defaultMax and largest are bytes of one record, line or text.
const (
	defaultMax = 4096
	largest    = 65536
)

// File is one entry of `files`, or one that `monitor` was given.
type File struct {
	settings
	at, pathAt, watchAt, readAt, armAt, signalAt, eventsAt config.Pos
	startAt, endAt, lengthAt, gapAt                        config.Pos
	events                                                 []string
}

// settings are what a file is opened and watched with: where they are the
// same in two plans, the file stays open.
type settings struct {
	path, watch, read, arm string
	max, signal            int
	kinds                  uint32 // the IN_ events of `events`
	writable, urgent       bool   // rules wait for it
	serial                 serial
	framing
}

func (p *Plan) entry(_ string, f *File) config.Value {
	f.watch, f.max, f.signal = bySignal, defaultMax, defaultSignal
	return config.Object(
		config.Field{Name: "path", Required: true, Doc: "the absolute path of the file or, for `watch: changes`, folder; it need not exist yet",
			Value: config.At(&f.pathAt, config.Word(&f.path, "an absolute path"))},
		config.Field{Name: "watch", Default: bySignal, Doc: "how events are detected: by SIGIO, by epoll(7), by POLLPRI, or by changes that any program makes (inotify); with serial: epoll",
			Value: config.At(&f.watchAt, config.OneOf(&f.watch, bySignal, byEpoll, urgently, changes))},
		config.Field{Name: "serial", Doc: "it is a serial line: set its speed and mode when it is opened", Value: serialValue(&f.serial)},
		config.Field{Name: "read", Default: "record; all with priority; none with changes",
			Doc:   "what an event has: one read(2), a line, the whole file read again, or nothing",
			Value: config.At(&f.readAt, config.OneOf(&f.read, readRecord, readLine, readAll, readNone))},
		config.Field{Name: "end", Default: "a newline", Doc: "with line: the string that ends one; it is not part of it",
			Value: config.At(&f.endAt, config.Parsed(&f.end, "a string", parseMark))},
		config.Field{Name: "start", Doc: "with line: the string that begins one; everything before it is discarded",
			Value: config.At(&f.startAt, config.Parsed(&f.start, "a string", parseMark))},
		config.Field{Name: "length", Doc: "with record: how many bytes one has", Value: config.At(&f.lengthAt, config.Int(&f.length, 1, largest))},
		config.Field{Name: "gap", Doc: "with record: one ends when nothing arrives for this time; with length: one that is incomplete then is discarded",
			Value: config.At(&f.gapAt, config.Duration(&f.gap))},
		config.Field{Name: "max", Default: "4096", Doc: "maximum bytes of a record, line or file; the rest is cut off", Value: config.Int(&f.max, 1, largest)},
		config.Field{Name: "arm", Doc: "with priority: a string to write first, as pressure files need it",
			Value: config.At(&f.armAt, config.Word(&f.arm, "a string"))},
		config.Field{Name: "signal", Default: "SIGRTMAX-2", Doc: "with sigio: the signal that the kernel sends",
			Value: config.At(&f.signalAt, config.Parsed(&f.signal, "real-time signal", signal.Receivable))},
		config.Field{Name: "events", Default: "created written moved-in moved-out deleted", Doc: "with changes: which changes",
			Value: config.At(&f.eventsAt, config.OneOrMore(&f.events, kindValue))},
	)
}

// Plan is what a configuration asks of files.
type Plan struct {
	files map[string]*File
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name: "files", Doc: "files to watch, by the names that rules use",
		Value: config.MapOf(&p.files, func(f *File) *config.Pos { return &f.at }, p.entry),
	}}
}

// names returns the names of the files, in order.
func (p *Plan) names() []string { return slices.Sorted(maps.Keys(p.files)) }

// Paths returns the paths of the files.
func (p *Plan) Paths() []string {
	var paths []string
	for _, name := range p.names() {
		paths = append(paths, p.files[name].path)
	}
	return paths
}

// Switchable implements sources.SwitchPlan.
func (p *Plan) Switchable() []string { return p.names() }

// Subscribes implements sources.SubscriberPlan: the signals by which files announce
// themselves, and the uevents of devices that come and go, of which some may be lost.
func (p *Plan) Subscribes() []string {
	var kinds []string
	for _, f := range p.files {
		if f.watch != changes && !slices.Contains(kinds, "uevent") {
			kinds = append(kinds, "uevent", "loss")
		}
		if f.watch == bySignal && !slices.Contains(kinds, "signal") {
			kinds = append(kinds, "signal")
		}
	}
	return kinds
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Subscriber: p, Switch: p, Examiner: p} }

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, name := range p.names() {
		f := p.files[name]
		if name == "" || sources.IsPattern(name) {
			ps.Errorf(f.at, "file %q: a name with *, ? or [ looks like a pattern", name)
		}
		f.resolve(ps)
	}
}

// resolve complains of what can never work, and fills in what was left out.
func (f *File) resolve(ps *config.Problems) {
	if f.path == "" {
		return // complained of already
	}
	if !filepath.IsAbs(f.path) {
		ps.Errorf(f.pathAt, "the path must be absolute, found %q", f.path)
	}
	f.path = filepath.Clean(f.path)
	f.resolveSerial(ps)
	virtual := strings.HasPrefix(f.path, "/sys/") || strings.HasPrefix(f.path, "/proc/")
	if f.watch == bySignal && virtual {
		ps.Errorf(f.pathAt, "files of /sys and /proc send no SIGIO: use `watch: priority`")
	}
	if f.read == "" {
		f.read = usualRead(f.watch)
	}
	f.checkRead(ps)
	f.checkFraming(ps)
	if f.arm != "" && f.watch != urgently {
		ps.Errorf(f.armAt, "arm goes with `watch: priority`")
	}
	if f.signalAt.Line != 0 && f.watch != bySignal {
		ps.Errorf(f.signalAt, "signal goes with `watch: sigio`")
	}
	if f.signal != 0 && f.signal <= lastStandard {
		ps.Errorf(f.signalAt, "%s does not queue and carries no descriptor: use a real-time signal", signal.Name(f.signal))
	}
	if f.events != nil && f.watch != changes {
		ps.Errorf(f.eventsAt, "events goes with `watch: changes`")
	}
	f.kinds = kindMask(f.events)
}

// lastStandard is the last signal that is none of the real-time ones.
const lastStandard = 31

func usualRead(watch string) string {
	switch watch {
	case urgently:
		return readAll
	case changes:
		return readNone
	}
	return readRecord
}

func (f *File) checkRead(ps *config.Problems) {
	whole := f.read == readAll || f.read == readNone
	switch {
	case !whole && (f.watch == urgently || f.watch == changes):
		ps.Errorf(f.readAt, "with `watch: %s` read is all or none", f.watch)
	case f.read == readAll && f.watch == byEpoll:
		ps.Errorf(f.readAt, "a file that is read whole stays readable: events would never end; use `watch: sigio` or `watch: priority`")
	}
}

// resolveSerial makes epoll the way in which a serial line is watched.
func (f *File) resolveSerial(ps *config.Problems) {
	switch {
	case f.serial == (serial{}):
	case f.watchAt.Line != 0 && f.watch != byEpoll:
		ps.Errorf(f.watchAt, "with serial watch is epoll")
	default:
		f.watch = byEpoll
	}
}

// checkFraming complains of fields that go with another `read`.
func (f *File) checkFraming(ps *config.Problems) {
	for _, at := range []config.Pos{f.endAt, f.startAt} {
		if at.Line != 0 && f.read != readLine {
			ps.Errorf(at, "start and end go with `read: line`")
			break
		}
	}
	for _, at := range []config.Pos{f.lengthAt, f.gapAt} {
		if at.Line != 0 && f.read != readRecord {
			ps.Errorf(at, "length and gap go with `read: record`")
			break
		}
	}
	if f.length > f.max {
		ps.Errorf(f.lengthAt, "length: %d is more than max: %d", f.length, f.max)
	}
	if f.end == "" {
		f.end = "\n"
	}
}

// CheckSignals warns of rules that wait for the signals of files. wanted says
// whether a rule waits for the one with that number.
func (p *Plan) CheckSignals(wanted func(number int) bool, ps *config.Problems) {
	for _, name := range p.names() {
		if f := p.files[name]; f.watch == bySignal && wanted(f.signal) {
			ps.Warnf(f.at, "the file %[2]q sends %[1]s, and a rule matches that signal: it fires for the file too; choose another with `signal:`",
				signal.Name(f.signal), name)
		}
	}
}
