// SPDX-License-Identifier: MIT

// BitLocker, whose boot sector looks like that of NTFS or FAT32. Layout: the
// "BitLocker Drive Encryption (BDE) format" of the libbde project.

package blkid

import "strconv"

const bitLockerMagic = "-FVE-FS-"

func probeBitLocker(d *disk) (Content, bool) {
	boot := d.at(0, 512)
	if boot == nil {
		return Content{}, false
	}
	c := Content{Type: "BitLocker", Usage: Crypto}
	pointer := 0
	switch string(boot[:11]) {
	case "\xeb\x52\x90" + bitLockerMagic: // Windows Vista
		return c, true
	case "\xeb\x58\x90" + bitLockerMagic: // Windows 7 and later
		pointer = 176
	case "\xeb\x58\x90MSWIN4.1": // "BitLocker To Go", or a plain FAT32
		pointer = 440
	default:
		return Content{}, false
	}
	metadata := d.at(int64(le.Uint64(boot[pointer:])), 12)
	if metadata == nil || string(metadata[:8]) != bitLockerMagic {
		return Content{}, false
	}
	c.Version = strconv.Itoa(int(le.Uint16(metadata[10:])))
	return c, true
}
