// SPDX-License-Identifier: MIT

// One message of the kernel's, as kobject_uevent_env of lib/kobject_uevent.c
// makes it: "action@devpath", and then KEY=VALUE texts, each ended by a NUL. A
// driver can send one that is about no device, with an action of its own: the
// buttons of OpenWrt's gpio-button-hotplug do.

package uevent

import (
	"errors"
	"slices"
	"strings"

	"reflexd/sources"
)

// message is one message. Its keys, action and subsystem are words. All other strings
// are parts of the text that was parsed or of names, which like fields is used again for
// the next message.
type message struct {
	action, devpath, subsystem string // devpath is "" if it is about no device
	oldPath                    string // of a move: the devpath before
	// synthetic is set if somebody wrote to a uevent file in sysfs: the
	// device may have been there for long, and stays there.
	synthetic bool
	fields    []sources.Field // all keys, among them ACTION, DEVPATH, SUBSYSTEM
	names     []byte          // the names of device files that were made absolute
	vocabulary
}

var (
	errEnd    = errors.New("no NUL at the end")
	errHeader = errors.New("no action@devpath at the start that the keys agree with")
)

// reset forgets the message and keeps the memory.
func (m *message) reset() {
	*m = message{fields: m.fields[:0], names: m.names[:0], vocabulary: m.vocabulary}
}

// parse reads text into m. dev is where /dev is. Texts that are no valid
// KEY=VALUE are passed over.
func (m *message) parse(text, dev string) error {
	m.reset()
	header, rest, ended := strings.Cut(text, "\x00")
	if !ended || !strings.HasSuffix(text, "\x00") {
		return errEnd
	}
	m.addAll(rest, dev)
	action, path, found := strings.Cut(header, "@")
	if !found || action == "" || action != m.action || path != m.devpath || !strings.HasPrefix(path, "/") && !m.isPlaceless() {
		return errHeader
	}
	return nil
}

// isPlaceless reports whether m, whose DEVPATH is empty, is about no device. The
// actions of the kernel's devices are not for it.
func (m *message) isPlaceless() bool {
	hasPath := slices.ContainsFunc(m.fields, func(f sources.Field) bool { return f.Name == "DEVPATH" || f.Name == "DEVPATH_OLD" })
	return m.devpath == "" && !hasPath && m.subsystem != "" && !slices.Contains(actions, m.action)
}

// addAll adds the keys of text, in which each ends in a NUL.
func (m *message) addAll(text, dev string) {
	for text != "" {
		end := strings.IndexByte(text, 0)
		if end < 0 {
			end = len(text)
		}
		if key, value, ok := m.property(text[:end], len(m.fields)); ok {
			m.add(key, value, dev)
		}
		text = text[min(end+1, len(text)):]
	}
}

func (m *message) add(key, value, dev string) {
	switch key {
	case "ACTION":
		value = m.word(value)
		m.action = value
	case "DEVPATH":
		m.devpath = value
	case "SUBSYSTEM":
		value = m.word(value)
		m.subsystem = value
	case "DEVPATH_OLD":
		m.oldPath = value
	case "SYNTH_UUID":
		m.synthetic = true
	case "DEVNAME":
		if isRelative(value) {
			from := len(m.names)
			m.names = append(append(append(m.names, dev...), '/'), value...)
			value = sources.Borrow(m.names[from:])
		}
	}
	m.fields = append(m.fields, sources.Field{Name: key, Value: sources.Text(value)})
}

// property splits KEY=VALUE at the first =. It is not ok unless the key is valid.
func property(pair string) (key, value string, ok bool) {
	if n := keyLength(pair); n > 0 && n < len(pair) && pair[n] == '=' {
		return pair[:n], pair[n+1:], true
	}
	return "", "", false
}

// isRelative reports whether the name of a device file, in DEVNAME, is relative
// to /dev, as the kernel gives it. Events have it absolute.
func isRelative(name string) bool { return name != "" && name[0] != '/' }

// validKey reports whether key can be an event field and an environment
// variable.
func validKey(key string) bool { return key != "" && keyLength(key) == len(key) }

// keyLength returns how long the valid key at the beginning of text is.
func keyLength(text string) int {
	for i := range len(text) {
		b := text[i]
		if b != '_' && (b < 'A' || b > 'Z') && (i == 0 || b < '0' || b > '9') {
			return i
		}
	}
	return len(text)
}
