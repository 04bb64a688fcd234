// SPDX-License-Identifier: MIT

package image

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBackportsAreTakenFromWhereTheReleaseIs(t *testing.T) {
	for targets, want := range map[string]string{
		"bookworm http://mirror/debian/\nbookworm-security http://mirror/security/\n":        "deb [arch=arm64,armhf] http://mirror/debian/ bookworm-backports main\n",
		"bookworm http://mirror/debian/\nbookworm-backports http://mirror/debian/\nbookworm": "",
		"": "",
	} {
		if got := backportsOf([]byte(targets)); got != want {
			t.Errorf("%q: %q, want %q", targets, got, want)
		}
	}
}

func TestTreesOfBoardsWithTablesAreWanted(t *testing.T) {
	for name, want := range map[string]bool{
		"bcm2711-rpi-4-b.dtb": true, "rk3588s-orangepi-5.dtb": true, "sun8i-h3-orangepi-pc.dtb": true, "am335x-boneblack.dtb": true,
		"imx6q-wandboard.dtb": false, "rk3588-rock-5b-pcie-ep.dtbo": false, "vmlinuz": false,
	} {
		if wantedTree(name) != want {
			t.Errorf("%s: wanted is %v", name, !want)
		}
	}
}

func TestTreesOfOtherPatternsAreFetchedAgain(t *testing.T) {
	dir := t.TempDir()
	if haveTrees(dir) {
		t.Error("an empty folder has them all")
	}
	for _, test := range []struct {
		patterns []string
		want     bool
	}{{treePatterns, true}, {treePatterns[1:], false}} {
		if err := writeJSON(treesFile(dir), trees{Patterns: test.patterns}); err != nil {
			t.Fatal(err)
		}
		if haveTrees(dir) != test.want {
			t.Errorf("trees of %q: %v", test.patterns, !test.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "trees.json"), []byte("{"), 0o644); err != nil || haveTrees(dir) {
		t.Error("a broken file has them all")
	}
}
