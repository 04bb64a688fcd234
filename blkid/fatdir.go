// SPDX-License-Identifier: MIT

// Directories of FAT and exFAT, which are chains of clusters; and FAT's
// volume label, which is an entry of the root directory. The one in the boot
// sector does not count: Windows does not keep it up to date.

package blkid

const (
	fatEntrySize = 32
	maxDirectory = 1 << 20 // bytes that are read of a root directory
)

// A fatChain is where the clusters of a directory are.
type fatChain struct {
	first   int64 // number of the first cluster
	end     int64 // clusters have lower numbers
	table   int64 // where the table of 32-bit entries is, in bytes
	data    int64 // where cluster 2 is, in bytes
	cluster int64 // size in bytes
}

// search gives the entries of a directory to match until it has enough.
func (c fatChain) search(d *disk, match func(entry []byte) (enough bool)) {
	left := int64(maxDirectory)
	for next := c.first; next >= 2 && next < c.end && left > 0; left -= max(c.cluster, page) {
		size := min(c.cluster, left)
		if searchRun(d, c.data+(next-2)*c.cluster, size, match) {
			return
		}
		entry := d.at(c.table+next*4, 4)
		if entry == nil {
			return
		}
		next = int64(le.Uint32(entry) & 0x0fffffff)
	}
}

// searchRun gives the entries of a part of a directory to match, size bytes
// from offset on; enough says that what follows is of no interest.
func searchRun(d *disk, offset, size int64, match func(entry []byte) (enough bool)) (enough bool) {
	for end := offset + size; offset < end; offset += page {
		dir := d.at(offset, int(min(end-offset, page)))
		if dir == nil {
			return true
		}
		for ; len(dir) >= fatEntrySize; dir = dir[fatEntrySize:] {
			if dir[0] == 0 || match(dir[:fatEntrySize]) {
				return true
			}
		}
	}
	return false
}

// label searches the root directory of a FAT filesystem.
func (g *fatGeometry) label(d *disk, boot []byte) (text string) {
	match := func(entry []byte) bool {
		if !isFATLabel(entry) {
			return false
		}
		text = fatName(entry[:11])
		return true
	}
	if !g.fat32 {
		searchRun(d, (g.reserved+g.tables)*g.sector, g.rootEntries*fatEntrySize, match)
		return text
	}
	root := fatChain{
		first: int64(le.Uint32(boot[fatRootCluster:])), end: g.tableLength * g.sector / 4,
		table: g.reserved * g.sector, data: g.dataStart() * g.sector, cluster: g.cluster * g.sector,
	}
	root.search(d, match)
	return text
}

// isFATLabel distinguishes a volume label from a deleted entry, a file, a directory,
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
