// SPDX-License-Identifier: MIT

// SquashFS. Layout: struct squashfs_super_block of fs/squashfs/squashfs_fs.h;
// up to version 3 it came in both byte orders, and Linux does not read it.

package blkid

import (
	"encoding/binary"
	"fmt"
)

func probeSquashfs(d *disk) (Content, bool) {
	const major, minor, bytesUsed, length = 28, 30, 40, 96
	sb := d.at(0, length)
	if sb == nil {
		return Content{}, false
	}
	order := binary.ByteOrder(le)
	switch string(sb[:4]) {
	case "hsqs":
	case "sqsh":
		order = be
	default:
		return Content{}, false
	}
	c := Content{
		Type: "squashfs", Usage: Filesystem, ReadOnly: true,
		Version: fmt.Sprintf("%d.%d", order.Uint16(sb[major:]), order.Uint16(sb[minor:])),
		Size:    byteSize(le.Uint64(sb[bytesUsed:]), 1),
	}
	if order.Uint16(sb[major:]) < 4 {
		c.Type, c.Size = "squashfs3", 0
	} else if order == be {
		return Content{}, false
	}
	return c, true
}
