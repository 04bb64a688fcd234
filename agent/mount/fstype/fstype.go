// SPDX-License-Identifier: MIT

// Package fstype knows the filesystems that sticks bear: what the kernel's
// drivers are called, and how each is best mounted where nobody is asked.
package fstype

import "slices"

// Type is one type of filesystem.
type Type struct {
	Name string // as blkid and `types` have it
	// Drivers are the names that mount(2) takes, the best first: which of
	// them there is depends on the kernel.
	Drivers []string
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
}

// types is in the order of names. Documentation/filesystems and the
// parameter tables of fs/*/super.c are what it follows.
var types = [...]Type{
	{Name: "btrfs", Drivers: []string{"btrfs"}, Owners: true, Journal: true, NoReplay: "rescue=nologreplay"},
	{Name: "exfat", Drivers: []string{"exfat"}, Defaults: []string{"iocharset=utf8"}, Wrong: []string{"flush", "utf8"}},
	{Name: "ext2", Drivers: []string{"ext4", "ext2"}, Owners: true},
	{Name: "ext3", Drivers: []string{"ext4", "ext3"}, Owners: true, Journal: true, NoReplay: "noload"},
	{Name: "ext4", Drivers: []string{"ext4"}, Owners: true, Journal: true, NoReplay: "noload"},
	{Name: "f2fs", Drivers: []string{"f2fs"}, Owners: true, Journal: true, NoReplay: "norecovery"},
	{Name: "iso9660", Drivers: []string{"iso9660"}, ReadOnly: true, Defaults: []string{"iocharset=utf8"}},
	{Name: "ntfs", Drivers: []string{"ntfs3", "ntfs"}, Wrong: []string{"flush", "utf8", "windows_names=1"}},
	{Name: "squashfs", Drivers: []string{"squashfs"}, Owners: true, ReadOnly: true},
	{Name: "udf", Drivers: []string{"udf"}, Defaults: []string{"iocharset=utf8"}},
	{Name: "vfat", Drivers: []string{"vfat"}, Defaults: []string{"utf8", "flush"}},
	{Name: "xfs", Drivers: []string{"xfs"}, Owners: true, Journal: true, NoReplay: "norecovery"},
}

// Find returns the type with that name, or nil.
func Find(name string) *Type {
	i := slices.IndexFunc(types[:], func(t Type) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &types[i]
}

// Names are the names of all types.
func Names() []string {
	names := make([]string, len(types))
	for i := range types {
		names[i] = types[i].Name
	}
	return names
}
