// SPDX-License-Identifier: MIT

// Partition tables. A disk that has one is not for mounting, whatever else
// its first sector looks like: its partitions are. Layouts: the UEFI
// specification, section 5.

package blkid

import "fmt"

// Offsets in a master boot record.
const (
	mbrID        = 440 // 4
	mbrPartition = 446 // 16 bytes, four times
	mbrKind      = 4   // in a partition
	mbrIsGPT     = 0xee
)

// table fills in what partition table the disk has.
func (c *Content) table(d *disk) {
	boot := d.at(0, 512)
	if boot == nil || boot[fatBootSig] != 0x55 || boot[fatBootSig+1] != 0xaa {
		return
	}
	if mbrProtects(boot) {
		if header := findGPT(d); header != nil {
			c.Table, c.TableUUID = "gpt", guid(header[gptID:][:16])
			return
		}
	}
	switch {
	case c.hasBootSector(boot):
	case mbrProtects(boot):
		c.Table = "PMBR"
	case isMBR(boot):
		c.Table = "dos"
		if id := le.Uint32(boot[mbrID:]); id != 0 {
			c.TableUUID = fmt.Sprintf("%08x", id)
		}
	}
}

// hasBootSector reports whether the disk begins with a boot sector, which has
// the signature of a master boot record, and code where that has its table. A
// FAT that is otherwise broken has one too.
func (c *Content) hasBootSector(boot []byte) bool {
	_, fat := readFAT(boot)
	return fat || c.Type == "exfat" || c.Type == "ntfs" || c.Type == "BitLocker"
}

// isMBR distinguishes a table from what else could stand there: a partition is marked
// as active, or it is not.
func isMBR(boot []byte) bool {
	for i := range 4 {
		if active := boot[mbrPartition+16*i]; active != 0 && active != 0x80 {
			return false
		}
	}
	return true
}

// mbrProtects reports whether the table is there to protect a GPT from those
// who know none.
func mbrProtects(boot []byte) bool {
	for i := range 4 {
		if boot[mbrPartition+16*i+mbrKind] == mbrIsGPT {
			return true
		}
	}
	return false
}

// Offsets in the header of a GUID partition table.
const (
	gptHeaderSize  = 12 // 4
	gptChecksum    = 16 // 4
	gptSector      = 24 // 8: where the header is
	gptFirst       = 40 // 8: the first sector for partitions
	gptLast        = 48 // 8: the last
	gptID          = 56 // 16
	gptEntries     = 72 // 8: sector
	gptEntryCount  = 80 // 4
	gptEntrySize   = 84 // 4
	gptEntriesSum  = 88 // 4
	gptHeaderBytes = 92
)

// findGPT returns the header of a GUID partition table, from the start or
// else the end of the disk. The table counts sectors, the size of which is
// the disk's affair.
func findGPT(d *disk) []byte {
	for _, sector := range [...]int64{512, 4096} {
		last := d.size/sector - 1
		for _, where := range [...]int64{1, last} {
			header := d.at(where*sector, 512)
			if header != nil && string(header[:8]) == "EFI PART" && gptChecks(d, header, where, last, sector) {
				return header
			}
		}
	}
	return nil
}

// gptChecks verifies the checksums of a header and of the entries it points
// to, and that it is where it says.
func gptChecks(d *disk, header []byte, where, last, sector int64) bool {
	size := le.Uint32(header[gptHeaderSize:])
	if size < gptHeaderBytes || size > uint32(len(header)) || le.Uint64(header[gptSector:]) != uint64(where) {
		return false
	}
	sum := crc32(ethernet, ^uint32(0), header[:gptChecksum])
	sum = crc32(ethernet, sum, make([]byte, 4))
	sum = crc32(ethernet, sum, header[gptChecksum+4:size])
	first, end := le.Uint64(header[gptFirst:]), le.Uint64(header[gptLast:])
	if ^sum != le.Uint32(header[gptChecksum:]) || first > end || end > uint64(last) ||
		first < uint64(where) && uint64(where) < end {
		return false
	}
	count, entry := uint64(le.Uint32(header[gptEntryCount:])), uint64(le.Uint32(header[gptEntrySize:]))
	offset := byteSize(le.Uint64(header[gptEntries:]), uint64(sector))
	if count == 0 || entry != 128 || count*entry > maxPiece {
		return false
	}
	entries := d.at(offset, int(count*entry))
	return entries != nil && ^crc32(ethernet, ^uint32(0), entries) == le.Uint32(header[gptEntriesSum:])
}

// guid writes a UUID whose first three parts have their lowest byte first.
func guid(b []byte) string {
	id := be.AppendUint32(nil, le.Uint32(b))
	id = be.AppendUint16(id, le.Uint16(b[4:]))
	id = be.AppendUint16(id, le.Uint16(b[6:]))
	return uuid(append(id, b[8:]...))
}
