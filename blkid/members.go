// SPDX-License-Identifier: MIT

// Devices that are only a part of something: of an MD array, of an LVM volume
// group, of a ZFS pool, of a bcache.

package blkid

import "fmt"

// probeMD finds a member of an MD array. Layout: mdp_super_t and struct
// mdp_superblock_1 of include/uapi/linux/raid/md_p.h. The superblock is at
// the end in versions 0.90 and 1.0, at the start in 1.1, after it in 1.2.
func probeMD(d *disk) (Content, bool) {
	const reserved = 64 << 10
	if d.size > reserved {
		if c, ok := probeMD0(d, d.size&^(reserved-1)-reserved); ok {
			return c, true
		}
		if c, ok := probeMD1(d, d.size&^(4096-1)-8192, "1.0"); ok {
			return c, true
		}
	}
	if c, ok := probeMD1(d, 0, "1.1"); ok {
		return c, true
	}
	return probeMD1(d, 4096, "1.2")
}

const mdMagic = 0xa92b4efc

// probeMD0 looks for a superblock of version 0.90, which is in the byte order
// of the machine that wrote it, but for the UUID in four parts.
func probeMD0(d *disk, offset int64) (Content, bool) {
	const major, minor, patch, part0, size, part1, part3End = 4, 8, 12, 20, 32, 52, 64
	sb := d.at(offset, 128)
	if sb == nil {
		return Content{}, false
	}
	word := le.Uint32
	if word(sb) != mdMagic {
		word = be.Uint32
	}
	if word(sb) != mdMagic || int64(word(sb[size:]))<<10 > offset {
		return Content{}, false
	}
	var id []byte
	for _, part := range [...]int{part0, part1, part1 + 4, part1 + 8} {
		id = be.AppendUint32(id, word(sb[part:]))
	}
	if word(sb[minor:]) < 90 {
		clear(id[4:])
	}
	return Content{
		Type: "linux_raid_member", Usage: RAID, UUID: uuid(id),
		Version: fmt.Sprintf("%d.%d.%d", word(sb[major:]), word(sb[minor:]), word(sb[patch:])),
	}, true
}

func probeMD1(d *disk, offset int64, version string) (Content, bool) {
	const major, id, name, sector = 4, 16, 32, 144
	sb := d.at(offset, 256)
	if sb == nil || le.Uint32(sb) != mdMagic || le.Uint32(sb[major:]) != 1 ||
		le.Uint64(sb[sector:]) != uint64(offset)/512 {
		return Content{}, false
	}
	return Content{
		Type: "linux_raid_member", Usage: RAID, Version: version,
		Label: label(sb[name:][:32]), UUID: uuid(sb[id:][:16]),
	}, true
}

// probeLVM finds a physical volume of LVM2, whose label is in one of the first
// four sectors. Layout: lib/format_text/layout.h of LVM2.
func probeLVM(d *disk) (Content, bool) {
	const sector, sum, summed, kind, id = 8, 16, 20, 24, 32
	const seed = 0xf597a6cf
	for i := range uint64(4) {
		sb := d.at(int64(i)*512, 512)
		if sb != nil && string(sb[:8]) == "LABELONE" && string(sb[kind:][:8]) == "LVM2 001" &&
			le.Uint64(sb[sector:]) == i && crc32(ethernet, seed, sb[summed:]) == le.Uint32(sb[sum:]) {
			return Content{
				Type: "LVM2_member", Usage: RAID, Version: "LVM2 001", UUID: lvmUUID(sb[id:][:32]),
			}, true
		}
	}
	return Content{}, false
}

// lvmUUID is the text of 32 letters and digits with dashes between them.
func lvmUUID(b []byte) string {
	if len(untilNUL(b)) < len(b) {
		return ""
	}
	text := string(b[:6])
	for i := 6; i < 26; i += 4 {
		text += "-" + string(b[i:i+4])
	}
	return plain(text + "-" + string(b[26:]))
}

// probeBcache finds a device of a bcache. Layout: struct cache_sb_disk of
// drivers/md/bcache/bcache_ondisk.h.
func probeBcache(d *disk) (Content, bool) {
	const start, sector, magic, id = 4096, 8, 24, 40
	sb := d.at(start, 4096)
	if sb == nil || le.Uint64(sb[sector:]) != start/512 ||
		string(sb[magic:][:16]) != "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81" {
		return Content{}, false
	}
	return Content{Type: "bcache", Usage: Other, UUID: uuid(sb[id:][:16])}, true
}

// probeZFS finds a device of a ZFS pool: the list of names and values in its
// first label starts with the pool's version, and four of the 128 uberblocks
// are there. Layout: "ZFS On-Disk Specification", chapter 1.
func probeZFS(d *disk) (Content, bool) {
	const pairs, uberblocks, want = 16 << 10, 128 << 10, 4
	if d.size < 64<<20 || !d.has(pairs+20, "\x00\x00\x00\x07version\x00") {
		return Content{}, false
	}
	found, version := 0, uint64(0)
	for offset := int64(uberblocks); offset < 2*uberblocks; offset += maxPiece {
		n, v := countUberblocks(d.at(offset, maxPiece))
		found, version = found+n, max(version, v)
	}
	return Content{Type: "zfs_member", Usage: RAID, Version: fmt.Sprint(version)}, found >= want
}

// countUberblocks counts those in a part of a label, and returns the pool's
// version by them. They are in the byte order of the machine that wrote them.
func countUberblocks(area []byte) (n int, version uint64) {
	const size, magic = 1024, uint64(0x00bab10c)
	for ; len(area) >= size; area = area[size:] {
		switch magic {
		case le.Uint64(area):
			version = le.Uint64(area[8:])
		case be.Uint64(area):
			version = be.Uint64(area[8:])
		default:
			continue
		}
		n++
	}
	return n, version
}
