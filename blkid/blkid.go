// SPDX-License-Identifier: MIT

// Package blkid reports what a block device holds: the type, label and UUID of
// a filesystem, or that it holds something that is not to be mounted, like a
// RAID member, an encrypted volume or a partition table. It follows libblkid,
// whose names and notations udev and fstab use: a Label or UUID from here can
// be looked up in /dev/disk/by-label and by-uuid.
//
// It reads few and small pieces and trusts none of them: a device that was
// plugged in may say anything.
package blkid

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Usage is what a content is good for.
type Usage string

// The usages, in libblkid's words.
const (
	Filesystem Usage = "filesystem"
	RAID       Usage = "raid"   // one of the devices of an array or a volume group
	Crypto     Usage = "crypto" // wants a key before it can be used
	Other      Usage = "other"  // swap, or the journal of another filesystem
)

// Content is what a device holds. The zero Content is that of a device that
// bears no signature we know.
type Content struct {
	Type    string // "vfat", "ext4", "crypto_LUKS"…; empty where there is none
	Usage   Usage  // empty where Type is
	Version string // the format's own, such as "FAT32" or "1.0"; often empty
	// Label is as its owner wrote it, without white space at its end: it may
	// have any byte but NUL in it, and need not be UTF-8.
	Label string
	UUID  string // in the notation of the type: 8 or 4-4 hexadecimal digits too
	// Size is how many bytes the filesystem takes up, as far as its
	// superblock says so, else 0. More than the device has means that the
	// device was cut off.
	Size int64
	// Dirty says that a filesystem was not unmounted, or has errors that a
	// check should mend.
	Dirty bool
	// ReadOnly says that nothing can be written to this filesystem.
	ReadOnly bool
	// Elsewhere says, in printable words, what of the filesystem is on other
	// devices, which its driver opens too; empty where it is all here.
	Elsewhere string
	// Options are mount options in the superblock, which its driver takes for
	// its own. They may have any byte but NUL in them.
	Options string
	// Table is the kind of partition table: "dos", "gpt", "PMBR" (which
	// protects a GPT that is broken) or empty. A device may have a table and
	// a Type: an ISO image made for sticks does.
	Table     string
	TableUUID string
}

// A prober recognises one family of contents.
type prober struct {
	probe func(*disk) (Content, bool)
	// types are those of the filesystems that it finds.
	types []string
	// tolerant contents may share a device with another.
	tolerant bool
	// isWeak, if not nil, reports whether so little speaks for what was found that
	// content with more to it outweighs it.
	isWeak func(*disk) bool
}

// probers are asked in this order. Those of arrays and encryption come first:
// what such a device holds besides is not its own.
var probers = [...]prober{
	{probe: probeMD},
	{probe: probeZFS},
	{probe: probeLVM},
	{probe: probeLUKS},
	{probe: probeBitLocker},
	{probe: probeBcache},
	{probe: probeFAT, types: []string{"vfat"}, isWeak: isNamelessFAT},
	{probe: probeSwap, isWeak: isOldSwap},
	{probe: probeXFS, types: []string{"xfs"}},
	{probe: probeExt, types: []string{"ext2", "ext3", "ext4"}},
	{probe: probeUDF, types: []string{"udf"}, tolerant: true},
	{probe: probeISO9660, types: []string{"iso9660"}, tolerant: true},
	{probe: probeNTFS, types: []string{"ntfs"}},
	{probe: probeSquashfs, types: []string{"squashfs", "squashfs3"}},
	{probe: probeBtrfs, types: []string{"btrfs"}},
	{probe: probeExfat, types: []string{"exfat"}},
	{probe: probeF2FS, types: []string{"f2fs"}},
}

const (
	// tooSmall is the size up to which a device holds nothing: an extended
	// partition has 1024 bytes.
	tooSmall = 1024
	// floppy is the size up to which a device is no part of an array, and
	// whatever is found first is what it holds.
	floppy = 1440 << 10
)

// Probe reads the superblocks of r, which is size bytes long. Its error is
// that of a read, with the offset, or ErrAmbivalent: several types of content lay
// claim to the device, so that mounting it as either could destroy it.
func Probe(r io.ReaderAt, size int64) (Content, error) {
	if size <= tooSmall {
		return Content{}, nil
	}
	d := &disk{r: r, size: size}
	content, err := d.superblock()
	if err != nil {
		return Content{}, err
	}
	if content.Usage != RAID { // the table in a mirror's member is the array's
		content.table(d)
	}
	if d.err != nil {
		return Content{}, d.err
	}
	return content, nil
}

// Bears reports whether r, which is size bytes long, has the superblock of a
// filesystem of that type and UUID. It reads nothing else, and does not look
// whether others lay claim to the device. Its error is that of a read. Of a type that
// is no filesystem's it reports false.
func Bears(r io.ReaderAt, size int64, kind, uuid string) (bool, error) {
	d := &disk{r: r, size: size}
	for _, p := range probers {
		if slices.Contains(p.types, kind) {
			content, ok := p.probe(d)
			return ok && content.Type == kind && content.UUID == uuid, d.err
		}
	}
	return false, nil
}

// superblock finds the superblock that counts.
func (d *disk) superblock() (Content, error) {
	var found, weak []Content
	tolerant := true
	for _, p := range probers {
		content, ok := p.probe(d)
		switch {
		case d.err != nil:
			return Content{}, d.err
		case !ok, content.Usage == RAID && d.size <= floppy:
			continue
		case p.isWeak != nil && p.isWeak(d):
			weak = append(weak, content)
			continue
		case content.Usage == RAID, content.Usage == Crypto, d.size <= floppy:
			return content, nil
		}
		found = append(found, content)
		tolerant = tolerant && p.tolerant
	}
	if len(found) == 0 {
		found, tolerant = weak, false
	}
	switch {
	case len(found) == 0:
		return Content{}, nil
	case len(found) > 1 && !tolerant && d.size > floppy:
		return Content{}, ambivalent(found)
	}
	return found[0], nil
}

// ErrAmbivalent is why a device with several types of content has none.
var ErrAmbivalent = errors.New("ambivalent content")

func ambivalent(found []Content) error {
	types := make([]string, len(found))
	for i, content := range found {
		types[i] = content.Type
	}
	return fmt.Errorf("%w: it has the signatures of %s (wipefs removes those that do not belong)",
		ErrAmbivalent, strings.Join(types, " and "))
}
