// SPDX-License-Identifier: MIT

// Options: what stands behind `-o` of mount(8), as mount(2) wants it.

package fstype

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Options are mount options as mount(2) takes them.
type Options struct {
	Flags uintptr
	Data  []string // for the driver
}

// Safe are the options that everything gets that comes from outside: no
// program of it is run, no device file of it opened.
func Safe() Options {
	return Options{Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RELATIME}
}

// times are the flags of which one at most can be set.
const times = unix.MS_RELATIME | unix.MS_NOATIME | unix.MS_STRICTATIME

// word is an option that is a flag of mount(2).
type word struct {
	text       string
	set, clear uintptr
}

// words are the options that are the kernel's and not a driver's.
var words = [...]word{
	{"dev", 0, unix.MS_NODEV}, {"nodev", unix.MS_NODEV, 0},
	{"exec", 0, unix.MS_NOEXEC}, {"noexec", unix.MS_NOEXEC, 0},
	{"suid", 0, unix.MS_NOSUID}, {"nosuid", unix.MS_NOSUID, 0},
	{"sync", unix.MS_SYNCHRONOUS, 0}, {"async", 0, unix.MS_SYNCHRONOUS},
	{"dirsync", unix.MS_DIRSYNC, 0}, {"lazytime", unix.MS_LAZYTIME, 0},
	{"nodiratime", unix.MS_NODIRATIME, 0}, {"noatime", unix.MS_NOATIME, times},
	{"relatime", unix.MS_RELATIME, times}, {"strictatime", unix.MS_STRICTATIME, times},
}

// Add adds options that Check found nothing wrong with. Of two that
// contradict each other the later one counts.
func (o *Options) Add(options ...string) {
	for _, option := range options {
		i := slices.IndexFunc(words[:], func(w word) bool { return w.text == option })
		if i >= 0 {
			o.Flags = o.Flags&^words[i].clear | words[i].set
			continue
		}
		key := Key(option)
		o.Data = slices.DeleteFunc(o.Data, func(d string) bool { return d == key || strings.HasPrefix(d, key+"=") })
		o.Data = append(o.Data, option)
	}
}

// Under returns the options with others before them, which give way where the
// two contradict each other.
func (o Options) Under(options ...string) Options {
	under := Options{Flags: o.Flags}
	under.Add(options...)
	under.Add(o.Data...)
	return under
}

// Key is the name of an option, which may have a value.
func Key(option string) string {
	key, _, _ := strings.Cut(option, "=")
	return key
}

// Check says what is wrong with an option for a type, which may be nil for
// any.
func Check(t *Type, option string) error {
	switch option {
	case "":
		return fmt.Errorf("an option is empty")
	case "ro", "rw":
		return fmt.Errorf("%s is not an option here: write `read_only: %v`", option, option == "ro")
	case "remount", "bind", "move", "loop", "auto", "noauto", "user", "users", "nofail", "_netdev", "defaults":
		return fmt.Errorf("%s is an option of mount(8) or fstab, and is not supported here", option)
	}
	if strings.ContainsAny(option, ",\x00\n") {
		return fmt.Errorf("%q is more than one option: write a list", option)
	}
	if t != nil && slices.Contains(t.Wrong, option) {
		return fmt.Errorf("%s has no option %s", t.Name, option)
	}
	return nil
}
