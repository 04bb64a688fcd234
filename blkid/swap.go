// SPDX-License-Identifier: MIT

// Swap, and what a hibernated system left there. Layout: union swap_header of
// include/linux/swap.h; the signature ends the first page, whatever size
// pages have.

package blkid

// Offsets of the header, which is where Linux keeps it from boot loaders.
const (
	swapVersion  = 1024 // 4
	swapLastPage = 1028 // 4
	swapUUID     = 1036 // 16
	swapLabel    = 1052 // 16
	swapPadding  = 1196 // 8 zeros among others, else label and UUID are not there

	swapMin = 10 * 4096 // bytes
	// TuxOnIce keeps the signature of swap and adds its own.
	tuxOnIce = "\xed\xc3\x02\xe9\x98\x56\xe5\x0c"
)

func probeSwap(d *disk) (Content, bool) {
	header := d.at(0, 2048)
	if header == nil || d.size < swapMin {
		return Content{}, false
	}
	c := Content{Type: "swsuspend", Usage: Other}
	switch signature := swapSignature(d); {
	case string(header[:8]) == tuxOnIce:
		c.Version = "tuxonice"
	case signature == "":
		return Content{}, false
	case signature == "SWAP-SPACE":
		return Content{Type: "swap", Usage: Other, Version: "0"}, true
	case signature == "SWAPSPACE2":
		if le.Uint32(header[swapVersion:]) != 1 && be.Uint32(header[swapVersion:]) != 1 ||
			le.Uint32(header[swapLastPage:]) == 0 {
			return Content{}, false
		}
		c.Type, c.Version = "swap", "1"
	default:
		c.Version = signature
	}
	if allZero(header[swapPadding:][:8]) {
		c.Label, c.UUID = label(header[swapLabel:][:16]), uuid(header[swapUUID:][:16])
	}
	return c, true
}

// isOldSwap reports whether ten letters are all that swap was found by, which
// Linux 2.1.117 was the last to write.
func isOldSwap(d *disk) bool { return swapSignature(d) == "SWAP-SPACE" }

// swapSignature finds the signature; a hibernated system's is the version
// that is reported.
func swapSignature(d *disk) string {
	for _, pageSize := range [...]int64{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		switch signature := string(d.at(pageSize-10, 10)); signature {
		case "SWAP-SPACE", "SWAPSPACE2":
			return signature
		case "S1SUSPEND\x00":
			return "s1suspend"
		case "S2SUSPEND\x00":
			return "s2suspend"
		case "ULSUSPEND\x00":
			return "ulsuspend"
		case "LINHIB0001":
			return "linhib0001"
		}
	}
	return ""
}
