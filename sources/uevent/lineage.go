// SPDX-License-Identifier: MIT

// A device and those that it hangs on, as sysfs has them, and reading their
// attributes.

package uevent

import (
	"os"
	"path/filepath"
	"strings"

	"reflexd/sources"
)

// mostParents bounds how far up a device is looked for what it hangs on; the
// deepest trees of hubs and bridges have about twenty.
const mostParents = 64

// maxAttribute is more than any attribute that we ask for has. The kernel
// gives a page at most; a folder that only stands for sysfs may hold more.
const maxAttribute = 4096

// ancestor is one device of a lineage.
type ancestor struct {
	dir       string // its folder
	name      string // the last part of its path: "1-1.2:1.0"
	subsystem string
	devtype   string // DEVTYPE, "" for none
	doubt     *error // why something is not known: the kernel had not the means to tell
}

// lineage returns the device with the path and what it hangs on, the nearest
// first. Folders on the way that are no devices are passed over. A path that
// is none below /devices has no lineage.
func lineage(sys, devpath string, doubt *error) []ancestor {
	rest, ok := strings.CutPrefix(devpath, "/devices/")
	if !ok || !filepath.IsLocal(rest) {
		return nil
	}
	var all []ancestor
	for range mostParents {
		dir := filepath.Join(sys, "devices", rest)
		link, err := os.Readlink(filepath.Join(dir, "subsystem"))
		note(doubt, err)
		if err == nil {
			all = append(all, ancestor{dir, filepath.Base(dir), filepath.Base(link), devtype(dir, doubt), doubt})
		}
		rest = filepath.Dir(rest)
		if rest == "." {
			break
		}
	}
	return all
}

// devtype returns what the kernel would say in DEVTYPE.
func devtype(dir string, doubt *error) string {
	for line := range strings.Lines(readAttribute(dir, "uevent", doubt)) {
		if t, ok := strings.CutPrefix(line, "DEVTYPE="); ok {
			return strings.TrimSpace(t)
		}
	}
	return ""
}

func (a *ancestor) attribute(name string) string { return readAttribute(a.dir, name, a.doubt) }

func (a *ancestor) is(subsystem, devtype string) bool {
	return a.subsystem == subsystem && a.devtype == devtype
}

// readAttribute returns an attribute up to its first NUL and without the line
// break at its end; "" if it cannot be read. Where the driver has to ask the
// device for it, this may block.
func readAttribute(dir, name string, doubt *error) string {
	f, err := os.Open(filepath.Join(dir, name))
	note(doubt, err)
	if err != nil {
		return ""
	}
	defer f.Close()
	var buf [maxAttribute]byte
	n, err := f.Read(buf[:]) // sysfs gives an attribute in one piece
	note(doubt, err)
	if err != nil {
		return ""
	}
	text, _, _ := strings.Cut(string(buf[:n]), "\x00")
	return strings.TrimRight(text, "\n")
}

// note takes note of the first error by which the kernel says that it had not the means to tell.
func note(doubt *error, err error) {
	if *doubt == nil && sources.Passing(err) {
		*doubt = err
	}
}
