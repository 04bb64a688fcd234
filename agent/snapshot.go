// SPDX-License-Identifier: MIT

// Snapshot: the head of a recording.

package agent

import (
	"encoding/hex"
	"hash/fnv"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/control"
	"reflexd/client"
	"reflexd/regular"
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
