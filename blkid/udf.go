// SPDX-License-Identifier: MIT

// UDF: the sequence of volume descriptors that an anchor points to. Layout:
// ECMA-167, parts 2 and 3, and fs/udf/ecma_167.h; the UUID as libblkid makes
// it of OSTA's UDF specification, section 2.2.2.5.

package blkid

import (
	"fmt"
	"strings"
)

const (
	udfDescriptor = 512 // bytes of a descriptor that are read
	udfMax        = 64  // descriptors that are read
)

// Kinds of descriptor.
const (
	udfPrimary    = 1
	udfAnchor     = 2
	udfPartition  = 5
	udfLogical    = 6
	udfTerminator = 8
	udfIntegrity  = 9
)

// Offsets in descriptors, after a tag with the kind and the place.
const (
	udfKind           = 0  // 2
	udfPlace          = 12 // 4: the block in which it is
	udfAnchorLength   = 16 // 4: bytes of the sequence
	udfAnchorBlock    = 20 // 4
	udfSetID          = 72 // 128
	udfPrimaryCharset = 200
	udfAccess         = 184 // 4
	udfLogicalCharset = 20
	udfLabel          = 84  // 128
	udfDomain         = 217 // 23
	udfRevision       = 240 // 2
	udfMaps           = 268 // 4
	udfIntegrityBlock = 436 // 4
	udfIsClosed       = 28  // 4
	udfPartitions     = 72  // 4
	udfRevisions      = 120 // two of 2, after 8 bytes a partition
)

func probeUDF(d *disk) (Content, bool) {
	block, anchor := udfFindAnchor(d)
	if anchor == nil {
		return Content{}, false
	}
	c := Content{Type: "udf", Usage: Filesystem}
	v := udfVolume{content: &c, block: block}
	start := int64(le.Uint32(anchor[udfAnchorBlock:]))
	for i := range min(int64(le.Uint32(anchor[udfAnchorLength:]))/block, udfMax) {
		if !v.read(d.at((start+i)*block, udfDescriptor), start+i) {
			break
		}
	}
	v.readIntegrity(d)
	if v.revision != 0 {
		c.Version = fmt.Sprintf("%x.%02x", v.revision>>8, v.revision&0xff)
	}
	return c, true
}

// udfFindAnchor tries the sizes that blocks can have.
func udfFindAnchor(d *disk) (block int64, anchor []byte) {
	for _, block := range [...]int64{512, 1024, 2048, 4096} {
		if !isUDF(d, max(block, 2048)) {
			continue
		}
		for _, where := range [...]int64{256, 512} {
			anchor := d.at(where*block, udfDescriptor)
			if anchor != nil && le.Uint16(anchor[udfKind:]) == udfAnchor && int64(le.Uint32(anchor[udfPlace:])) == where {
				return block, anchor
			}
		}
	}
	return 0, nil
}

// isUDF looks for UDF in the sequence of structures, step bytes apart, that
// names the formats of a volume; the same place as ISO 9660's.
func isUDF(d *disk, step int64) bool {
	for i := range int64(udfMax) {
		structure := d.at(isoStart+i*step, 7)
		if structure == nil {
			return false
		}
		switch string(structure[1:6]) {
		case "NSR02", "NSR03":
			return true
		case "BEA01", "BOOT2", "CD001", "CDW02", "TEA01":
		default:
			return false
		}
	}
	return false
}

// A udfVolume gathers what the descriptors say.
type udfVolume struct {
	content   *Content
	block     int64
	revision  uint16
	integrity int64 // block of the integrity descriptor
}

// read reads a descriptor and reports whether another may follow.
func (v *udfVolume) read(descriptor []byte, place int64) bool {
	if descriptor == nil || int64(le.Uint32(descriptor[udfPlace:])) != place {
		return false
	}
	c := v.content
	switch le.Uint16(descriptor[udfKind:]) {
	case 0, udfTerminator:
		return false
	case udfPrimary:
		if c.UUID == "" && isUDFText(descriptor[udfPrimaryCharset:]) {
			c.UUID = udfUUID(udfText(descriptor[udfSetID:][:128]))
		}
	case udfPartition:
		c.ReadOnly = c.ReadOnly || le.Uint32(descriptor[udfAccess:]) == 1
	case udfLogical:
		v.readLogical(descriptor)
	}
	return true
}

func (v *udfVolume) readLogical(descriptor []byte) {
	if v.content.Label == "" && isUDFText(descriptor[udfLogicalCharset:]) {
		v.content.Label = strings.TrimRight(udfText(descriptor[udfLabel:][:128]), spaces)
	}
	if v.revision == 0 && untilNUL(descriptor[udfDomain:][:23]) == "*OSTA UDF Compliant" {
		v.revision = le.Uint16(descriptor[udfRevision:])
	}
	if v.integrity == 0 && le.Uint32(descriptor[udfMaps:]) != 0 {
		v.integrity = int64(le.Uint32(descriptor[udfIntegrityBlock:]))
	}
}

// readIntegrity reads what is written at mount and unmount, and the revisions
// that a reader or writer must know, of which the highest names the format.
func (v *udfVolume) readIntegrity(d *disk) {
	descriptor := d.at(v.integrity*v.block, udfDescriptor)
	if v.integrity == 0 || descriptor == nil || le.Uint16(descriptor[udfKind:]) != udfIntegrity ||
		int64(le.Uint32(descriptor[udfPlace:])) != v.integrity {
		return
	}
	v.content.Dirty = le.Uint32(descriptor[udfIsClosed:]) == 0
	skip := 8 * int64(le.Uint32(descriptor[udfPartitions:]))
	if revisions := d.at(v.integrity*v.block+udfRevisions+skip, 4); revisions != nil {
		v.revision = max(v.revision, le.Uint16(revisions), le.Uint16(revisions[2:]))
	}
}

// isUDFText reports whether the character set is the one that UDF uses.
func isUDFText(charset []byte) bool {
	return charset[0] == 0 && untilNUL(charset[1:64]) == "OSTA Compressed Unicode"
}

// udfText decodes a field whose first byte says how many bits a letter has,
// and whose last byte how much of it is used.
func udfText(field []byte) string {
	letters := field[1 : len(field)-1]
	letters = letters[:min(max(int(field[len(field)-1])-1, 0), len(letters))]
	switch field[0] {
	case 8:
		var text strings.Builder
		for _, c := range letters {
			if c == 0 {
				break
			}
			text.WriteRune(rune(c))
		}
		return text.String()
	case 16:
		return utf16Text(letters, be)
	}
	return ""
}

// udfUUID makes a UUID of the first 16 bytes of a volume set's name: as far
// as these, or the first eight, are hexadecimal digits, they are taken as
// they are.
func udfUUID(set string) string {
	if len(set) < 8 {
		return ""
	}
	set = set[:min(len(set), 16)]
	digits := len(set) - len(strings.TrimLeft(set, "0123456789abcdefABCDEF"))
	set += strings.Repeat("\x00", 16-len(set))
	switch {
	case digits < 8:
		return fmt.Sprintf("%x", set[:8])
	case digits < 16:
		return strings.ToLower(set[:8]) + fmt.Sprintf("%x", set[8:12])
	}
	return strings.ToLower(set)
}
