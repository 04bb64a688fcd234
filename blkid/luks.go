// SPDX-License-Identifier: MIT

// LUKS 1 and 2. Layout: the "LUKS1 On-Disk Format Specification" and the
// "LUKS2 On-Disk Format Specification", with the highest byte first. The
// second header of LUKS 2 is not looked for: formatting does not overwrite
// it, so that it says little about what a device holds now.

package blkid

import "strconv"

func probeLUKS(d *disk) (Content, bool) {
	const version, text, id, length = 6, 24, 168, 208
	header := d.at(0, length)
	if header == nil || string(header[:6]) != "LUKS\xba\xbe" {
		return Content{}, false
	}
	c := Content{
		Type: "crypto_LUKS", Usage: Crypto,
		Version: strconv.Itoa(int(be.Uint16(header[version:]))),
		UUID:    plain(label(header[id:][:40])),
	}
	if c.Version == "2" {
		c.Label = label(header[text:][:48])
	}
	return c, true
}
