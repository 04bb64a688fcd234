// SPDX-License-Identifier: MIT

// What the verb doctor says of actions: programs, users, LEDs, files and
// processes that they need. What an event fills in is not known, and is left
// out.

package action

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/agent/mount/fstype"
	"reflexd/agent/output"
	"reflexd/agent/spawn"
	"reflexd/config"
	"reflexd/sources"
)

// Examiner is an Action that needs something of the machine.
type Examiner interface {
	Action
	// Examine adds to x what it needs; at is where the action stands. As with
	// sources.Examiner, it only looks.
	Examine(x *sources.Report, at *config.Pos)
}

// Examine adds what the actions of l need.
func (l List) Examine(x *sources.Report) {
	for i := range l {
		if a, ok := l[i].Action.(Examiner); ok {
			a.Examine(x, &l[i].Pos)
		}
	}
}

// nothing is an event without fields.
var nothing = &sources.Event{}

// Examine implements Examiner.
func (a *program) Examine(x *sources.Report, at *config.Pos) {
	if len(a.argv) == 0 || a.argv[0].HasFields() {
		return
	}
	spec := spawn.Spec{Argv: []string{a.argv[0].Expand(nothing)}, Env: x.Environ, User: a.user, Group: a.group, Dir: "/"}
	if !a.dir.HasFields() && !a.dir.Empty() {
		spec.Dir = a.dir.Expand(nothing)
	}
	if v := a.env["PATH"]; v != nil && !v.value.HasFields() {
		spec.Set = []string{"PATH=" + v.value.Expand(nothing)}
	}
	subject := "program " + spec.Argv[0]
	if a.user != "" {
		subject += " as user " + a.user
	}
	file, advice, err := spawn.Look(&spec, x.Uid, x.Root)
	if err != nil {
		x.Bad(at, subject, err.Error(), advice)
		return
	}
	a.examineScript(x, at, subject, file)
	if usual := strings.Split(DefaultPath, ":"); x.Pid == 0 && file != spec.Argv[0] && spec.Set == nil && !slices.Contains(usual, filepath.Dir(file)) {
		x.Note(at, subject, file+", in the PATH of this shell", "the PATH of a service has no "+filepath.Dir(file)+": write the full path")
		return
	}
	x.Good(at, subject, file)
}

// Examine implements Examiner.
func (a *set) Examine(x *sources.Report, at *config.Pos) { a.target.examine(x, at, a.trigger) }

// Examine implements Examiner.
func (a *pulse) Examine(x *sources.Report, at *config.Pos) { a.target.examine(x, at, "") }

// Examine implements Examiner.
func (a *blink) Examine(x *sources.Report, at *config.Pos) { a.target.examine(x, at, "") }

// Examine implements Examiner.
func (a *fadeOutputs) Examine(x *sources.Report, at *config.Pos) {
	a.target.examine(x, at, "")
	for _, led := range a.leds {
		if !led.refers {
			output.ExamineFade(x, at, led.name)
		}
	}
}

// examine adds the LEDs; a line is the affair of its source.
func (t *target) examine(x *sources.Report, at *config.Pos, trigger string) {
	for _, led := range t.leds {
		if led.refers {
			continue
		}
		subject := "LED " + led.name
		if trigger != "" {
			subject += " with trigger " + trigger
		}
		name, err := output.ExamineLED(x, led.name, trigger)
		x.Check(at, subject, "/sys/class/leds/"+name, err, "")
	}
}

// Examine implements Examiner.
func (a *write) Examine(x *sources.Report, at *config.Pos) {
	if a.path.HasFields() {
		return
	}
	path := a.path.Expand(nothing)
	file, err := oneFile(x.Path(path), a.literal())
	if err == nil {
		file = "/" + strings.TrimPrefix(strings.TrimPrefix(file, x.Root), "/")
		if err = x.Access(file, unix.W_OK); err == unix.ENOENT && a.append {
			err = x.Access(filepath.Dir(file), unix.W_OK|unix.X_OK)
		}
		err = sources.PathError("write", file, err)
	}
	x.Check(at, "file "+path, "can be written", err, "")
}

// Examine implements Examiner. A process may come later, so its absence is no
// fault.
func (a *signalAction) Examine(x *sources.Report, at *config.Pos) {
	if a.to.HasFields() {
		return
	}
	to := a.to.Expand(nothing)
	subject := "process " + to
	if strings.HasPrefix(to, "/") {
		to = x.Path(to)
	}
	if _, err := findProcesses(x.Path("/proc"), to); err != nil {
		x.Note(at, subject, err.Error(), "")
		return
	}
	x.Good(at, subject, "it is running")
}

// Examine implements Examiner.
func (a *send) Examine(x *sources.Report, _ *config.Pos) {
	if a.file == nil || a.file.HasFields() {
		return
	}
	path := a.file.Expand(nothing)
	x.Check(&a.file.Pos, "file "+path, "can be read", sources.PathError("read", path, x.Access(path, unix.R_OK)), "")
}

// Examine implements Examiner.
func (a *mountAction) Examine(x *sources.Report, at *config.Pos) {
	if a.Type == "" {
		return
	}
	subject := "filesystem " + a.Type
	if missing := fstype.Missing(x.Root, a.Type); len(missing) > 0 {
		x.Bad(at, subject, fstype.Unknown(a.Type), "")
		return
	}
	x.Good(at, subject, "the kernel supports it")
}
