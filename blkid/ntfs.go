// SPDX-License-Identifier: MIT

// NTFS: the boot sector, and the record of the volume in the master file
// table. Layout: fs/ntfs3/ntfs.h.

package blkid

import (
	"fmt"
	"math/bits"
)

// Offsets in the boot sector, where it is not the same as in FAT's.
const (
	ntfsSectors    = 0x28 // 8
	ntfsTable      = 0x30 // 8: cluster of the master file table, and the next
	ntfsMirror     = 0x38 // 8: of its mirror
	ntfsRecordSize = 0x40 // 1: in clusters; below 0, -log2 of the bytes
	ntfsSerial     = 0x48 // 8

	ntfsVolumeRecord = 3
	ntfsMaxCluster   = 2 << 20
)

func probeNTFS(d *disk) (Content, bool) {
	boot := d.at(0, 512)
	if boot == nil || string(boot[3:11]) != "NTFS    " {
		return Content{}, false
	}
	volume := ntfsVolume(d, boot)
	if volume == nil {
		return Content{}, false
	}
	c := Content{
		Type: "ntfs", Usage: Filesystem,
		Size: byteSize(le.Uint64(boot[ntfsSectors:]), uint64(le.Uint16(boot[fatSectorSize:]))),
	}
	if serial := le.Uint64(boot[ntfsSerial:]); serial != 0 {
		c.UUID = fmt.Sprintf("%016X", serial)
	}
	c.readNTFSVolume(volume)
	return c, true
}

// ntfsVolume returns the record of the volume; nil where there is none, as
// the boot sector is none of NTFS.
func ntfsVolume(d *disk, boot []byte) []byte {
	cluster, ok := ntfsClusterSize(boot)
	if !ok {
		return nil
	}
	record := int64(int8(boot[ntfsRecordSize]))
	switch {
	case record < 0 && record >= -31 && record <= -9:
		record = 1 << -record
	case record > 0 && record <= 64 && bits.OnesCount64(uint64(record)) == 1:
		record *= cluster
	default:
		return nil
	}
	table, mirror := le.Uint64(boot[ntfsTable:]), le.Uint64(boot[ntfsMirror:])
	clusters := le.Uint64(boot[ntfsSectors:]) * uint64(le.Uint16(boot[fatSectorSize:])) / uint64(cluster)
	if table > clusters || mirror > clusters || record > maxPiece {
		return nil
	}
	start := byteSize(table, uint64(cluster))
	volume := d.at(start+ntfsVolumeRecord*record, int(record))
	if !d.has(start, "FILE") || volume == nil || string(volume[:4]) != "FILE" {
		return nil
	}
	return volume
}

// ntfsClusterSize returns the bytes of a cluster; ok is false where the
// numbers in a boot sector are impossible for NTFS. The fields of FAT that it
// does not use are zero.
func ntfsClusterSize(boot []byte) (size int64, ok bool) {
	sector, cluster := int64(le.Uint16(boot[fatSectorSize:])), int64(boot[fatClusterSize])
	if cluster >= 240 && cluster <= 249 {
		cluster = 1 << (256 - cluster)
	}
	if bits.OnesCount64(uint64(sector)) != 1 || sector < 256 || sector > 4096 ||
		bits.OnesCount64(uint64(cluster)) != 1 || sector*cluster > ntfsMaxCluster {
		return 0, false
	}
	return sector * cluster, allZero(boot[fatReserved:fatMedia]) && allZero(boot[fatLength16:fatLength16+2]) &&
		allZero(boot[fatSectors32:fatSectors32+4])
}

// readNTFSVolume reads the attributes of the record of the volume.
func (c *Content) readNTFSVolume(record []byte) {
	const name, information, end = 0x60, 0x70, 0xffffffff
	const header = 24 // of an attribute that is in the record
	offset := int(le.Uint16(record[20:]))
	for offset+header <= len(record) {
		attribute := record[offset:]
		kind, length := le.Uint32(attribute), uint64(le.Uint32(attribute[4:]))
		if kind == end || length < header || length > uint64(len(attribute)) {
			return
		}
		attribute = attribute[:length]
		valueLength, valueOffset := uint64(le.Uint32(attribute[16:])), uint64(le.Uint16(attribute[20:]))
		if valueOffset+valueLength <= length {
			switch value := attribute[valueOffset:][:valueLength]; {
			case kind == name:
				c.Label = label16(value, le)
			case kind == information && len(value) >= 12:
				c.Dirty = le.Uint16(value[10:])&1 != 0
			}
		}
		offset += int(length)
	}
}
