// SPDX-License-Identifier: MIT

// btrfs. Layout: struct btrfs_super_block of include/uapi/linux/btrfs_tree.h,
// at 64 KiB.

package blkid

import "fmt"

const (
	btrfsStart  = 64 << 10
	btrfsLength = 4096
	btrfsMin    = 1 << 20 // bytes that a filesystem has at least
)

// Offsets in the superblock.
const (
	btrfsUUID         = 32 // 16, after the checksum
	btrfsFlags        = 56 // 8
	btrfsMagic        = 64
	btrfsLogRoot      = 96  // 8: what is to be replayed
	btrfsDevices      = 136 // 8: how many
	btrfsChecksumType = 196 // 2
	btrfsDeviceSize   = 209 // 8: of this one
	btrfsLabel        = 299 // 256

	btrfsSeeding = 1 << 32 // flag
	btrfsCRC32C  = 0       // checksum type
)

func probeBtrfs(d *disk) (Content, bool) {
	if d.size < btrfsMin || !d.has(btrfsStart+btrfsMagic, "_BHRfS_M") {
		return Content{}, false
	}
	sb := d.at(btrfsStart, btrfsLength)
	if sb == nil ||
		le.Uint16(sb[btrfsChecksumType:]) == btrfsCRC32C && ^crc32c(sb[btrfsUUID:]) != le.Uint32(sb) {
		return Content{}, false
	}
	c := Content{
		Type: "btrfs", Usage: Filesystem,
		Label:    label(sb[btrfsLabel:][:256]),
		UUID:     uuid(sb[btrfsUUID:][:16]),
		Size:     byteSize(le.Uint64(sb[btrfsDeviceSize:]), 1),
		Dirty:    le.Uint64(sb[btrfsLogRoot:]) != 0,
		ReadOnly: le.Uint64(sb[btrfsFlags:])&btrfsSeeding != 0,
	}
	if n := le.Uint64(sb[btrfsDevices:]); n > 1 {
		c.Elsewhere = fmt.Sprintf("it is one of %d devices", n)
	}
	return c, true
}
