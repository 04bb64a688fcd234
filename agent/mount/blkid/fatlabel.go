// SPDX-License-Identifier: MIT

// The volume label of a FAT filesystem: an entry of the root directory. The
// one in the boot sector does not count: Windows does not keep it up to date.

package blkid

const (
	fatEntrySize = 32
	maxRootChain = 99 // clusters of a FAT32 root directory that are searched
)

// label searches the root directory.
func (g *fatGeometry) label(d *disk, boot []byte) string {
	if !g.fat32 {
		label, _ := fatLabel(d, (g.reserved+g.tables)*g.sector, g.rootEntries*fatEntrySize)
		return label
	}
	next := int64(le.Uint32(boot[fatRootCluster:]))
	for range maxRootChain {
		if next < 2 || next >= g.tableLength*g.sector/4 {
			return ""
		}
		start := g.dataStart() + (next-2)*g.cluster
		if label, ok := fatLabel(d, start*g.sector, g.cluster*g.sector); ok {
			return label
		}
		entry := d.at(g.reserved*g.sector+next*4, 4)
		if entry == nil {
			return ""
		}
		next = int64(le.Uint32(entry) & 0x0fffffff)
	}
	return ""
}

// fatLabel searches a part of a directory, size bytes from offset on; ok says
// that nothing after it needs to be searched.
func fatLabel(d *disk, offset, size int64) (text string, ok bool) {
	for end := offset + size; offset < end; offset += page {
		dir := d.at(offset, int(min(end-offset, page)))
		if dir == nil {
			return "", true
		}
		for ; len(dir) >= fatEntrySize; dir = dir[fatEntrySize:] {
			if dir[0] == 0 {
				return "", true
			}
			if isFATLabel(dir) {
				return fatName(dir[:11]), true
			}
		}
	}
	return "", false
}

// isFATLabel tells a volume label from a deleted entry, a file, a directory,
// and a part of a long name, which has all attributes.
func isFATLabel(entry []byte) bool {
	const volume, directory, long, all = 0x08, 0x10, 0x0f, 0x3f
	attributes := entry[11]
	return entry[0] != 0xe5 && le.Uint16(entry[20:]) == 0 && le.Uint16(entry[26:]) == 0 &&
		attributes&all != long && attributes&(volume|directory) == volume
}

// fatName is the text of a label; a first letter that would mark the entry as
// deleted is stored as 5.
func fatName(name []byte) string {
	if name[0] == 5 {
		name = append([]byte{0xe5}, name[1:]...)
	}
	return label(name)
}
