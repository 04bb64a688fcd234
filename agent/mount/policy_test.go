// SPDX-License-Identifier: MIT

package mount

import (
	"strings"
	"testing"

	"reflexd/config"
)

func problems(t *testing.T, yaml string) string {
	t.Helper()
	p := Kind.Plan().(*Plan)
	ps := &config.Problems{}
	if n, ok := config.Parse("t.yaml", []byte("automount: "+yaml), ps); ok {
		config.Object(p.Sections()...).Read(n, ps)
	}
	return ps.Error()
}

func TestPoliciesAreChecked(t *testing.T) {
	for yaml, want := range map[string]string{
		"maybe":                               "expected on or off",
		"{types: [vfat, ext5]}":               `expected btrfs, exfat, ext2, ext3, ext4, f2fs, iso9660, ntfs, squashfs, udf, vfat or xfs, found "ext5"; did you mean "ext`,
		"{at: media/x}":                       "a mount point must be an absolute path",
		`{at: "${LABEL}"}`:                    "a mount point must be an absolute path",
		`{at: "/${LABEL}"}`:                   "must be below a fixed folder",
		"{at: /}":                             "must be below a fixed folder",
		`{at: "/media/../${LABEL}"}`:          "cannot have ..",
		`{at: "/media/${LABLE}"}`:             `no field LABLE; did you mean "LABEL"?`,
		"{match: {ID_BUZ: usb}}":              `no field ID_BUZ; did you mean "ID_BUS"?`,
		"{match: {DEVNAME: sda1}}":            `did you mean "/dev/sda1"?`,
		"{on_clash: sufix}":                   `did you mean "suffix"?`,
		"{dirty: mend}":                       "expected read-only or write",
		"{options: {exfat: [flush]}}":         "exfat has no option flush",
		"{options: {vfat: [ro]}}":             "read_only: true",
		"{options: {vfat: [\"a,b\"]}}":        "write a list",
		"{options: {vfta: [utf8]}}":           `unknown filesystem "vfta"; did you mean "vfat"?`,
		"{max: 0}":                            "from 1 to 1000",
		"{readonly: true}":                    `did you mean "read_only"?`,
		"[{types: ext4}, {types: [vfat, 1]}]": "t.yaml:1:",
	} {
		if got := problems(t, yaml); !strings.Contains(got, want) {
			t.Errorf("%s: %q lacks %q", yaml, got, want)
		}
	}
	for _, yaml := range []string{"true", "off", "{}", "[{match: {ID_BUS: usb}}, {}]", "{at: /srv/stick, owner: pi, options: {vfat: umask=022}}"} {
		if got := problems(t, yaml); got != "" {
			t.Errorf("%s: %s", yaml, got)
		}
	}
}
