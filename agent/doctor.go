// SPDX-License-Identifier: MIT

// Doctor: everything that a configuration needs, compared with the machine.

package agent

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/action"
	"reflexd/agent/spawn"
	"reflexd/config"
	"reflexd/sources"
)

// Machine is where a configuration is to run.
type Machine struct {
	sources.Machine
	Socket string // of the running agent
}

// askedWithin is how long the running agent may take to answer.
const askedWithin = 5 * time.Second

// Examine compares c with the machine; a nil c has the machine alone looked at.
// warnings are what Load had to say of c. Nothing is changed, and what is
// opened is closed again. The findings of the machine come first, and then
// those of c by place.
func (m Machine) Examine(c *Configuration, warnings *config.Problems) []sources.Finding {
	x := &sources.Report{Machine: m.Machine, Configured: c != nil, Uid: os.Geteuid(), Environ: action.Inherited(os.Environ())}
	if c == nil {
		c = newConfiguration()
	}
	for _, r := range c.Rules {
		for i := range r.Triggers {
			x.Triggers = append(x.Triggers, &r.Triggers[i])
		}
	}
	examineKernel(x)
	running := m.ask(x)
	examineUser(x)
	examineCgroup(x)
	for _, p := range c.plans {
		if e := p.Extras().Examiner; e != nil {
			e.Examine(x)
		}
	}
	for _, r := range c.Rules {
		r.Do.Examine(x)
		r.OnFailure.Examine(x)
	}
	c.examinePidFile(x)
	c.examineWriters(x)
	c.examinePriority(x)
	c.examineLogind(x)
	if warnings != nil {
		passOn(warnings, x)
	}
	if running != nil && x.Configured {
		c.compare(running, x)
	}
	return byPlace(x.Findings, c.Files)
}

// byPlace puts findings in order: of the machine, then by file and line.
func byPlace(all []sources.Finding, files []string) []sources.Finding {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := &all[i].At, &all[j].At
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) < 0
	})
	return all
}

// leastKernel is the oldest kernel that has all that is needed.
var leastKernel = [...]int{5, 10}

func examineKernel(x *sources.Report) {
	text, _ := os.ReadFile(x.Path("/proc/sys/kernel/osrelease"))
	var err error
	release := strings.TrimSpace(string(text))
	var version [len(leastKernel)]int
	rest := release
	for i := range version {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		version[i], err = strconv.Atoi(rest[:digits])
		rest = strings.TrimPrefix(rest[digits:], ".")
	}
	const subject = "kernel"
	switch {
	case err != nil:
		x.Note(nil, subject, "unknown version: "+release, "")
	case slices.Compare(version[:], leastKernel[:]) < 0:
		x.Bad(nil, subject, "Linux "+release, "reflexd needs Linux 5.10: version 2 of the GPIO interface")
	default:
		x.Good(nil, subject, "Linux "+release)
	}
}

// ask asks the running agent what it has open. It returns nil without one.
func (m Machine) ask(x *sources.Report) *Status {
	const subject = "running agent"
	s, err := AskStatus(m.Socket, askedWithin)
	if err != nil {
		advice := ""
		for _, p := range x.Processes() {
			if p.Comm == "reflexd" && p.Pid != strconv.Itoa(os.Getpid()) {
				advice = fmt.Sprintf("but process %s is a reflexd: use --socket with its path, or run doctor as root", p.Pid)
			}
		}
		x.Note(nil, subject, err.Error(), advice)
		return nil
	}
	x.Good(nil, subject, fmt.Sprintf("process %d, with %s", s.Pid, strings.Join(s.Files, " ")))
	x.Pid = s.Pid
	x.States = map[string][]sources.State{}
	for _, source := range s.Sources {
		x.States[source.Source] = source.States
	}
	process := filepath.Join(x.Path("/proc"), strconv.Itoa(s.Pid))
	if environ, err := os.ReadFile(filepath.Join(process, "environ")); err == nil {
		x.Environ = action.Inherited(strings.Split(strings.TrimRight(string(environ), "\x00"), "\x00"))
	}
	uids := strings.Fields(sources.StatusField(filepath.Join(process, "status"), "Uid"))
	const effective = 1
	if len(uids) > effective {
		if uid, err := strconv.Atoi(uids[effective]); err == nil {
			x.Uid = uid
		}
	}
	return s
}

// examineCgroup adds how far the programs of the running agent can be followed.
func examineCgroup(x *sources.Report) {
	if x.Pid == 0 {
		return
	}
	const subject = "programs"
	if err := spawn.UsesCgroups(x.Path("/proc"), x.Pid); err != nil {
		x.Note(nil, subject, err.Error()+": processes that leave their group (setsid) outlive the timeout, and limits apply as with ulimit",
			"packaging/reflexd.service has Delegate=yes")
		return
	}
	x.Good(nil, subject, "each has its own cgroup")
}

// examineUser adds where somebody else than the agent is looking.
func examineUser(x *sources.Report) {
	const subject = "user"
	us := os.Geteuid()
	switch {
	case x.Pid != 0 && x.Uid != us:
		x.Note(nil, subject, fmt.Sprintf("the agent runs as user %d, and doctor as %d: their permissions differ", x.Uid, us), fmt.Sprintf("sudo -u '#%d' reflexd doctor", x.Uid))
	case x.Pid == 0 && us != 0:
		x.Note(nil, subject, fmt.Sprintf("doctor runs as user %d", us), "`sudo reflexd doctor` checks what a service can open as root")
	}
}

// examinePidFile looks whether the PID file can be written.
func (c *Configuration) examinePidFile(x *sources.Report) {
	if c.PidFile == "" {
		return
	}
	err := x.Access(filepath.Dir(c.PidFile), unix.W_OK|unix.X_OK)
	x.Check(&config.Pos{File: c.Files[0]}, "pid_file", c.PidFile+" can be written", sources.PathError("write to", filepath.Dir(c.PidFile), err), "create that folder, or set `pid_file:` to another path")
}

// examineLogind adds the keys that logind acts on, too.
func (c *Configuration) examineLogind(x *sources.Report) {
	if !logindRuns(x.Root) {
		return
	}
	ps := &config.Problems{}
	for _, t := range x.Triggers {
		c.lintKeys(t, ps)
	}
	for _, p := range ps.All() {
		x.Bad(&p.Pos, "logind", p.Message, "")
	}
}

// passOn adds the warnings that check has of the configuration; of the machine
// all is said.
func passOn(warnings *config.Problems, x *sources.Report) {
	for _, w := range warnings.All() {
		if !w.OfMachine {
			x.Note(&w.Pos, "check", w.Message, "")
		}
	}
}
