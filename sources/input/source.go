// SPDX-License-Identifier: MIT

// source: which devices are open, as they come and go.

package input

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/inotify"
)

// source implements sources.Source.
type source struct {
	host    sources.Host
	kernel  kernel
	dir     string // where the nodes are
	plan    *Plan
	folders *inotify.Folders // nil while the plan asks for nothing
	nodes   map[string]*node
	// receivers are those of remote controls, by path.
	receivers map[string]*receiver
	// What is known of the declared inputs, and which of them are watched for
	// silence, by name.
	presences   map[string]*presence
	idleWatches map[string]*idleWatch

	virtuals    map[string]*virtualDevice // by name
	openLirc    func(path, sys string) (*lirc, error)
	makeVirtual func(path, name, phys string, keys []byte) (fd int, sysname string, err error)

	simulated *simulated // nil unless there is no kernel

	buf [batch * eventSize]byte // for reading
}

func open(host sources.Host, k kernel) *source {
	return &source{
		host: host, kernel: k, dir: filepath.Join(host.Dev, "input"),
		plan: &Plan{}, nodes: map[string]*node{}, makeVirtual: makeVirtual,
		receivers: map[string]*receiver{}, openLirc: openLirc,
	}
}

// Apply implements sources.Source.
func (s *source) Apply(plan sources.Plan) {
	s.plan = plan.(*Plan)
	s.applyVirtual()
	if s.plan.idle() {
		s.closeNodes()
		return
	}
	if s.folders == nil && s.simulated == nil {
		s.folders = inotify.Watch(&s.host, inotify.Spec{
			For: "input devices", Changed: s.changed, Afresh: func(bool) { s.rescan() },
		})
	}
	if s.folders != nil {
		dirs := s.watched()
		s.folders.Set(dirs, inotify.NamesIn(dirs...))
	}
	for _, n := range s.nodes {
		if n.device != nil {
			n.device.grab.err = nil
		}
	}
	s.expect()
	s.keepVigil()
	s.rematch()
	s.scan()
	s.scanReceivers()
	s.notice()
}

// Started implements sources.StartWaiter.
func (s *source) Started() bool {
	for _, v := range s.virtuals {
		if v.making {
			return false
		}
	}
	return !s.looking()
}

// looking reports whether a node is being opened.
func (s *source) looking() bool {
	for _, n := range s.nodes {
		if n.opener.Opening() {
			return true
		}
	}
	for _, r := range s.receivers {
		if r.opener.Opening() {
			return true
		}
	}
	return false
}

// Close implements sources.Source.
func (s *source) Close() {
	closeVirtual(s.virtuals)
	s.virtuals = nil
	s.closeNodes()
}

// closeNodes lets go of all devices, but for our virtual ones.
func (s *source) closeNodes() {
	for name := range sources.InOrder(s.presences) {
		s.vanish(name)
	}
	s.presences = nil
	for _, v := range s.idleWatches {
		v.stop()
	}
	s.idleWatches = nil
	if s.folders != nil {
		s.folders.Close()
		s.folders = nil
	}
	for path := range sources.InOrder(s.nodes) {
		s.drop(path)
	}
	for path := range sources.InOrder(s.receivers) {
		s.dropReceiver(path)
	}
}

// drop lets go of the node at path, if there is one.
func (s *source) drop(path string) {
	n := s.nodes[path]
	if n == nil {
		return
	}
	delete(s.nodes, path)
	n.opener.Stop()
	s.shut(n)
	s.notice()
}

// watched returns the folders to watch: that of the nodes, and those of the
// links that the plan names.
func (s *source) watched() []string {
	dirs := []string{s.dir}
	if s.plan.receives() {
		dirs = append(dirs, s.host.Dev)
	}
	for _, in := range s.plan.Inputs {
		if in.Path == "" {
			continue
		}
		if dir := linkDir(in.Path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// rematch has all known devices do what the plan asks of them.
func (s *source) rematch() {
	for _, path := range s.paths() {
		if n := s.nodes[path]; n.id != nil {
			s.adapt(n)
		}
	}
}

// rescan is scan for when changes may have been missed: nodes that are not
// open may be others than they were.
func (s *source) rescan() {
	for _, n := range s.nodes {
		if n.device == nil {
			n.id = nil
		}
	}
	s.rematch()
	s.scan()
	s.scanReceivers()
}

// scan compares the folder with what is known of it.
func (s *source) scan() {
	names, err := s.list()
	if err != nil {
		s.host.Log.Warn("cannot list input devices", "error", err)
		return
	}
	found := map[string]bool{}
	for _, name := range names {
		if isNode(name) {
			found[filepath.Join(s.dir, name)] = true
		}
	}
	for _, path := range s.paths() {
		if !found[path] {
			s.drop(path)
		}
	}
	for _, path := range slices.SortedFunc(maps.Keys(found), byNumber) {
		if n := s.nodes[path]; n == nil || n.id == nil {
			s.visit(path)
		}
	}
}

// list returns the names in the folder of the nodes.
func (s *source) list() ([]string, error) {
	if s.simulated != nil {
		return slices.Collect(maps.Keys(s.simulated.inputs)), nil
	}
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// paths returns the paths of the nodes, in the order of their numbers.
func (s *source) paths() []string { return slices.SortedFunc(maps.Keys(s.nodes), byNumber) }

func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// isNode reports whether name is that of an event device.
func isNode(name string) bool {
	number, ok := strings.CutPrefix(name, "event")
	_, err := strconv.ParseUint(number, 10, 32)
	return ok && err == nil
}

// visit looks at a node that is not open, with fresh patience.
func (s *source) visit(path string) {
	n := s.nodes[path]
	if n == nil {
		n = s.newNode(path)
		s.nodes[path] = n
	}
	n.opener.Visit()
}

// changed is called when something happened to a name in a watched folder.
func (s *source) changed(dir, name string, mask uint32) {
	path := filepath.Join(dir, name)
	if dir == s.dir && isNode(name) {
		s.nodeChanged(path, mask)
		return
	}
	if dir == s.host.Dev && isLirc(name) {
		s.receiverChanged(path, mask)
		return
	}
	isLink := func(in *Input) bool { return in.Path != "" && sources.Glob(in.Path, path) }
	if mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && slices.ContainsFunc(slices.Collect(maps.Values(s.plan.Inputs)), isLink) {
		s.rematch()
		s.notice()
	}
}

func (s *source) nodeChanged(path string, mask uint32) {
	// A node that is created and known already was found by a scan that ran
	// ahead of this news; but another may be moved into the place of one.
	if mask&(unix.IN_DELETE|unix.IN_MOVED_TO) != 0 {
		s.drop(path)
	}
	if n := s.nodes[path]; mask&unix.IN_DELETE == 0 && (n == nil || n.id == nil) {
		s.visit(path)
	}
}
