// SPDX-License-Identifier: MIT

// The source itself: which files are open, and what it receives from others.

package file

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/inotify"
	"reflexd/sources/signal"
)

// Source implements sources.Source, sources.Subscriber and sources.Switcher.
type Source struct {
	host     sources.Host
	plan     *Plan
	nodes    map[string]*node // by declared name
	byNumber map[int]*node    // those that announce themselves by signal, by descriptor
	number   int              // what the next of these gets, at least
	folders  *inotify.Folders // of the nodes; nil without any
	changes  changeWatch

	// Losses of signals come in storms; one is reported in lossPause.
	losses   sources.Timer // nil when none was reported lately
	lostMore bool          // since then
	afresh   bool          // what is emitted follows from a state that is read afresh

	buf    []byte // for reading
	hex    []byte // what was read, likewise
	event  sources.Event
	room   [mostFields]sources.Field
	fields []sources.Field // of event, in room or in that of a node
}

// mostFields is how many fields an event has at most.
const mostFields = 8

// Open returns a source that does nothing until a plan asks for files.
func Open(host sources.Host) *Source {
	s := &Source{host: host, plan: &Plan{}, nodes: map[string]*node{}, byNumber: map[int]*node{}}
	s.changes = changeWatch{source: s, files: map[string]*changing{}}
	return s
}

// Apply implements sources.Source.
func (s *Source) Apply(plan sources.Plan) {
	s.plan = plan.(*Plan)
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if f := s.plan.files[name]; f == nil || f.settings != s.nodes[name].settings {
			s.nodes[name].close()
			delete(s.nodes, name)
		}
	}
	for name, f := range s.plan.files {
		if f.watch != changes && s.nodes[name] == nil {
			s.nodes[name] = newNode(s, name, f.settings)
		}
	}
	s.watchFolders()
	s.changes.apply(s.plan)
	s.visitAll()
}

// Started implements sources.StartWaiter.
func (s *Source) Started() bool {
	for _, n := range s.nodes {
		if n.opener.Opening() {
			return false
		}
	}
	return true
}

// watchFolders watches the folders that the files are in. Those of sysfs and
// procfs do not notify inotify; there uevents help.
func (s *Source) watchFolders() {
	var dirs []string
	for _, n := range s.nodes {
		if dir := filepath.Dir(n.path); !isVirtual(n.path) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	if s.folders == nil && len(s.nodes) > 0 { // those of sysfs and procfs too may be mounted later
		s.folders = inotify.Watch(&s.host, inotify.Spec{
			For: "files", Changed: s.nameChanged, Afresh: func(bool) { s.lookAround() }, Remounted: s.lookAround,
		})
	}
	if s.folders != nil {
		s.folders.Set(dirs, inotify.NamesIn(dirs...)|unix.IN_MOVED_FROM)
	}
}

func isVirtual(path string) bool {
	return strings.HasPrefix(path, "/sys/") || strings.HasPrefix(path, "/proc/")
}

// each calls f for the nodes in the order of their names.
func (s *Source) each(f func(n *node)) {
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		f(s.nodes[name])
	}
}

// visitAll tries to open whatever is not open.
func (s *Source) visitAll() {
	s.each((*node).visit)
}

// lookAround opens what is not open, and closes what is no longer where its path
// leads: something may have been mounted there.
func (s *Source) lookAround() {
	s.each(func(n *node) {
		if n.fd >= 0 && !isAt(n.fd, n.path) {
			n.lost(errReplaced)
		}
	})
	s.visitAll()
}

// nameChanged is called when inotify reports what became of a name.
func (s *Source) nameChanged(dir, name string, mask uint32) {
	path := filepath.Join(dir, name)
	s.each(func(n *node) {
		if n.path != path {
			return
		}
		if n.fd >= 0 && mask&(unix.IN_MOVED_TO|unix.IN_MOVED_FROM|unix.IN_DELETE) != 0 && !isAt(n.fd, path) {
			n.lost(errReplaced)
		}
		if n.fd < 0 && mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) == 0 {
			n.visit()
		}
	})
}

// errReplaced is the end of a file in whose place another stands, or none.
var errReplaced = errors.New("its path was removed or names another file")

// Notify implements sources.Subscriber.
func (s *Source) Notify(e *sources.Event) {
	switch e.Topic.Kind {
	case "signal":
		s.takeSignal(e)
	case "uevent":
		s.takeUevent(e)
	case "loss":
		if e.Topic.Name == "uevent" {
			s.lookAround()
		}
	}
}

func field(e *sources.Event, name string) string {
	v, ok := e.Lookup(name)
	if !ok {
		return ""
	}
	return v.String()
}

// takeUevent opens what came and closes what went.
func (s *Source) takeUevent(e *sources.Event) {
	action, name := e.Topic.State, field(e, "DEVNAME")
	device := filepath.Join(s.host.Sys, field(e, "DEVPATH"))
	s.each(func(n *node) {
		switch {
		case action != "remove":
			if n.fd < 0 && (n.path == name || isVirtual(n.path) && action != "change") {
				n.visit()
			}
		case n.fd >= 0 && n.target != "" && (n.target == name || strings.HasPrefix(n.target, device+"/")):
			n.lost(unix.ENODEV)
		}
	})
}

// lossPause is how long after a loss of signals further ones are not reported.
const lossPause = time.Second

// takeSignal looks at the file that a signal is about. The plain SIGIO, which
// stands for a full queue of signals, or comes from a driver that cannot say
// which file it means, has all be looked at.
func (s *Source) takeSignal(e *sources.Event) {
	if e.Topic.Name == "SIGIO" {
		if field(e, "CODE") == "kernel" && len(s.byNumber) > 0 {
			s.lose()
		}
		s.lookAtAll()
		return
	}
	fd, ok := e.Lookup("FD")
	number, _ := fd.Int()
	n := s.byNumber[int(number)]
	if !ok || n == nil || field(e, "SIGNAL") != signal.Name(n.signal) {
		return
	}
	band, _ := e.Lookup("BAND")
	bits, _ := band.Int()
	n.signalled(field(e, "CODE"), int16(bits))
}

// signalled is called when the file sent a signal.
func (n *node) signalled(code string, band int16) {
	switch {
	case code == "POLL_PRI":
		n.emit(urgent, band, nil)
	case code == "POLL_OUT":
		n.emit(writable, band, nil)
	case n.read == readNone && (code == "POLL_IN" || code == "POLL_MSG"):
		n.emit(readable, band, nil)
	case n.served != n.source.host.Loop.Woke(): // else epoll(7) announces what is more
		n.look()
	}
}

// lookAtAll looks at all files that announce themselves by signal.
func (s *Source) lookAtAll() {
	s.afresh = true
	defer func() { s.afresh = false }()
	s.each(func(n *node) {
		if n.settings.watch != bySignal {
			return
		}
		n.look()
		if n.fd >= 0 && n.read == readNone && n.polls {
			n.emitBand(poll(n.fd, unix.POLLIN|unix.POLLPRI))
		}
	})
}

// lose reports that signals were lost: the queue of our user's signals was full.
// What the files have to be read is read all the same.
func (s *Source) lose() {
	if s.losses != nil {
		s.lostMore = true
		return
	}
	s.host.Lost("file", "", 0, "RLIMIT_SIGPENDING (LimitSIGPENDING= of systemd, ulimit -i)")
	s.lostMore = false
	s.losses = s.host.Loop.After(lossPause, func() {
		s.losses = nil
		if s.lostMore {
			s.lose()
		}
	})
}

// origin begins the Source of an event, which ends with the name of the file.
const origin = "file:"

// emit sends the fields that are in s.fields, as an event of that Source.
func (s *Source) emit(of, state string) {
	e := &s.event
	e.Time = s.host.Loop.Woke() // files give no stamps
	e.Topic = sources.Topic{Kind: "file", Name: of[len(origin):], State: state}
	e.Source, e.Fields = of, s.fields
	s.host.Emit(e)
	e.Borrowed = false // unless addText says so of the next one
}

// scratch returns a buffer of the size.
func (s *Source) scratch(size int) []byte {
	if len(s.buf) < size {
		s.buf = make([]byte, size)
	}
	return s.buf[:size]
}

// Has implements sources.Switcher.
func (s *Source) Has(name string) bool { return s.plan.files[name] != nil }

// Switch implements sources.Switcher. Closing returns when the driver's
// release has, so that its module can be unloaded then; it fails if a read of
// the file is under way that does not return, or if a line has not sent all.
func (s *Source) Switch(name string, open bool) error {
	n := s.nodes[name]
	switch {
	case n == nil:
		s.changes.shut(name, !open)
	case open:
		n.shut = false
		n.visit()
	default:
		if !n.close() {
			return fmt.Errorf("close %s: a read is in progress, or not all was sent; it is closed after that", n.path)
		}
		s.host.Log.Info("file closed", "file", name, "path", n.path)
	}
	return nil
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, name := range s.plan.names() {
		if n := s.nodes[name]; n != nil {
			states = append(states, n.state())
		} else {
			states = append(states, s.changes.state(name))
		}
	}
	return states
}

// Rest reports whether terminals have sent all that was written to them.
func (s *Source) Rest() bool {
	all := true
	s.each(func(n *node) { all = all && sent(n.fd) })
	return all
}

// Close implements sources.Source. What terminals have not sent is dropped: the end of the
// process would wait for it, and no signal could end that.
func (s *Source) Close() {
	s.each(func(n *node) {
		if !sent(n.fd) {
			_ = unix.IoctlSetInt(n.fd, unix.TCFLSH, unix.TCOFLUSH)
		}
		n.close()
	})
	clear(s.nodes)
	if s.folders != nil {
		s.folders.Close()
		s.folders = nil
	}
	s.changes.close()
	sources.StopTimer(&s.losses)
}

var (
	_ sources.Subscriber = (*Source)(nil)
	_ sources.Switcher   = (*Source)(nil)
)
