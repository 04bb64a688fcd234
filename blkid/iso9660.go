// SPDX-License-Identifier: MIT

// ISO 9660 and its forerunner, High Sierra: the volume descriptors from
// sector 16 on, of which a supplementary one may have a Joliet label. Layout:
// ECMA-119, section 8, and include/uapi/linux/iso_fs.h.

package blkid

import "strings"

const (
	isoStart  = 0x8000
	isoSector = 2048
	isoMax    = 16 // descriptors that are read after the first
)

// Offsets in a volume descriptor.
const (
	isoKind      = 0
	isoMagic     = 1  // 5
	isoLabel     = 40 // 32
	isoBlocks    = 80 // 4, and again with the other byte order
	isoEscapes   = 88
	isoBlockSize = 128 // 2, and again
	isoCreated   = 813 // 16 digits and a time zone
	isoModified  = 830

	isoHighSierraMagic = 9
	isoHighSierraLabel = 48
)

func probeISO9660(d *disk) (Content, bool) {
	sector := d.at(isoStart, isoSector)
	c := Content{Type: "iso9660", Usage: Filesystem, ReadOnly: true}
	switch {
	case sector == nil:
		return Content{}, false
	case string(sector[isoHighSierraMagic:][:5]) == "CDROM":
		c.Version, c.Label = "High Sierra", label(sector[isoHighSierraLabel:][:32])
		return c, true
	case string(sector[isoMagic:][:5]) != "CD001":
		return Content{}, false
	}
	c.Label = label(sector[isoLabel:][:32])
	c.UUID = isoUUID(sector)
	c.Size = byteSize(uint64(le.Uint32(sector[isoBlocks:])), uint64(le.Uint16(sector[isoBlockSize:])))
	if joliet := isoJoliet(d); joliet != nil {
		c.Version = "Joliet Extension"
		if wide := joliet[isoLabel:][:32]; !isoSameLabel(sector[isoLabel:], wide) {
			c.Label = label16(wide, be)
		}
	}
	return c, true
}

// isoUUID makes a UUID of the time when the volume was changed, or else made.
func isoUUID(sector []byte) string {
	date := sector[isoModified:][:17]
	if string(date) == "0000000000000000\x00" {
		date = sector[isoCreated:][:17]
	}
	digits := string(date[:16])
	if strings.Trim(digits, "0123456789") != "" || string(date) == "0000000000000000\x00" {
		return ""
	}
	return digits[:4] + "-" + digits[4:6] + "-" + digits[6:8] + "-" + digits[8:10] + "-" +
		digits[10:12] + "-" + digits[12:14] + "-" + digits[14:]
}

// isoJoliet finds the volume descriptor with names in UTF-16.
func isoJoliet(d *disk) []byte {
	const supplementary, end = 2, 255
	for i := range int64(isoMax) {
		sector := d.at(isoStart+(i+1)*isoSector, isoSector)
		if sector == nil || sector[isoKind] == end {
			return nil
		}
		escape := string(sector[isoEscapes:][:3])
		if sector[isoKind] == supplementary && (escape == "%/@" || escape == "%/C" || escape == "%/E") {
			return sector
		}
	}
	return nil
}

// isoSameLabel reports whether a label is that of the first descriptor, which
// may be longer: then that one counts.
func isoSameLabel(narrow, wide []byte) bool {
	for i := 0; i < len(wide); i += 2 {
		if wide[i] != 0 || wide[i+1] != narrow[i/2] {
			return false
		}
	}
	return true
}
