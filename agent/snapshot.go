// SPDX-License-Identifier: MIT

// Snapshot: the head of a recording.

package agent

import (
	"encoding/hex"
	"hash/fnv"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/control"
	"reflexd/client"
	"reflexd/regular"
	"reflexd/sources"
)

// answerSnapshot answers what the agent runs on and how things are.
func (a *Agent) answerSnapshot(_ control.Request, reply func(any, error)) {
	s := a.Snapshot()
	a.loop.Beside(func() { Identify(s) }, func() { reply(s, nil) })
}

// Snapshot returns how things are. Identify adds what has to be read. It is for
// the loop's thread.
func (a *Agent) Snapshot() *client.Snapshot {
	c := a.config
	s := &client.Snapshot{
		Recording: 1, Reflexd: a.opts.Version, Kernel: kernelRelease(), Time: client.Seconds(a.loop.Now()), Files: c.Files,
		Lines: map[string]string{}, Vars: map[string]string{}, Inputs: map[string]string{}, Links: map[string]string{},
		Sensors: map[string]string{}, Counters: map[string]string{}, PWM: map[string]string{},
		Started: client.Seconds(a.started), States: a.lasted(),
	}
	if now, isSet := a.clock.Wall(); isSet {
		s.Wall, s.Zone = now.Format(time.RFC3339Nano), now.Location().String()
	}
	for _, r := range c.Rules {
		s.Rules = append(s.Rules, r.Name)
	}
	for _, name := range c.gpio.Names() {
		if on, ok := a.gpio.Level(name); ok {
			s.Lines[name] = word(on, "on", "off")
		}
	}
	for _, name := range c.vars.Names() {
		if value, err := a.vars.Value(name); err == nil && !value.IsSecret() {
			s.Vars[name] = value.String()
		}
	}
	for _, name := range c.counter.Names() {
		s.Counters[name], _ = a.counter.Value(name)
	}
	for _, name := range c.pwm.Names() {
		level, _ := a.pwm.Level(name)
		s.PWM[name] = sources.Percent(level)
	}
	for _, name := range c.sensor.Names() {
		if value, ok := a.sensor.Now(name); ok {
			s.Sensors[name] = value
		}
	}
	for name, up := range a.link.Links() {
		s.Links[name] = word(up, "up", "down")
	}
	for i, k := range kinds {
		for _, state := range a.sources[i].Status() {
			if k.Name == "input" && c.input.Inputs[state.Name] != nil {
				s.Inputs[state.Name] = word(state.OK, "present", "absent")
			}
			s.Devices = append(s.Devices, strings.TrimSuffix(k.Name+": "+state.Name+", "+state.Detail, ", "))
		}
	}
	return s
}

// lasted returns since when all states have been as they are, but for keys that no
// rule names.
func (a *Agent) lasted() []client.Lasted {
	var all []client.Lasted
	a.states.Each(func(e *sources.Event, since time.Duration) {
		if e.Topic.Kind == "key" && !a.config.keys[e.Topic.Name] {
			return
		}
		l := client.Lasted{Kind: strings.Clone(e.Topic.Kind), Name: strings.Clone(e.Topic.Name), State: strings.Clone(e.Topic.State),
			Since: client.Seconds(since), Names: slices.Clone(e.Names)}
		if v, ok := e.Lookup("VALUE"); ok && (l.Kind == "var" || l.Kind == "sensor" || l.Kind == "counter") {
			l.State = strings.Clone(v.Shown())
		}
		if l.Kind == "mount" {
			l.Fields = map[string]string{}
			for _, f := range e.Fields {
				l.Fields[strings.Clone(f.Name)] = strings.Clone(f.Value.Shown())
			}
		}
		all = append(all, l)
	})
	sort.SliceStable(all, func(i, j int) bool { // slices.SortFunc would be 10 KB of machine code
		a, b := &all[i], &all[j]
		return a.Kind < b.Kind || a.Kind == b.Kind && (a.Name < b.Name || a.Name == b.Name && a.Since < b.Since)
	})
	return all
}

func word(yes bool, is, otherwise string) string {
	if yes {
		return is
	}
	return otherwise
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}

// Identify adds the board's model, and the hash of the configuration's files. It
// may block.
func Identify(s *client.Snapshot) {
	model, _ := os.ReadFile("/proc/device-tree/model")
	s.Board = strings.TrimRight(string(model), "\x00\n")
	s.Hash = HashOf(s.Files)
}

// HashOf returns a hash (FNV-1a of 128 bits) of the files of a configuration, "" if there are
// none or they cannot be read.
func HashOf(files []string) string {
	const longest = 16 << 20
	sum := fnv.New128a()
	for _, path := range files {
		text, err := regular.Read(path, longest)
		if err != nil {
			return ""
		}
		sum.Write(text)
	}
	if len(files) == 0 {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}
