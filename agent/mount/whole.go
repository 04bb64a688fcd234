// SPDX-License-Identifier: MIT

// Drives that hold a part of a filesystem only, or the double of one. The
// kernel opens what such a drive names: another journal, another device.

package mount

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/agent/mount/fstype"
	"reflexd/blkid"
)

// hasTwin reports whether a btrfs of the same UUID is mounted. The kernel
// knows devices of btrfs by their UUIDs alone.
func (b *blocks) hasTwin(c *blkid.Content) bool {
	if c.Type != "btrfs" || c.UUID == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(b.sys, "fs/btrfs", c.UUID))
	return err == nil
}

// whole says what the filesystem wants that is not on this drive, if the owner
// has not named it.
func (w *wish) whole() error {
	c, kind := &w.facts.content, w.kind
	fail := func(format string, args ...any) error {
		return fmt.Errorf("mount %s as %s: %s", w.facts.name, kind.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case !kind.Parts:
		return nil
	case !kind.Like(c.Type): // what is known of c says nothing then
		return fail("expected %s on it, found %s", kind.Name, cmp.Or(c.Type, "unknown data"))
	case namesDevice(c.Options):
		return fail("the mount options in its superblock, %q, name a device", c.Options)
	case w.facts.twin:
		return fail("a btrfs with this UUID is already mounted")
	case c.Elsewhere == "" || slices.ContainsFunc(w.options, kind.NamesDevice):
		return nil
	case kind.Naming == nil:
		return fail("%s", c.Elsewhere)
	}
	return fail("%s (to mount it, name that in `options`: %s)", c.Elsewhere, strings.Join(kind.Naming, ", "))
}

// namesDevice reports whether mount options in an ext4's superblock name its
// journal. They would count more than those of the mount.
func namesDevice(options string) bool {
	return slices.ContainsFunc(strings.Split(options, ","), func(o string) bool {
		key := fstype.Key(o)
		return key == "journal_dev" || key == "journal_path"
	})
}
