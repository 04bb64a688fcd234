// SPDX-License-Identifier: MIT

// One message of the kernel's, as kobject_uevent_env of lib/kobject_uevent.c
// makes it: "action@devpath", and then KEY=VALUE texts, each ended by a NUL.

package uevent

import (
	"errors"
	"strings"

	"reflexd/sources"
)

// message is one message. Its fields are used again for the next one.
type message struct {
	action, devpath, subsystem string
	oldPath                    string // of a move: the devpath before
	// synthetic is set if somebody wrote to a uevent file in sysfs: the
	// device may have been there for long, and stays there.
	synthetic bool
	fields    []sources.Field // all keys, among them ACTION, DEVPATH, SUBSYSTEM
}

var (
	errEnd    = errors.New("no NUL at the end")
	errHeader = errors.New("no action@devpath at the start that the keys agree with")
)

// parse reads text into m. dev is where /dev is. Texts that are no valid
// KEY=VALUE are passed over.
func (m *message) parse(text, dev string) error {
	*m = message{fields: m.fields[:0]}
	header, rest, ended := strings.Cut(text, "\x00")
	if !ended || !strings.HasSuffix(text, "\x00") {
		return errEnd
	}
	m.addAll(rest, dev)
	action, path, _ := strings.Cut(header, "@")
	if action == "" || action != m.action || path != m.devpath || !strings.HasPrefix(path, "/") {
		return errHeader
	}
	return nil
}

// addAll adds the keys of text, in which each ends in a NUL.
func (m *message) addAll(text, dev string) {
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, "\x00")
		if f, ok := property(pair, dev); ok {
			m.add(f)
		}
	}
}

func (m *message) add(f sources.Field) {
	m.fields = append(m.fields, f)
	switch f.Name {
	case "ACTION":
		m.action = f.Value.String()
	case "DEVPATH":
		m.devpath = f.Value.String()
	case "SUBSYSTEM":
		m.subsystem = f.Value.String()
	case "DEVPATH_OLD":
		m.oldPath = f.Value.String()
	case "SYNTH_UUID":
		m.synthetic = true
	}
}

// property splits KEY=VALUE at the first =. The name of a device file, which
// the kernel gives relative to /dev, is made absolute.
func property(pair, dev string) (sources.Field, bool) {
	key, value, ok := strings.Cut(pair, "=")
	if !ok || !validKey(key) {
		return sources.Field{}, false
	}
	if key == "DEVNAME" && value != "" && value[0] != '/' {
		value = dev + "/" + value
	}
	return sources.Field{Name: key, Value: sources.Text(value)}, true
}

// validKey reports whether key can be an event field and an environment
// variable.
func validKey(key string) bool {
	for i := range len(key) {
		b := key[i]
		if b != '_' && (b < 'A' || b > 'Z') && (i == 0 || b < '0' || b > '9') {
			return false
		}
	}
	return key != ""
}
