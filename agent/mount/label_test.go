// SPDX-License-Identifier: MIT

package mount

import (
	"testing"

	"reflexd/blkid"
)

// The label of a FAT is what file names on it will be; others stay as they are.
func TestLabelOfAnOEMCodePage(t *testing.T) {
	for typ, want := range map[string]string{"vfat": "MÜSIK", "iso9660": "M\x9aSIK"} {
		f := &facts{content: blkid.Content{Type: typ, Label: "M\x9aSIK"}}
		f.describeContent()
		for _, field := range f.fields {
			if field.Name == "LABEL" && field.Value.String() != want {
				t.Errorf("%s: %q, want %q", typ, field.Value.String(), want)
			}
		}
		if len(f.fields) == 0 {
			t.Error("no fields")
		}
	}
}
