// SPDX-License-Identifier: MIT

// ext2, ext3, ext4 and their external journals. Layout: struct
// ext4_super_block of fs/ext4/ext4.h, at byte 1024.

package blkid

import "fmt"

const (
	extStart  = 1024
	extLength = 1024
)

// Offsets in the superblock.
const (
	extBlocks       = 0x04 // 4
	extBlockShift   = 0x18 // 4: blocks have 1024 << this bytes
	extMagic        = 0x38 // 2
	extState        = 0x3a // 2
	extMinor        = 0x3e // 2
	extRevision     = 0x4c // 4
	extCompatible   = 0x5c // 4: features that may be ignored
	extIncompatible = 0x60 // 4: that must be known
	extReadOnly     = 0x64 // 4: that must be known to write
	extUUID         = 0x68 // 16
	extLabel        = 0x78 // 16
	extJournalInode = 0xe0 // 4: 0 where the journal is a device
	extBlocksHigh   = 0x150
	extOptions      = 0x200 // 64
	extChecksum     = 0x3fc
)

// Features, and the state of a filesystem.
const (
	extHasJournal   = 0x4 // compatible
	extNeedsReplay  = 0x4 // incompatible, as the next two
	extIsJournal    = 0x8
	ext64Bit        = 0x80
	extMetaChecksum = 0x400 // read-only compatible, as the next
	extForReading   = 0x1000
	extIsClean      = 1
	extHasErrors    = 2

	// What ext3 knows of the features that must be known; of the first, ext2
	// knows the same, of the second all but extNeedsReplay.
	ext3ReadOnly     = 0x1 | 0x2 | 0x4 // sparse superblocks, large files, trees
	ext3Incompatible = 0x2 | extNeedsReplay | 0x10
)

func probeExt(d *disk) (Content, bool) {
	sb := d.at(extStart, extLength)
	if sb == nil || le.Uint16(sb[extMagic:]) != 0xef53 || !extChecks(sb) {
		return Content{}, false
	}
	kind := extType(sb)
	if kind == "" {
		return Content{}, false
	}
	c := Content{
		Type: kind, Usage: Filesystem,
		Version: fmt.Sprintf("%d.%d", le.Uint32(sb[extRevision:]), le.Uint16(sb[extMinor:])),
		Label:   label(sb[extLabel : extLabel+16]),
		UUID:    uuid(sb[extUUID : extUUID+16]),
		Size:    extSize(sb),
	}
	if c.Type == "jbd" {
		c.Usage = Other
		return c, true
	}
	state := le.Uint16(sb[extState:])
	c.Dirty = state&extIsClean == 0 || state&extHasErrors != 0 || le.Uint32(sb[extIncompatible:])&extNeedsReplay != 0
	c.ReadOnly = le.Uint32(sb[extReadOnly:])&extForReading != 0
	c.Options = untilNUL(sb[extOptions:][:64])
	if le.Uint32(sb[extCompatible:])&extHasJournal != 0 && le.Uint32(sb[extJournalInode:]) == 0 {
		c.Elsewhere = "its journal is on another device"
	}
	return c, true
}

// extType names the oldest of the family that knows all features in use.
func extType(sb []byte) string {
	incompatible, readOnly := le.Uint32(sb[extIncompatible:]), le.Uint32(sb[extReadOnly:])
	switch journal := le.Uint32(sb[extCompatible:])&extHasJournal != 0; {
	case incompatible&extIsJournal != 0:
		return "jbd"
	case readOnly&^ext3ReadOnly != 0 || incompatible&^ext3Incompatible != 0:
		return "ext4"
	case journal:
		return "ext3"
	case incompatible&extNeedsReplay != 0: // and no journal to replay
		return ""
	}
	return "ext2"
}

// extSize is the size of the filesystem in bytes.
func extSize(sb []byte) int64 {
	blocks := uint64(le.Uint32(sb[extBlocks:]))
	if le.Uint32(sb[extIncompatible:])&ext64Bit != 0 {
		blocks |= uint64(le.Uint32(sb[extBlocksHigh:])) << 32
	}
	shift := le.Uint32(sb[extBlockShift:])
	if shift > 6 {
		return 0
	}
	return byteSize(blocks, 1024<<shift)
}

// extChecks verifies the checksum of a superblock that has one.
func extChecks(sb []byte) bool {
	return le.Uint32(sb[extReadOnly:])&extMetaChecksum == 0 ||
		crc32c(sb[:extChecksum]) == le.Uint32(sb[extChecksum:])
}
