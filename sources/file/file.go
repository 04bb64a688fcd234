// SPDX-License-Identifier: MIT

// Package file is the source of files that announce themselves: device nodes,
// FIFOs and terminals by SIGIO or epoll, attributes of sysfs and procfs by
// POLLPRI, ordinary files and folders by inotify.
//
// A file that is not there is waited for, by inotify on its folder and the
// kernel's uevents. One that hangs up is closed, and opened again a few times
// and whenever something happens to it; a descriptor that is dead or never
// quiet is never kept in the loop.
package file

import (
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "file",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },
}

// The ways of announcing, as `watch` names them.
const (
	bySignal = "sigio"
	byEpoll  = "epoll"
	urgently = "priority"
	changes  = "changes"
)

// What is read when a file announces itself, as `read` names it.
const (
	readRecord = "record" // each read(2) is an event
	readLine   = "line"   // each line is
	readAll    = "all"    // the file afresh, from its beginning
	readNone   = "none"
)

// The states of a file, as Topic.State bears them and `is` asks for them.
const (
	readable = "readable"
	writable = "writable"
	urgent   = "urgent"
	hungUp   = "hung-up"
	changed  = "changed"
)

var states = []string{readable, writable, urgent, hungUp, changed}

// fits reports whether a file that is watched in this way comes to a state.
func fits(watch, state string) bool {
	switch state {
	case readable, writable:
		return watch == bySignal || watch == byEpoll
	case urgent, hungUp:
		return watch != changes
	}
	return watch == urgently || watch == changes
}

// mainState is what `is` means where it is left out.
func mainState(watch string) string {
	if watch == urgently || watch == changes {
		return changed
	}
	return readable
}
