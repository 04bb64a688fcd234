// SPDX-License-Identifier: MIT

// exFAT: the boot sector, its checksum, and the label in the root directory.
// Layout: Microsoft's "exFAT file system specification", sections 3 and 7.

package blkid

import "strconv"

// Offsets in the boot sector.
const (
	exfatZeros        = 11 // to exfatLength, where FAT has its numbers
	exfatZerosEnd     = 64
	exfatLength       = 72  // 8, in sectors, as the next
	exfatTable        = 80  // 4
	exfatTableLength  = 84  // 4
	exfatHeap         = 88  // 4: cluster 2
	exfatClusters     = 92  // 4
	exfatRoot         = 96  // 4
	exfatSerial       = 100 // 4
	exfatMinor        = 104
	exfatMajor        = 105
	exfatFlags        = 106 // 2
	exfatSectorShift  = 108
	exfatClusterShift = 109 // in sectors
	exfatTables       = 110
	exfatPercent      = 112

	exfatIsDirty  = 0x2
	exfatHasFault = 0x4
	exfatLabel    = 0x83 // type of a directory entry
)

func probeExfat(d *disk) (Content, bool) {
	boot := d.at(0, 512)
	if boot == nil || !isExfat(boot) || !exfatChecks(d, boot) {
		return Content{}, false
	}
	flags := le.Uint16(boot[exfatFlags:])
	return Content{
		Type: "exfat", Usage: Filesystem,
		Version: strconv.Itoa(int(boot[exfatMajor])) + "." + strconv.Itoa(int(boot[exfatMinor])),
		Label:   exfatRootLabel(d, boot),
		UUID:    fatSerial(boot[exfatSerial:]),
		Size:    byteSize(le.Uint64(boot[exfatLength:]), 1<<boot[exfatSectorShift]),
		Dirty:   flags&(exfatIsDirty|exfatHasFault) != 0,
	}, true
}

// isExfat reports whether the numbers in a boot sector are possible ones.
func isExfat(boot []byte) bool {
	sectorShift, clusterShift, tables := boot[exfatSectorShift], boot[exfatClusterShift], boot[exfatTables]
	table, heap := uint64(le.Uint32(boot[exfatTable:])), uint64(le.Uint32(boot[exfatHeap:]))
	tablesEnd := table + uint64(le.Uint32(boot[exfatTableLength:]))*uint64(tables)
	root, clusters := uint64(le.Uint32(boot[exfatRoot:])), uint64(le.Uint32(boot[exfatClusters:]))
	return string(boot[:11]) == "\xeb\x76\x90EXFAT   " &&
		boot[fatBootSig] == 0x55 && boot[fatBootSig+1] == 0xaa &&
		allZero(boot[exfatZeros:exfatZerosEnd]) &&
		sectorShift >= 9 && sectorShift <= 12 && clusterShift <= 25-sectorShift &&
		tables >= 1 && tables <= 2 && table >= 24 &&
		heap >= tablesEnd && heap <= 1<<31 &&
		root >= 2 && root <= clusters+1
}

// exfatChecks verifies the checksum of the first eleven sectors, which fills
// the twelfth. The flags and the percentage in use are not part of it.
func exfatChecks(d *disk, boot []byte) bool {
	sector := 1 << boot[exfatSectorShift]
	data := d.at(0, 12*sector)
	if data == nil {
		return false
	}
	sum := uint32(0)
	for i, b := range data[:11*sector] {
		if i != exfatFlags && i != exfatFlags+1 && i != exfatPercent {
			sum = sum<<31 | sum>>1
			sum += uint32(b)
		}
	}
	for rest := data[11*sector:]; len(rest) > 0; rest = rest[4:] {
		if le.Uint32(rest) != sum {
			return false
		}
	}
	return true
}

func exfatRootLabel(d *disk, boot []byte) (text string) {
	sectorShift := boot[exfatSectorShift]
	root := fatChain{
		first:   int64(le.Uint32(boot[exfatRoot:])),
		end:     int64(le.Uint32(boot[exfatClusters:])) + 2,
		table:   int64(le.Uint32(boot[exfatTable:])) << sectorShift,
		data:    int64(le.Uint32(boot[exfatHeap:])) << sectorShift,
		cluster: 1 << (sectorShift + boot[exfatClusterShift]),
	}
	root.search(d, func(entry []byte) bool {
		if entry[0] != exfatLabel {
			return false
		}
		text = label16(entry[2:][:2*min(int(entry[1]), 11)], le)
		return true
	})
	return text
}
