// SPDX-License-Identifier: MIT

// FAT12, FAT16 and FAT32: the boot sector and the volume label in the root
// directory. Layout: struct fat_boot_sector and msdos_dir_entry of
// include/uapi/linux/msdos_fs.h, and Microsoft's "FAT: General Overview of
// On-Disk Format".

package blkid

import (
	"fmt"
	"math/bits"
	"strings"
)

// Offsets in the boot sector.
const (
	fatSectorSize   = 0x0b // 2 bytes
	fatClusterSize  = 0x0d // sectors
	fatReserved     = 0x0e // 2: sectors before the first table
	fatTables       = 0x10 // 1
	fatRootEntries  = 0x11 // 2
	fatSectors16    = 0x13 // 2
	fatMedia        = 0x15
	fatLength16     = 0x16 // 2: sectors a table
	fatSectors32    = 0x20 // 4
	fatLength32     = 0x24 // 4, FAT32
	fatRootCluster  = 0x2c // 4, FAT32
	fatInfoSector   = 0x30 // 2, FAT32
	fatName16       = 0x36 // 8: "FAT16   "
	fatName32       = 0x52 // 8, FAT32
	fatBootSig      = 0x1fe
	fatExtended     = 0x24 // drive, state, signature, serial number
	fatExtended32   = 0x40 // the same for FAT32
	fatStateOffset  = 1
	fatSigOffset    = 2
	fatSerialOffset = 3
)

// The most clusters that each width of table can count, as Linux sees it.
const (
	maxFAT12 = 0xff4
	maxFAT16 = 0xfff4
	maxFAT32 = 0x0ffffff6
)

// fatGeometry is where the parts of a FAT filesystem are, in sectors.
type fatGeometry struct {
	sector      int64 // bytes
	cluster     int64
	reserved    int64 // also where the first table starts
	tables      int64 // all of them
	tableLength int64 // one of them
	rootEntries int64
	rootSectors int64 // 0 in FAT32, where the root is a chain of clusters
	sectors     int64
	clusters    int64
	fat32       bool
}

func probeFAT(d *disk) (Content, bool) {
	boot := d.at(0, 512)
	g, ok := readFAT(boot)
	if !ok || g.fat32 && !fatInfoFits(d, boot, g) {
		return Content{}, false
	}
	c := Content{Type: "vfat", Usage: Filesystem, Version: g.version(), Size: g.sectors * g.sector}
	extended := boot[fatExtended:]
	if g.fat32 {
		extended = boot[fatExtended32:]
	}
	if sig := extended[fatSigOffset]; g.fat32 || sig == 0x28 || sig == 0x29 {
		c.UUID = fatSerial(extended[fatSerialOffset:])
	}
	c.Dirty = extended[fatStateOffset]&1 != 0 || g.tableIsDirty(d)
	c.Label = g.label(d, boot)
	return c, true
}

// isFATBoot reports whether a sector starts a FAT filesystem, whether by the
// names that formatters write or, as old ones wrote none, by the sector's
// signature, which a master boot record bears too: the geometry decides.
func isFATBoot(boot []byte) bool {
	switch name16, _ := fatNames(boot); {
	case isNamedFAT(boot):
		return true
	case name16 == "JFS     ", name16 == "HPFS    ": // OS/2 put such a sector before its filesystems
		return false
	}
	return boot[fatBootSig] == 0x55 && boot[fatBootSig+1] == 0xaa
}

func fatNames(boot []byte) (name16, name32 string) {
	return string(boot[fatName16 : fatName16+8]), string(boot[fatName32 : fatName32+8])
}

func isNamedFAT(boot []byte) bool {
	name16, name32 := fatNames(boot)
	return strings.HasPrefix(name32, "MSWIN") || name32 == "FAT32   " || strings.HasPrefix(name16, "MSDOS") ||
		name16 == "FAT16   " || name16 == "FAT12   " || name16 == "FAT     "
}

// isNamelessFAT reports whether a FAT filesystem was found by its geometry
// alone: a boot sector may have outlived it.
func isNamelessFAT(d *disk) bool {
	boot := d.at(0, 512)
	return boot != nil && !isNamedFAT(boot)
}

// readFAT reads a boot sector; ok is false where its numbers are impossible.
func readFAT(boot []byte) (g fatGeometry, ok bool) {
	if boot == nil || !isFATBoot(boot) {
		return g, false
	}
	media, tables := boot[fatMedia], int64(boot[fatTables])
	g = fatGeometry{
		sector:      int64(le.Uint16(boot[fatSectorSize:])),
		cluster:     int64(boot[fatClusterSize]),
		reserved:    int64(le.Uint16(boot[fatReserved:])),
		tableLength: int64(le.Uint16(boot[fatLength16:])),
		rootEntries: int64(le.Uint16(boot[fatRootEntries:])),
		sectors:     int64(le.Uint16(boot[fatSectors16:])),
	}
	if tables == 0 || g.reserved == 0 || media < 0xf8 && media != 0xf0 ||
		bits.OnesCount64(uint64(g.cluster)) != 1 ||
		bits.OnesCount64(uint64(g.sector)) != 1 || g.sector < 512 || g.sector > 4096 {
		return g, false
	}
	if g.sectors == 0 {
		g.sectors = int64(le.Uint32(boot[fatSectors32:]))
	}
	if g.tableLength == 0 {
		g.tableLength, g.fat32 = int64(le.Uint32(boot[fatLength32:])), true
	}
	g.tables = tables * g.tableLength
	g.rootSectors = (g.rootEntries*fatEntrySize + g.sector - 1) / g.sector
	data := g.sectors - g.dataStart()
	g.clusters = data / g.cluster
	return g, g.tableLength > 0 && data >= 0 && g.clusters <= g.maxClusters()
}

func (g *fatGeometry) maxClusters() int64 {
	if g.fat32 {
		return maxFAT32
	}
	return maxFAT16
}

// dataStart is the sector of the first cluster, which is number 2.
func (g *fatGeometry) dataStart() int64 {
	return g.reserved + g.tables + g.rootSectors
}

func (g *fatGeometry) version() string {
	switch {
	case g.fat32:
		return "FAT32"
	case g.clusters < maxFAT12:
		return "FAT12"
	case g.clusters < maxFAT16:
		return "FAT16"
	}
	return ""
}

// fatInfoFits reports whether the sector with the number of free clusters has
// its signatures; some formatters leave them zero.
func fatInfoFits(d *disk, boot []byte, g fatGeometry) bool {
	sector := int64(le.Uint16(boot[fatInfoSector:]))
	if sector == 0 {
		return true
	}
	info := d.at(sector*g.sector, 512)
	if info == nil {
		return false
	}
	first, second := string(info[:4]), string(info[484:488])
	return (first == "RRaA" || first == "RRdA" || first == "\x00\x00\x00\x00") &&
		(second == "rrAa" || second == "\x00\x00\x00\x00")
}

// tableIsDirty looks at the second entry of the table, where a cleared bit
// says that the volume was not unmounted, and another that there were read
// errors. FAT12 has no such bits.
func (g *fatGeometry) tableIsDirty(d *disk) bool {
	table := d.at(g.reserved*g.sector, 8)
	switch {
	case table == nil || g.version() == "FAT12":
		return false
	case g.fat32:
		return le.Uint32(table[4:])&0x0c000000 != 0x0c000000
	}
	return le.Uint16(table[2:])&0xc000 != 0xc000
}

// fatSerial writes the serial number of a volume, which takes the place of a
// UUID.
func fatSerial(b []byte) string {
	serial := le.Uint32(b)
	if serial == 0 {
		return ""
	}
	return fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff)
}
