// SPDX-License-Identifier: MIT

// Checksums and sizes.

package blkid

import "math/bits"

// The polynomials of checksums, lowest bit last.
const (
	castagnoli = 0x82f63b78
	ethernet   = 0xedb88320
)

// crc32 continues a checksum over data, without the inversions at its start
// and end. A table would be faster; a probe sums some kilobytes.
func crc32(polynomial, sum uint32, data []byte) uint32 {
	for _, b := range data {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ polynomial&-(sum&1)
		}
	}
	return sum
}

// crc32c is the checksum that ext4 uses, which is not inverted at its end.
func crc32c(data []byte) uint32 {
	return crc32(castagnoli, ^uint32(0), data)
}

// byteSize is count units in bytes; 0 where that is more than a device can
// have.
func byteSize(count, unit uint64) int64 {
	high, low := bits.Mul64(count, unit)
	if high != 0 || low > 1<<62 {
		return 0
	}
	return int64(low)
}
