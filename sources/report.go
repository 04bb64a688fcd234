// SPDX-License-Identifier: MIT

// Report: what a configuration needs, compared with the machine, for the verb
// doctor.

package sources

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// Examiner is a Plan that can find out whether the machine has what it needs. Its
// words are those that its source logs when it finds the same out.
type Examiner interface {
	// Examine adds its findings to x. It only looks: it requests no line,
	// grabs no device, keeps no socket, opens no file of the configuration
	// and changes nothing. It may block, and is called on no loop.
	Examine(x *Report)
}

// Mark says what a finding means.
type Mark uint8

// The marks: as it should be, worth knowing, and in the way of the rules.
const (
	Good Mark = iota
	Note
	Bad
)

// String returns the mark as people see it.
func (m Mark) String() string { return [...]string{"ok", "note", "BAD"}[m] }

// Finding is one thing that is needed, and what of it is there.
type Finding struct {
	Mark    Mark
	At      config.Pos // what asks for it; without a file for the machine alone
	Subject string     // in the words of the configuration: "line power"
	Found   string
	Advice  string // what to do, where Found does not say it
}

// Report is one comparison.
type Report struct {
	Machine
	// Configured says that there is a configuration. Without one, the
	// machine alone is looked at.
	Configured bool
	// Pid is the running agent's; 0 if none runs. Uid is its user, or ours.
	Pid, Uid int
	// States are what the running agent says of its sources, by their names.
	States map[string][]State
	// Environ is what programs inherit.
	Environ []string
	// Triggers are those of all rules.
	Triggers []*Trigger

	Findings []Finding
}

// Good adds that something is as it should be. Here as below, at is where the
// configuration asks for it, nil for the machine's own affairs.
func (x *Report) Good(at *config.Pos, subject, found string) { x.Add(Good, at, subject, found, "") }

// Note adds what is worth knowing.
func (x *Report) Note(at *config.Pos, subject, found, advice string) {
	x.Add(Note, at, subject, found, advice)
}

// Bad adds what is in the way.
func (x *Report) Bad(at *config.Pos, subject, found, advice string) {
	x.Add(Bad, at, subject, found, advice)
}

// Check adds err as bad, or found as good where there is none.
func (x *Report) Check(at *config.Pos, subject, found string, err error, advice string) {
	if err == nil {
		x.Good(at, subject, found)
		return
	}
	why := strings.TrimPrefix(strings.TrimPrefix(err.Error(), subject), ":")
	x.Bad(at, subject, strings.TrimSpace(why), advice)
}

// Add adds a finding, unless it is known already. It is called in many places
// and in none of them in a hurry: inlined, it would cost 40 KiB.
//
//go:noinline
func (x *Report) Add(m Mark, at *config.Pos, subject, found, advice string) {
	f := Finding{Mark: m, Subject: subject, Found: found, Advice: advice}
	if at != nil {
		f.At = *at
	}
	for i := range x.Findings {
		if x.Findings[i].Subject == subject && x.Findings[i].Found == found {
			return
		}
	}
	x.Findings = append(x.Findings, f)
}

// Held reports whether the running agent has something of the source open for
// which is holds.
func (x *Report) Held(source string, is func(State) bool) bool {
	return slices.ContainsFunc(x.States[source], func(s State) bool { return s.OK && is(s) })
}

// HeldAs reports whether the running agent has open what goes by that name.
func (x *Report) HeldAs(source, name string) bool {
	return x.Held(source, func(s State) bool { return s.Name == name })
}

// At returns where the first trigger stands that matches the topic's kind and
// name, alone or as a member of a group; nil without one.
func (x *Report) At(kind, name string) *config.Pos {
	for _, t := range x.Triggers {
		for _, topic := range t.Topics {
			if topic.Kind == kind && (topic.Name == name || name == "") {
				return &t.Pos
			}
		}
		for _, w := range t.Wants {
			if w.Group != nil && w.Group.Kind == kind && slices.Contains(w.Group.Members, name) {
				return &t.Pos
			}
		}
	}
	return nil
}

// Access is access(2), with the mode of unix.R_OK and so on, of a path of the
// machine. The agent's user counts where that is root; a right that we have
// and another user would not is not told apart.
func (x *Report) Access(path string, mode uint32) error {
	err := unix.Access(x.Path(path), mode)
	if err == unix.EACCES && x.Uid == 0 {
		return nil
	}
	return err
}

// Creatable says why no file can be made at path, nil if one can: the folder,
// or the nearest one above it that is there, must let us.
func (x *Report) Creatable(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		err := x.Access(dir, unix.W_OK|unix.X_OK)
		if err != unix.ENOENT || dir == "/" || dir == "." {
			return PathError("write to", dir, err)
		}
	}
}

// PathError says what was done to which path when err came of it; nil stays
// nil.
func PathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}

// Conflict is a program that may act on what rules act on, too. It is known by
// its process, or by a file of its package.
type Conflict struct {
	Comm string // the process's name, of which the kernel keeps 15 bytes
	File string // a glob
	// Acts is set if it does so by itself, however it is configured: that is in
	// the way. Others are worth knowing of.
	Acts   bool
	What   string // it does
	Advice string
}

// Examine adds the rival to x if it is there. at is where the configuration
// does what the rival does.
func (r *Conflict) Examine(x *Report, at *config.Pos) {
	mark := Note
	if r.Acts {
		mark = Bad
	}
	if found, _ := filepath.Glob(x.Path(r.File)); r.File != "" && len(found) > 0 {
		x.Add(mark, at, r.Comm, "it is installed and "+r.What, r.Advice)
		return
	}
	for _, p := range x.Processes() {
		if p.Comm == r.Comm {
			x.Add(mark, at, r.Comm, "process "+p.Pid+" "+r.What, r.Advice)
		}
	}
}
