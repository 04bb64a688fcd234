// SPDX-License-Identifier: MIT

// BitLocker: a boot sector that looks like that of NTFS or FAT32.

package blkid

// isBitLocker tells whether a boot sector is that of an encrypted volume, of
// Windows Vista or later, or "to go" (which looks like FAT32).
func isBitLocker(boot []byte) bool {
	return string(boot[3:11]) == "-FVE-FS-"
}
