// SPDX-License-Identifier: MIT

// XFS. Layout: struct xfs_dsb of fs/xfs/libxfs/xfs_format.h, with the highest
// byte first.

package blkid

// Offsets in the superblock.
const (
	xfsBlockSize    = 4  // 4
	xfsBlocks       = 8  // 8
	xfsRealtime     = 16 // 8: blocks of the realtime section
	xfsUUID         = 32 // 16
	xfsLogStart     = 48 // 8: 0 where the log is a device
	xfsExtentSize   = 80 // 4: of the realtime part, in blocks
	xfsGroupBlocks  = 84 // 4
	xfsGroups       = 88 // 4
	xfsVersion      = 100
	xfsSectorSize   = 102
	xfsInodeSize    = 104
	xfsLabel        = 108 // 12
	xfsBlockShift   = 120
	xfsSectorShift  = 121
	xfsInodeShift   = 122
	xfsInodesShift  = 123 // of the inodes in a block
	xfsPercent      = 127 // of space for inodes
	xfsFeatures2    = 200 // 4
	xfsIncompatible = 216 // 4
	xfsChecksum     = 224 // 4

	xfsHasChecksum = 0x100 // of xfsFeatures2
	xfsNeedsRepair = 0x10  // of xfsIncompatible, as the next
	xfsZoned       = 0x200 // the realtime section may follow the data
)

func probeXFS(d *disk) (Content, bool) {
	sb := d.at(0, 512)
	if sb == nil || string(sb[:4]) != "XFSB" || !isXFS(sb) {
		return Content{}, false
	}
	c := Content{
		Type: "xfs", Usage: Filesystem,
		Label: label(sb[xfsLabel:][:12]),
		UUID:  uuid(sb[xfsUUID:][:16]),
		Size:  byteSize(be.Uint64(sb[xfsBlocks:]), uint64(be.Uint32(sb[xfsBlockSize:]))),
	}
	var incompatible uint32
	valid := true
	if be.Uint16(sb[xfsVersion:])&0xf == 5 {
		incompatible = be.Uint32(sb[xfsIncompatible:])
		valid = xfsChecks(d.at(0, int(be.Uint16(sb[xfsSectorSize:]))))
	}
	c.Dirty = incompatible&xfsNeedsRepair != 0
	switch {
	case be.Uint64(sb[xfsLogStart:]) == 0:
		c.Elsewhere = "its log is on another device"
	case be.Uint64(sb[xfsRealtime:]) != 0 && incompatible&xfsZoned == 0:
		c.Elsewhere = "its realtime section is on another device"
	}
	return c, valid
}

// isXFS reports whether the numbers of a superblock are possible ones.
func isXFS(sb []byte) bool {
	blockSize, blockShift := be.Uint32(sb[xfsBlockSize:]), sb[xfsBlockShift]
	sectorSize, sectorShift := be.Uint16(sb[xfsSectorSize:]), sb[xfsSectorShift]
	inodeSize, inodeShift := be.Uint16(sb[xfsInodeSize:]), sb[xfsInodeShift]
	extent := uint64(be.Uint32(sb[xfsExtentSize:])) * uint64(blockSize)
	groupBlocks, groups := uint64(be.Uint32(sb[xfsGroupBlocks:])), uint64(be.Uint32(sb[xfsGroups:]))
	blocks := be.Uint64(sb[xfsBlocks:])
	return sectorShift >= 9 && sectorShift <= 15 && sectorSize == 1<<sectorShift &&
		blockShift >= 9 && blockShift <= 16 && blockSize == 1<<blockShift &&
		inodeShift >= 8 && inodeShift <= 11 && inodeSize == 1<<inodeShift &&
		blockShift-inodeShift == sb[xfsInodesShift] &&
		extent >= 4<<10 && extent <= 1<<30 && sb[xfsPercent] <= 100 && groups > 0 &&
		blocks > 0 && blocks <= groups*groupBlocks && blocks >= (groups-1)*groupBlocks+64
}

// xfsChecks verifies the checksum of a superblock, in which its own field
// counts as zero.
func xfsChecks(sector []byte) bool {
	if sector == nil || be.Uint16(sector[xfsVersion:])&0x8000 == 0 ||
		be.Uint32(sector[xfsFeatures2:])&xfsHasChecksum == 0 {
		return false
	}
	sum := crc32c(sector[:xfsChecksum])
	sum = crc32(castagnoli, sum, make([]byte, 4))
	sum = crc32(castagnoli, sum, sector[xfsChecksum+4:])
	return ^sum == le.Uint32(sector[xfsChecksum:])
}
