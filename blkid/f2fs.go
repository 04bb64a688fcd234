// SPDX-License-Identifier: MIT

// F2FS: the superblock, and the newer of two checkpoints. Layout: struct
// f2fs_super_block and f2fs_checkpoint of include/linux/f2fs_fs.h, at byte
// 1024.

package blkid

import "fmt"

const (
	f2fsStart  = 1024
	f2fsLength = 3072 // to the end of the page
	f2fsMagic  = "\x10\x20\xf5\xf2"
	f2fsSeed   = 0xf2f52010
)

// Offsets in the superblock.
const (
	f2fsMajor        = 0x04 // 2
	f2fsMinor        = 0x06 // 2
	f2fsBlockShift   = 0x10 // 4
	f2fsSegmentShift = 0x14 // 4: blocks a segment
	f2fsChecksum     = 0x20 // 4: where the checksum is; 0 for none
	f2fsBlocks       = 0x24 // 8
	f2fsCheckpoint   = 0x4c // 4: block
	f2fsUUID         = 0x6c // 16
	f2fsLabel        = 0x7c // 1024: UTF-16
	f2fsDevice       = 2201 // 64: the path of the first device, where there are several

	f2fsFlags    = 132  // 4, in a checkpoint, after its 8-byte version
	f2fsUnmount  = 0x1  // it was written by umount
	f2fsHasError = 0x18 // or fsck is wanted
)

func probeF2FS(d *disk) (Content, bool) {
	sb := d.at(f2fsStart, f2fsLength)
	if sb == nil || string(sb[:4]) != f2fsMagic {
		return Content{}, false
	}
	c := Content{Type: "f2fs", Usage: Filesystem, Elsewhere: f2fsElsewhere(d)}
	major, minor := le.Uint16(sb[f2fsMajor:]), le.Uint16(sb[f2fsMinor:])
	if major == 1 && minor == 0 { // the rest was different then
		return c, true
	}
	if sum := le.Uint32(sb[f2fsChecksum:]); sum != 0 && !f2fsChecks(sb, sum) {
		return Content{}, false
	}
	c.Version = fmt.Sprintf("%d.%d", major, minor)
	c.Label = label16(sb[f2fsLabel:][:1024], le)
	c.UUID = uuid(sb[f2fsUUID:][:16])
	if shift := le.Uint32(sb[f2fsBlockShift:]); shift >= 9 && shift <= 16 {
		c.Size = byteSize(le.Uint64(sb[f2fsBlocks:]), 1<<shift)
		c.Dirty = f2fsIsDirty(d, sb, shift)
	}
	return c, true
}

// f2fsElsewhere looks for paths of devices in each superblock that the kernel
// may go by: it takes the second where it finds fault with the first. That is
// in the next block, which has the size of a page of the kernel's.
func f2fsElsewhere(d *disk) string {
	for _, block := range [...]int64{0, 4 << 10, 16 << 10, 64 << 10} {
		sb := d.at(block+f2fsStart, f2fsLength)
		if sb == nil || string(sb[:4]) != f2fsMagic {
			continue
		}
		if path := untilNUL(sb[f2fsDevice:][:64]); path != "" {
			return fmt.Sprintf("its superblock names devices, the first of them %q", path)
		}
	}
	return ""
}

// f2fsChecks verifies the checksum of a superblock.
func f2fsChecks(sb []byte, offset uint32) bool {
	return offset%4 == 0 && offset <= uint32(len(sb)-4) &&
		crc32(ethernet, f2fsSeed, sb[:offset]) == le.Uint32(sb[offset:])
}

// f2fsIsDirty reports whether the newest checkpoint was written by other than
// umount. There are two, a segment apart, which are written in turn.
func f2fsIsDirty(d *disk, sb []byte, shift uint32) bool {
	segment := le.Uint32(sb[f2fsSegmentShift:])
	if segment > 16 {
		return false
	}
	newest, flags := uint64(0), uint32(f2fsUnmount)
	for i := range int64(2) {
		block := int64(le.Uint32(sb[f2fsCheckpoint:])) + i<<segment
		checkpoint := d.at(block<<shift, f2fsFlags+4)
		if checkpoint != nil && le.Uint64(checkpoint) > newest {
			newest, flags = le.Uint64(checkpoint), le.Uint32(checkpoint[f2fsFlags:])
		}
	}
	return flags&f2fsUnmount == 0 || flags&f2fsHasError != 0
}
