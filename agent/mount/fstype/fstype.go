// SPDX-License-Identifier: MIT

// Package fstype knows the filesystems that sticks bear: what the kernel's
// drivers are called, and how each is best mounted where nobody is asked.
package fstype

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Type is one type of filesystem.
type Type struct {
	Name string // as blkid and `types` have it
	// Drivers are the kernel's, the best first: which of them there is
	// depends on the kernel.
	Drivers []Driver
	// Owners is set where files have owners of their own. Where it is not,
	// Ids are the options that set one for all files.
	Owners bool
	// Journal is set where a filesystem that was not unmounted repairs itself
	// when it is mounted.
	Journal bool
	// ReadOnly is set where the kernel cannot write at all.
	ReadOnly bool
	// Defaults are the options that it gets beside those of all types.
	Defaults []string
	// NoReplay is the option without which a journal on a write-protected
	// device cannot be mounted.
	NoReplay string
	// Wrong are options that are often asked for but that the driver has
	// not.
	Wrong []string
	// Parts is set where a filesystem may be spread over several devices,
	// which the driver opens by itself.
	Parts bool
	// Naming are the options by which the owner names the other devices, or
	// does without them.
	Naming []string
}

// types is in the order of names. Documentation/filesystems and the
// parameter tables of fs/*/super.c are what it follows.
var types = [...]Type{
	{Name: "btrfs", Drivers: []Driver{btrfs}, Owners: true, Journal: true, NoReplay: "rescue=nologreplay",
		Parts: true, Naming: []string{"device", "degraded"}},
	{Name: "exfat", Drivers: []Driver{exfat}, Defaults: []string{"iocharset=utf8"}, Wrong: []string{"flush", "utf8"}},
	{Name: "ext2", Drivers: []Driver{ext4, ext2}, Owners: true, Parts: true, Naming: extJournals},
	{Name: "ext3", Drivers: []Driver{ext4, ext3}, Owners: true, Journal: true, NoReplay: "noload", Parts: true, Naming: extJournals},
	{Name: "ext4", Drivers: []Driver{ext4}, Owners: true, Journal: true, NoReplay: "noload", Parts: true, Naming: extJournals},
	{Name: "f2fs", Drivers: []Driver{f2fs}, Owners: true, Journal: true, NoReplay: "norecovery", Parts: true},
	{Name: "iso9660", Drivers: []Driver{iso9660}, ReadOnly: true, Defaults: []string{"iocharset=utf8"}},
	{Name: "ntfs", Drivers: []Driver{ntfs3, ntfs}, Wrong: []string{"flush", "utf8", "windows_names=1"}},
	{Name: "squashfs", Drivers: []Driver{squashfs}, Owners: true, ReadOnly: true},
	{Name: "udf", Drivers: []Driver{udf}, Defaults: []string{"iocharset=utf8"}},
	{Name: "vfat", Drivers: []Driver{vfat}, Defaults: []string{"utf8", "flush"}},
	{Name: "xfs", Drivers: []Driver{xfs}, Owners: true, Journal: true, NoReplay: "norecovery",
		Parts: true, Naming: []string{"logdev", "rtdev"}},
}

// extJournals are the options for a journal on another device.
var extJournals = []string{"journal_dev", "journal_path", "noload", "norecovery"}

// Find returns the type with that name, or nil.
func Find(name string) *Type {
	i := slices.IndexFunc(types[:], func(t Type) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &types[i]
}

// Like reports whether the first driver of t is that of another type too. What
// is known of a filesystem of either type is then true of both.
func (t *Type) Like(name string) bool {
	other := Find(name)
	return other != nil && t.Drivers[0].Name == other.Drivers[0].Name
}

// Names are the names of all types.
func Names() []string {
	names := make([]string, len(types))
	for i := range types {
		names[i] = types[i].Name
	}
	return names
}

// NamesDevice reports whether an option is one of Naming.
func (t *Type) NamesDevice(option string) bool { return slices.Contains(t.Naming, Key(option)) }

// Unknown says that the kernel has no filesystem of that name.
func Unknown(name string) string {
	return "this kernel has no driver for " + name + ", built in or as a module (/proc/filesystems)"
}

// Missing are the names of the types, all without names, that the kernel does
// not know. root is where / is: "" but for tests.
func Missing(root string, names ...string) (missing []string) {
	registered, _ := os.ReadFile(filepath.Join(root, "/proc/filesystems"))
	release, _ := os.ReadFile(filepath.Join(root, "/proc/sys/kernel/osrelease"))
	modules := filepath.Join(root, "/lib/modules", strings.TrimSpace(string(release)))
	aliases, _ := os.ReadFile(filepath.Join(modules, "modules.alias"))
	known := func(driver string) bool {
		return strings.Contains(string(registered), "\t"+driver+"\n") ||
			strings.Contains(string(aliases), "alias fs-"+driver+" ")
	}
	for i := range types {
		t := &types[i]
		asked := len(names) == 0 || slices.Contains(names, t.Name)
		if asked && !slices.ContainsFunc(t.Drivers, func(d Driver) bool { return known(d.Name) }) {
			missing = append(missing, t.Name)
		}
	}
	return missing
}
