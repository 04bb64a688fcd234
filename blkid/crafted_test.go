// SPDX-License-Identifier: MIT

// Superblocks made by hand: of what takes more than a file to make.

package blkid

// crafted returns images with the Type and Usage that they must have.
func crafted() []*image {
	return []*image{
		craft("nothing", mib, Content{}),
		craft("too small", 1024, Content{}).put(0, "hsqs").put(28, "\x04"),
		craft("md 0.90", mib*2, Content{Type: "linux_raid_member"}).put(mib*2-64*kib, md0(le.AppendUint32)),
		craft("md 0.90 of a big-endian machine", mib*2, Content{Type: "linux_raid_member"}).put(mib*2-64*kib, md0(be.AppendUint32)),
		craft("md 0.42", mib*2, Content{Type: "linux_raid_member"}).put(mib*2-64*kib, md0(le.AppendUint32)).put(mib*2-64*kib+8, "\x2a"),
		craft("md of a larger device", mib*2, Content{}).put(mib*2-64*kib, md0(le.AppendUint32)).put(mib*2-64*kib+32, "\xff\xff"),
		craft("md 1.0", mib*2+512, Content{Type: "linux_raid_member"}).put(mib*2-8*kib, md1(mib*2-8*kib)),
		craft("md 1.1", mib*2, Content{Type: "linux_raid_member"}).put(0, md1(0)),
		craft("md 1.2 and a table", mib*2, Content{Type: "linux_raid_member"}).put(510, "\x55\xaa").put(4096, md1(4096)),
		craft("md elsewhere", mib*2, Content{}).put(4096, md1(0)),
		craft("md on a floppy", mib, Content{}).put(4096, md1(4096)),
		craft("lvm", mib*2, Content{Type: "LVM2_member"}).put(512, lvm(1)),
		craft("lvm in the fourth sector", mib*2, Content{Type: "LVM2_member"}).put(1536, lvm(3)),
		craft("lvm elsewhere", mib*2, Content{}).put(512, lvm(2)),
		craft("lvm with another checksum", mib*2, Content{}).put(512, lvm(1)).put(512+100, "x"),
		craft("bcache", mib*2, Content{Type: "bcache"}).put(4096, bcache()),
		craft("zfs", 64*mib, Content{Type: "zfs_member"}).put(16*kib, zfsPairs).
			put(132*kib, zfsBlock).put(133*kib, zfsBlock).put(134*kib, zfsBlock).put(135*kib, zfsBlock),
		craft("zfs, wiped", 64*mib, Content{}).put(16*kib, zfsPairs).put(132*kib, zfsBlock),
		craft("bitlocker of vista", mib*2, Content{Type: "BitLocker"}).put(0, "\xeb\x52\x90-FVE-FS-"),
		craft("bitlocker", mib*2, Content{Type: "BitLocker"}).put(0, "\xeb\x58\x90-FVE-FS-").
			put(176, "\x00\x00\x10").put(mib, "-FVE-FS-\x20\x00\x02\x00"),
		craft("bitlocker that points nowhere", mib*2, Content{}).put(0, "\xeb\x58\x90-FVE-FS-").
			put(176, "\x00\xff\xff\xff\xff\xff\xff\xff"),
		craft("bitlocker to go", mib*2, Content{Type: "BitLocker"}).put(0, "\xeb\x58\x90MSWIN4.1").
			put(440, "\x00\x00\x10").put(mib, "-FVE-FS-\x20\x00\x02\x00"),
		craft("high sierra", mib, Content{Type: "iso9660"}).put(isoStart+9, "CDROM").put(isoStart+48, "OLD DISC   "),
		craft("squashfs3", mib, Content{Type: "squashfs3"}).put(0, "sqsh").put(28, "\x00\x03\x00\x01"),
		craft("squashfs of tomorrow", mib, Content{}).put(0, "sqsh").put(28, "\x00\x04\x00\x00"),
		craft("swap 0", mib, Content{Type: "swap"}).put(4086, "SWAP-SPACE"),
		craft("swap of a big-endian machine", mib, Content{Type: "swap"}).put(64*kib-10, "SWAPSPACE2").
			put(1024, "\x00\x00\x00\x01\x00\x00\x00\xff"),
		craft("swap without pages", mib, Content{}).put(4086, "SWAPSPACE2").put(1024, "\x01\x00\x00\x00"),
		craft("swap with a boot loader", mib, Content{Type: "swap"}).put(4086, "SWAPSPACE2").
			put(swapVersion, "\x01\x00\x00\x00\xff").put(swapUUID, id+"not a label").put(swapPadding, "code"),
		craft("tuxonice", mib, Content{Type: "swsuspend"}).put(0, tuxOnIce).put(4086, "SWAPSPACE2"),
		craft("fat", mib, Content{Type: "vfat"}).put(0, fat16).put(510, "\x55\xaa"),
		craft("fat without a signature", mib, Content{}).put(0, fat16),
		craft("fat with sectors of 256 bytes", mib, Content{}).put(0, fat16).put(510, "\x55\xaa").put(fatSectorSize, "\x00\x01"),
		craft("fat with sectors of 8 KiB", mib, Content{}).put(0, fat16).put(510, "\x55\xaa").put(fatSectorSize, "\x00\x20"),
		craft("fat without a table", mib, Content{}).put(0, fat16).put(510, "\x55\xaa").put(fatTables, "\x00"),
		craft("fat with more tables than sectors", mib, Content{}).put(0, fat16).put(510, "\x55\xaa").put(fatSectors16, "\x10\x00\xf8\x20"),
		fat32(0x0fffffff).named("fat32", Content{Type: "vfat"}).put(fatInfoSector, "\x01").put(512, "RRaA").put(512+484, "rrAa"),
		fat32(0x0fffffff).named("fat32 with another second sector", Content{}).put(fatInfoSector, "\x01").put(512, "RRaA").put(512+484, "rrAx"),
		craft("hpfs", mib, Content{}).put(0, fat16).put(fatName16, "HPFS    "),
	}
}

func (m *image) named(name string, want Content) *image {
	m.Name, m.Want = name, want
	return m
}

func craft(name string, size int64, want Content) *image {
	return &image{Name: name, Size: size, Want: want}
}

// fat16 is the start of a boot sector: one table of one sector, 16 entries in
// the root directory, 64 sectors.
const fat16 = "\xeb\x3c\x90reflexd \x00\x02\x01\x01\x00\x01\x10\x00\x40\x00\xf8\x01\x00"

// id is a UUID.
const id = "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"

func md0(word func([]byte, uint32) []byte) string {
	words := make([]uint32, 32)
	words[0], words[1], words[2], words[3] = mdMagic, 0, 90, 3
	words[5], words[13], words[14], words[15] = 0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210
	words[8] = 1024 // KiB
	var sb []byte
	for _, w := range words {
		sb = word(sb, w)
	}
	return string(sb)
}

func md1(offset uint64) string {
	sb := make([]byte, 256)
	le.PutUint32(sb, mdMagic)
	le.PutUint32(sb[4:], 1)
	copy(sb[16:], id)
	copy(sb[32:], "host:data")
	le.PutUint64(sb[144:], offset/512)
	return string(sb)
}

func lvm(sector uint64) string {
	sb := make([]byte, 512)
	copy(sb, "LABELONE")
	le.PutUint64(sb[8:], sector)
	le.PutUint32(sb[20:], 32)
	copy(sb[24:], "LVM2 001")
	copy(sb[32:], "abcdefGHIJklmnOPQRstuvWXYZ012345")
	le.PutUint32(sb[16:], crc32(ethernet, 0xf597a6cf, sb[20:]))
	return string(sb)
}

func bcache() string {
	sb := make([]byte, 64)
	sb[8] = 8
	copy(sb[24:], "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"+id)
	return string(sb)
}

const (
	zfsPairs = "\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x00\x00\x24\x00\x00\x00\x20\x00\x00\x00\x07version\x00\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x13\x88"
	zfsBlock = "\x0c\xb1\xba\x00\x00\x00\x00\x00\x88\x13\x00\x00\x00\x00\x00\x00"
)
