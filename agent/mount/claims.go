// SPDX-License-Identifier: MIT

// Claims: devices that somebody else looks after, and that are left alone.

package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/blkid"
)

// claims finds out who else has a device.
type claims struct {
	blocks
	mounts mountinfo
	proc   string // the folder /proc
	fstab  string
}

// systemPoints are the mount points whose disk is the system's own.
var systemPoints = []string{"/", "/usr", "/etc", "/var", "/home", "/boot", "/boot/efi", "/boot/firmware"}

// inUse says, without reading the device, who has it, and whether it is the
// system's: "" for no.
func (c *claims) inUse(f *facts) (claim, reserved string) {
	if held, _ := os.ReadDir(filepath.Join(f.folder, "holders")); len(held) > 0 {
		return "it is part of " + held[0].Name(), ""
	}
	if c.isSwap(f) {
		return "it is used as swap", ""
	}
	mounts, err := c.mounts.read()
	if err != nil {
		f.doubt(err)
		return err.Error(), ""
	}
	reserved = c.isRoot(f)
	for i := range mounts {
		e := &mounts[i]
		switch {
		case e.of(f.name, f.number):
			return "it is already mounted at " + e.point, ""
		case slices.Contains(systemPoints, e.point) && c.disk(e.number) == f.whole:
			reserved = "the system runs from this disk: " + e.point
		}
	}
	return "", reserved
}

func (c *claims) isSwap(f *facts) bool {
	for line := range strings.Lines(f.read(filepath.Join(c.proc, "swaps"))) {
		path, _, _ := strings.Cut(line, " ")
		if unescape(path) == f.name {
			return true
		}
	}
	return false
}

// isRoot finds the disk of the kernel's root=, which is not in sight where the
// root is an overlay.
func (c *claims) isRoot(f *facts) string {
	for _, word := range strings.Fields(f.read(filepath.Join(c.proc, "cmdline"))) {
		if spec, ok := strings.CutPrefix(word, "root="); ok && c.onSameDisk(spec, f) {
			return "the system runs from this disk: root=" + spec
		}
	}
	return ""
}

// onSameDisk reports whether spec names the device, or one that shares the
// disk with it.
func (c *claims) onSameDisk(spec string, f *facts) bool {
	if path, ok := strings.CutPrefix(spec, "/dev/"); ok {
		folder, err := filepath.EvalSymlinks(filepath.Join(c.sys, "class/block", filepath.Base(path)))
		return err == nil && (folder == f.whole || filepath.Dir(folder) == f.whole)
	}
	id, ok := strings.CutPrefix(spec, "PARTUUID=")
	if !ok {
		return false
	}
	disk, _, _ := strings.Cut(id, "-") // of a DOS table: the disk's number and the partition's
	const dosDigits = 8
	return len(disk) == dosDigits && strings.EqualFold(disk, c.table(f).TableUUID) || strings.EqualFold(id, c.partUUID(f))
}

// inFstab says which line of fstab names the device.
func (c *claims) inFstab(f *facts) string {
	for line := range strings.Lines(f.read(c.fstab)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0][0] == '#' || !c.names(unescape(words[0]), f) {
			continue
		}
		return fmt.Sprintf("%s lists it for %s", c.fstab, unescape(words[1]))
	}
	return ""
}

// names reports whether the first word of a line of fstab means the device.
func (c *claims) names(spec string, f *facts) bool {
	key, value, tagged := strings.Cut(spec, "=")
	value = strings.Trim(value, `"`)
	switch {
	case tagged && key == "UUID":
		return value != "" && strings.EqualFold(value, f.content.UUID)
	case tagged && key == "LABEL":
		return value != "" && value == f.content.Label
	case tagged && key == "PARTUUID":
		return value != "" && strings.EqualFold(value, c.partUUID(f))
	case tagged && key == "PARTLABEL":
		return value != "" && value == f.text("PARTNAME")
	case !strings.HasPrefix(spec, "/"):
		return false
	case spec == f.name:
		return true
	}
	real, err := filepath.EvalSymlinks(spec) // /dev/disk/by-…
	return err == nil && real == f.name
}

// partUUID returns the partition's UUID: the kernel's word since Linux 6.9,
// else made from the disk's as the kernel does for DOS tables, else udev's.
func (c *claims) partUUID(f *facts) string {
	if id := f.text("PARTUUID"); id != "" || f.part == 0 {
		return id
	}
	if t := c.table(f); t.Table == "dos" && t.TableUUID != "" {
		return fmt.Sprintf("%s-%02x", t.TableUUID, f.part)
	}
	links, _ := filepath.Glob(filepath.Join(c.dev, "disk/by-partuuid", "*"))
	for _, link := range links {
		if real, err := filepath.EvalSymlinks(link); err == nil && real == f.name {
			return filepath.Base(link)
		}
	}
	return ""
}

// table reads the partition table of the device's disk.
func (c *claims) table(f *facts) blkid.Content {
	name := filepath.Join(c.dev, strings.ReplaceAll(filepath.Base(f.whole), "!", "/"))
	content, err := probe(name, f.integer(f.whole, "size")*sector)
	f.doubt(err)
	return content
}
