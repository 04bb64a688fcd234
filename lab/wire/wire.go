// SPDX-License-Identifier: MIT

// Package wire is what the host and process 1 of an emulated board say to each other: a line of JSON a message, squeezed
// where it is long, over a serial port. Many requests can be outstanding at once; a reply bears the id of its request
// and they come in any order.
//
// No request has a time limit of its own, since the clocks of the two sides may run at different speeds: the host
// sends Cancel when it has waited long enough, and the reply then says how far things had come.
package wire

import "time"

// A Request asks the guest for one thing: exactly one of the fields after ID is set.
type Request struct {
	ID     uint64  `json:"id"`
	Run    *Run    `json:"run,omitempty"`    // start a program and wait for its end
	Start  *Start  `json:"start,omitempty"`  // start a program and leave it running
	Wait   *Wait   `json:"wait,omitempty"`   // wait for the end of a started program
	Signal *Signal `json:"signal,omitempty"` // send a signal
	Read   *Read   `json:"read,omitempty"`   // read a file
	Steps  []Step  `json:"steps,omitempty"`  // change files, in order, up to the first that fails
	Await  *Await  `json:"await,omitempty"`  // wait until a file is as it should be
	Resume *Resume `json:"resume,omitempty"` // begin after a saved state was loaded; the reply has Hello
	Unpack *Unpack `json:"unpack,omitempty"` // unpack archives that the host wrote into memory
	Cancel uint64  `json:"cancel,omitempty"` // end the request with this id early; has no reply of its own
	Halt   bool    `json:"halt,omitempty"`   // power off
}

// Run starts a program; the reply has what it wrote and how it ended. When cancelled, its whole session is killed.
type Run struct {
	Args  []string `json:"args"`
	Env   []string `json:"env,omitempty"` // added to the guest's own
	Dir   string   `json:"dir,omitempty"`
	Stdin []byte   `json:"stdin,omitempty"`
}

// Start starts a program whose output goes to a file; the reply has its PID.
type Start struct {
	Run
	Output string `json:"output"`
}

// Wait waits for the end of a program that Start started.
type Wait struct {
	PID int `json:"pid"`
}

// Signal sends a signal to a process or, where PID is negative, to a process group.
type Signal struct {
	PID    int `json:"pid"`
	Signal int `json:"signal"`
}

// Read reads a file from Offset on.
type Read struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset,omitempty"`
}

// A Step changes one file: exactly one of its fields is set. Steps are how sysfs and configfs are worked.
type Step struct {
	Write  *Write        `json:"write,omitempty"`
	Mkdir  string        `json:"mkdir,omitempty"`  // with the folders above it
	Remove string        `json:"remove,omitempty"` // a file or an empty folder
	Pause  time.Duration `json:"pause,omitempty"`  // by the guest's clock
}

// Write writes a file, which is made if it is not there.
type Write struct {
	Path   string `json:"path"`
	Data   []byte `json:"data"`
	Perm   uint32 `json:"perm,omitempty"`   // 0 means 0644
	Append bool   `json:"append,omitempty"` // instead of replacing what is there
}

// Await waits for one of five conditions on a file. The reply has Met, and the file's text from Offset on
// in Data, also when the wait was cancelled.
type Await struct {
	Path   string  `json:"path"`
	Exists bool    `json:"exists,omitempty"`
	Gone   bool    `json:"gone,omitempty"`
	Equals *string `json:"equals,omitempty"` // the whole text, white space at both ends apart
	Lacks  string  `json:"lacks,omitempty"`  // a text that must not be there
	Match  string  `json:"match,omitempty"`  // a regular expression, found after Offset
	Offset int64   `json:"offset,omitempty"`
	Lines  bool    `json:"lines,omitempty"` // Match sees complete lines only: a half-written one waits for its end
}

// Resume gives a guest that goes on from a saved state what it would else have in common with all that do.
type Resume struct {
	Now  time.Time `json:"now"` // for a guest that has a real-time clock
	Seed []byte    `json:"seed"`
}

// Unpack unpacks archives that lie one behind another in memory which the guest's kernel does not use.
type Unpack struct {
	At    int64 `json:"at"`    // the physical address, on a boundary of pages
	Sizes []int `json:"sizes"` // of the archives
}

// A Reply answers the request with the same id. ID 0 is the guest speaking unasked: Hello once, when it has booted, or a complaint about
// something it could not understand, in Error.
type Reply struct {
	ID    uint64 `json:"id"`
	Hello *Hello `json:"hello,omitempty"`
	Error string `json:"error,omitempty"`
	PID   int    `json:"pid,omitempty"`
	Exit  *Exit  `json:"exit,omitempty"`
	Data  []byte `json:"data,omitempty"`
	Met   bool   `json:"met,omitempty"`
	Span  [2]int `json:"span,omitzero"` // where in Data the match is
}

// Exit is how a program ended.
type Exit struct {
	Code      int    `json:"code"`             // -1 where a signal ended it
	Signal    int    `json:"signal,omitempty"` // 0 where none did
	Cancelled bool   `json:"cancelled,omitempty"`
	Stdout    []byte `json:"stdout,omitempty"`
	Stderr    []byte `json:"stderr,omitempty"`
}

// Hello is the guest's first message: it is up.
type Hello struct {
	Kernel string        `json:"kernel"`
	Model  string        `json:"model"`
	Uptime time.Duration `json:"uptime"`
}

// Setup is the guest's part of a board's configuration, as JSON in SetupPath.
type Setup struct {
	Port    string   `json:"port"`           // the device of this protocol, or the name of a virtio port
	Modules []string `json:"modules"`        // paths of kernel modules, in the order of loading
	Root    string   `json:"root,omitempty"` // the device of a system whose /sbin/init becomes process 1
}

// SetupPath is where the guest finds its Setup.
const SetupPath = "/lab/setup.json"

// ServerPath and ServerSetupPath are where a system that is process 1 in the guest's place finds the guest and its Setup.
const (
	ServerPath      = "/run/lab/guest"
	ServerSetupPath = "/run/lab/setup.json"
)
