// SPDX-License-Identifier: MIT

// feed: what happens, for the clients that watch.
//
// All watchers read from one ring, each from its own place in it, so that
// memory does not grow with their number. Packets are written in slices, after
// which the loop has its turn; a socket that is full is left alone until the
// kernel says that it has room. Whoever is still behind when the ring comes
// round has lost what was overwritten.

package control

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/client"
	"reflexd/sources"
)

const (
	// mostEntries and mostBytes bound the ring.
	mostEntries = 512
	mostBytes   = 512 << 10
	// slice is how much is done for watchers in one go: packets written, or
	// entries of which skipCost are passed over.
	slice    = 32
	skipCost = 16
)

// view is a notice in the form that some of the watchers see.
type view struct {
	kind, name, source, rule string // what a filter looks at
	action                   bool
	secret                   bool   // only Admin may see it, and only unless that wants it masked
	packet                   []byte // at most client.MaxPacket
}

// entry is a notice for everybody.
type entry struct {
	open    *view  // for Admin
	masked  *view  // for the others
	bridge  *view  // for the bridge, and it alone; nil for none
	dropped func() // is called if the bridge misses it; nil for nobody
}

func (e *entry) size() int {
	if e.bridge != nil {
		return len(e.bridge.packet)
	}
	n := len(e.open.packet)
	if e.masked != e.open {
		n += len(e.masked.packet)
	}
	return n
}

// of returns the view that is for c, nil for none.
func (e *entry) of(c *conn) *view {
	switch {
	case c.bridge != nil:
		return e.bridge
	case c.role >= Admin && e.open != nil && !(c.filter.Masked && e.open.secret):
		return e.open
	}
	return e.masked
}

// feed is the ring, and who reads it.
type feed struct {
	loop     sources.Loop
	entries  []entry
	first    uint64 // number of entries[0]; each entry has the next one
	bridges  uint64 // how many of those before entries[0] were the bridge's
	bytes    int
	watchers []*conn
	turn     int           // whose turn it is
	timer    sources.Timer // runs while there is something to do; else nil
}

// Watching reports whether anybody watches: if not, there is no need to make a
// Notice.
func (s *Server) Watching() bool {
	return len(s.feed.watchers) > 0 && slices.ContainsFunc(s.feed.watchers, func(c *conn) bool { return c.bridge == nil })
}

// Publish shows a notice to the watchers: open to those whose role is Admin,
// and masked, which may be the same, to the others. It keeps neither.
func (s *Server) Publish(open, masked *client.Notice) {
	if !s.Watching() {
		return
	}
	e := entry{open: newView(open)}
	if e.masked = e.open; masked != open {
		e.masked = newView(masked)
		e.open.secret = masked.Masked
	}
	s.feed.add(e)
}

// Stream makes a client the bridge, to which Tell then sends notices.
type Stream struct {
	Result any    // is sent first
	Begun  func() // is called when the client has it
	Gone   func() // is called when the client is gone, be it before Begun
}

// Tell sends the bridge a notice, if there is one. It does not keep n. If the bridge
// does not read it in time, dropped is called; it may be nil, and must not call Tell.
func (s *Server) Tell(n *client.Notice, dropped func()) error {
	packet, err := marshal(n)
	if err == nil && len(packet) > client.MaxPacket {
		err = errors.New("it is too long for the bridge")
	}
	if err == nil {
		s.feed.add(entry{bridge: &view{packet: packet}, dropped: dropped})
	}
	return err
}

// EndBridge sends the bridge away: it may come again.
func (s *Server) EndBridge(why string) {
	for c := range s.conns {
		if c.bridge != nil {
			c.refuse(errors.New(why))
		}
	}
}

func (f *feed) add(e entry) {
	f.entries = append(f.entries, e)
	f.bytes += e.size()
	for len(f.entries) > mostEntries || f.bytes > mostBytes {
		f.drop()
	}
	f.schedule()
}

func newView(n *client.Notice) *view {
	return &view{strings.Clone(n.Kind), strings.Clone(n.Name), strings.Clone(n.Source), n.Rule, n.Type == "action", false, packetOf(n)}
}

// longestValue is how much of a field's value is left in a notice that would
// not fit into a packet.
const longestValue = 1024

// packetOf encodes n. What does not fit is cut.
func packetOf(n *client.Notice) []byte {
	packet, err := marshal(n)
	if err == nil && len(packet) <= client.MaxPacket {
		return packet
	}
	short := *n
	short.Why = cut(n.Why)
	short.Fields = map[string]any{}
	for name, v := range n.Fields {
		text, ok := v.(string)
		if ok && len(text) > longestValue {
			v = cut(text)
			short.Cut = append(short.Cut, name)
		}
		short.Fields[name] = v
	}
	slices.Sort(short.Cut)
	if packet, err = marshal(short); err == nil && len(packet) <= client.MaxPacket {
		return packet
	}
	packet, _ = marshal(client.Notice{Type: n.Type, Time: n.Time, Kind: cut(n.Kind), Name: cut(n.Name), State: cut(n.State), Source: cut(n.Source),
		Rule: cut(n.Rule), Outcome: n.Outcome, Masked: n.Masked, Cut: []string{"*"}})
	return packet
}

// cut returns the beginning of a long text.
func cut(s string) string {
	if len(s) <= longestValue {
		return s
	}
	return strings.ToValidUTF8(s[:longestValue], "")
}

// drop forgets the oldest entry.
func (f *feed) drop() {
	e := f.entries[0]
	f.bytes -= e.size()
	if e.bridge != nil {
		f.bridges++
		missed := slices.ContainsFunc(f.watchers, func(c *conn) bool { return c.bridge != nil && c.next <= f.first })
		if missed && e.dropped != nil {
			e.dropped()
		}
	}
	f.entries[0] = entry{}
	f.entries = f.entries[1:]
	f.first++
}

func (f *feed) end() uint64 { return f.first + uint64(len(f.entries)) }

func (f *feed) schedule() {
	if f.timer == nil {
		f.timer = f.loop.After(0, f.pump)
	}
}

// pump writes one slice.
func (f *feed) pump() {
	f.timer = nil
	work := 0
	for range len(f.watchers) {
		if len(f.watchers) == 0 {
			break
		}
		f.turn = (f.turn + 1) % len(f.watchers)
		if work += f.watchers[f.turn].catchUp(slice*skipCost - work); work >= slice*skipCost {
			break
		}
	}
	f.tidy()
	if slices.ContainsFunc(f.watchers, func(c *conn) bool { return !c.full && c.next < f.end() }) {
		f.schedule()
	}
}

// tidy drops what every watcher has read.
func (f *feed) tidy() {
	oldest := f.end()
	for _, c := range f.watchers {
		oldest = min(oldest, max(c.next, f.first))
	}
	for f.first < oldest {
		f.drop()
	}
	if len(f.entries) == 0 {
		f.entries = nil
	}
}

// leave takes c off the list.
func (f *feed) leave(c *conn) {
	f.watchers = slices.DeleteFunc(f.watchers, func(w *conn) bool { return w == c })
	if len(f.watchers) == 0 {
		f.tidy()
		sources.StopTimer(&f.timer)
	}
}

// watching is what a client that watches has beside others.
type watching struct {
	filter *client.Filter // nil for a client that does not watch
	bridge *Stream        // nil for a client that is not the bridge
	next   uint64         // the entry that comes next
	// bridges is how many of those before it were the bridge's.
	bridges uint64
	lost    uint64 // entries for it that it missed, and whose number was not sent yet
	full    bool   // its socket is
}

// begin has the client receive what is added from now on.
func (w *watching) begin(f *feed) {
	w.next, w.bridges = f.end(), f.bridges
	for i := range f.entries {
		if f.entries[i].bridge != nil {
			w.bridges++
		}
	}
}

// skip passes over what was dropped before the client had it, and counts what of
// that was for it.
func (w *watching) skip(f *feed) {
	missed, bridges := f.first-w.next, f.bridges-w.bridges
	if w.bridge != nil {
		w.lost += bridges
	} else {
		w.lost += missed - bridges
	}
	w.next, w.bridges = f.first, f.bridges
}

// streams reports whether the client receives notices.
func (w *watching) streams() bool { return w.filter != nil || w.bridge != nil }

// catchUp writes what is there for c, and returns how much work that was: 1 for
// an entry that is passed over, skipCost for one that is written. It does
// little more than budget.
func (c *conn) catchUp(budget int) (work int) {
	f := &c.server.feed
	if c.next < f.first {
		c.skip(f)
	}
	for !c.full && !c.closed && work < budget && c.next < f.end() {
		if c.lost > 0 {
			work += skipCost
			if packet, _ := json.Marshal(client.Notice{Type: "lost", Count: c.lost}); !c.put(packet) {
				return work
			}
			c.lost = 0
		}
		e := &f.entries[c.next-f.first]
		v := e.of(c)
		work++
		if v != nil && c.wants(v) {
			if work += skipCost - 1; !c.put(v.packet) {
				return work
			}
		}
		if !c.closed {
			c.next++
			if e.bridge != nil {
				c.bridges++
			}
		}
	}
	return work
}

// put writes a packet of the stream. It reports false if that has to wait, or
// the client is gone.
func (c *conn) put(packet []byte) bool {
	switch err := unix.Sendto(c.fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil); err {
	case nil:
		return true
	case unix.EAGAIN:
		c.full = true
		c.listen(unix.EPOLLIN | unix.EPOLLOUT)
	case unix.EINTR, unix.ENOBUFS, unix.ENOMEM: // the next slice tries again
	default:
		c.hangUp()
	}
	return false
}

// wants reports whether the client's filter lets v through.
func (c *conn) wants(v *view) bool {
	w := c.filter
	if w == nil {
		return true
	}
	return (w.Actions || !v.action) && matchesOne(w.Names, func(p string) bool { return matchesName(p, v) }) &&
		matchesOne(w.Sources, func(p string) bool {
			before, _, _ := strings.Cut(v.source, ":")
			return sources.Glob(p, v.source) || sources.Glob(p, before)
		}) &&
		matchesOne(w.Rules, func(p string) bool { return v.rule != "" && sources.Glob(p, v.rule) })
}

// matchesOne reports whether one of patterns matches, or there is none.
func matchesOne(patterns []string, matches func(string) bool) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, matches)
}

// matchesName matches "door", and "line/door" for what is a line. A name may
// hold a slash itself.
func matchesName(pattern string, v *view) bool {
	if v.name == "" {
		return false
	}
	n := len(v.kind)
	qualified := len(pattern) > n && pattern[:n] == v.kind && pattern[n] == '/'
	return sources.Glob(pattern, v.name) || qualified && sources.Glob(pattern[n+1:], v.name)
}
