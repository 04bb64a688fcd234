// SPDX-License-Identifier: MIT

package blkid

import "testing"

func TestReadableLabels(t *testing.T) {
	if len(codePage437) != 128 || codePage437[0xe1-0x80] != 'ß' || codePage437[0xff-0x80] != 0xa0 || codePage437[0xb0-0x80] != '░' || codePage437[0xdb-0x80] != '█' {
		t.Error("the table is not that of code page 437")
	}
	for field, want := range map[string]string{
		"M\x9aSIK     ": "MÜSIK", "\x90T\x90        ": "ÉTÉ", "\x05BC\x9a       ": "σBCÜ", // 5 stands for 0xe5
		"PLAIN      ": "PLAIN", "MÜSIK    ": "MÜSIK", "\xffA         ": "\u00a0A",
	} {
		if got := Readable(fatName([]byte(field))); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
}
