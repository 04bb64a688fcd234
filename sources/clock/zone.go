// SPDX-License-Identifier: MIT

// Zone: which time zone the board is in, also when that is changed.

package clock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/regular"
	"reflexd/sources"
	"reflexd/sources/inotify"
)

// localtime says the zone where the environment variable TZ does not.
const localtime = "/etc/localtime"

const (
	// mostData is far above the size of any file of a zone.
	mostData = 1 << 20
	// calm is for how long the file is left alone before it is read: it is
	// removed and made again by some.
	calm = 200 * time.Millisecond
	// mostLinks bounds symbolic links that lead to one another.
	mostLinks = 10
)

// zone follows the file of the board's time zone.
type zone struct {
	host    *sources.Host
	path    string // "" if nothing is followed
	changed func(*time.Location)
	folders *inotify.Folders
	file    zoneFile // as it was read last
	pending sources.Timer
	reading bool
	again   bool // it changed while it was being read
	closed  bool
}

// zoneFile is the file of a zone.
type zoneFile struct {
	links    []string // the path, and what symbolic links lead to
	data     []byte   // nil if there is none
	location *time.Location
}

// follow returns the zone in which the board is, and what calls changed when
// that is another one.
func follow(host *sources.Host, tz string, isSet bool, changed func(*time.Location)) (*zone, *time.Location) {
	path, location, err := zoneOf(tz, isSet)
	z := &zone{host: host, path: path, changed: changed}
	if path == "" {
		if err != nil {
			host.Log.Warn("the time zone is not known: using UTC", "error", err)
		}
		return z, location
	}
	if z.file, err = readZone(path); err != nil {
		host.Log.Warn("the time zone is not known: using UTC", "error", err)
		z.file.location = time.UTC
	}
	z.folders = inotify.Watch(host, inotify.Spec{For: "the time zone", Changed: z.touched, Afresh: func(bool) { z.schedule() }})
	z.watch()
	return z, z.file.location
}

// zoneOf returns the file that says the zone, or the zone that TZ is, in the
// forms that libc knows: nothing, a path, a name, or the rules themselves.
func zoneOf(tz string, isSet bool) (path string, location *time.Location, err error) {
	name := strings.TrimPrefix(tz, ":")
	switch {
	case !isSet:
		return localtime, nil, nil
	case name == "":
		return "", time.UTC, nil
	case filepath.IsAbs(name):
		return name, nil, nil
	}
	if location, err = time.LoadLocation(name); err == nil {
		return "", location, nil
	}
	if location, ok := posixZone(name); ok {
		return "", location, nil
	}
	return "", time.UTC, fmt.Errorf("TZ=%q: %w", tz, err)
}

// posixZone returns the zone of rules such as CET-1CEST,M3.5.0,M10.5.0/3.
func posixZone(rules string) (*time.Location, bool) {
	location, err := time.LoadLocationFromTZData(rules, posixFile(rules))
	if err != nil {
		return nil, false
	}
	name, _ := plausible.In(location).Zone()
	return location, name != "" // else the rules are not understood
}

// posixFile returns the file of a zone that has nothing but rules: tzfile(5).
// Where the standard library does not understand them, the time is UTC and its
// name is empty.
func posixFile(rules string) []byte {
	header := func(types, characters byte) []byte {
		h := append([]byte("TZif2"), make([]byte, 15+6*4)...)
		h[39], h[43] = types, characters // the last two of the counts
		return h
	}
	return slices.Concat(header(0, 0), header(1, 1), make([]byte, 6), []byte{0}, []byte("\n"+rules+"\n"))
}

// readZone reads the file of a zone. Without one, the zone is UTC. It may
// block.
func readZone(path string) (zoneFile, error) {
	f := zoneFile{links: linksOf(path), location: time.UTC}
	data, err := regular.Read(path, mostData)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	name := "Local"
	if _, after, ok := strings.Cut(f.links[len(f.links)-1], "/zoneinfo/"); ok {
		name = after
	}
	f.data = data
	if f.location, err = time.LoadLocationFromTZData(name, data); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// linksOf returns path and what the symbolic links lead to that begin there.
func linksOf(path string) []string {
	links := []string{path}
	for range mostLinks {
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
		links = append(links, path)
	}
	return links
}

// watch watches the folders through which the file is found.
func (z *zone) watch() {
	var dirs []string
	for _, link := range z.file.links {
		if dir := filepath.Dir(link); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	z.folders.Set(dirs, inotify.Names|unix.IN_CLOSE_WRITE|unix.IN_MOVED_FROM)
}

func (z *zone) touched(dir, name string, _ uint32) {
	if slices.Contains(z.file.links, filepath.Join(dir, name)) {
		z.schedule()
	}
}

// schedule has the file read again.
func (z *zone) schedule() {
	if z.pending == nil {
		z.pending = z.host.Loop.After(calm, z.read)
	}
}

func (z *zone) read() {
	z.pending = nil
	if z.reading {
		z.again = true
		return
	}
	z.reading = true
	var f zoneFile
	var err error
	z.host.Loop.Beside(func() { f, err = readZone(z.path) }, func() {
		z.reading = false
		if z.closed {
			return
		}
		z.take(f, err)
		if z.again {
			z.again = false
			z.schedule()
		}
	})
}

// take makes the zone of f ours.
func (z *zone) take(f zoneFile, err error) {
	before := z.file
	z.file = f
	z.watch()
	switch {
	case err != nil:
		z.file.data, z.file.location = before.data, before.location
		z.host.Log.Warn("cannot read the time zone: keeping the one before", "error", err, "zone", before.location)
	case !bytes.Equal(before.data, f.data):
		z.host.Log.Info("time zone changed", "zone", f.location, "before", before.location)
		z.changed(f.location)
	}
}

func (z *zone) close() {
	z.closed = true
	sources.StopTimer(&z.pending)
	if z.folders != nil {
		z.folders.Close()
	}
}
