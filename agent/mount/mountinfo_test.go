// SPDX-License-Identifier: MIT

package mount

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const mountinfoText = `21 27 0:19 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
27 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
310 27 8:1 / /media/My\040Photos\134\011 rw,nosuid,nodev,noexec,relatime shared:150 master:3 - vfat /dev/sda1 ro,fmask=0022
311 27 0:44 /sub /media/B ro,relatime - btrfs /dev/sdb1 rw,space_cache
short line
1 2 3
`

func TestParseMountinfo(t *testing.T) {
	all := parseMountinfo(mountinfoText)
	if len(all) != 4 {
		t.Fatalf("%+v", all)
	}
	want := entry{number: "8:1", root: "/", point: "/media/My Photos\\\t", fstype: "vfat", source: "/dev/sda1", readOnly: true}
	if all[2] != want {
		t.Errorf("%+v, want %+v", all[2], want)
	}
	if e := at(all, "/media/B", "/dev/sdb1", "8:17"); e == nil || !e.readOnly {
		t.Errorf("a filesystem with a device number of its own is not found: %+v", e)
	}
	if at(all, "/media/B", "/dev/sda1", "8:1") != nil {
		t.Error("another device's mount")
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add(mountinfoText)
	f.Add(`1 2 3:4 / /\777\04 rw - a b \`)
	f.Add(" - \n - - \n\\\\\\")
	f.Fuzz(func(t *testing.T, text string) { parseMountinfo(text) })
}

// The kernel's own words for a name with everything in it.
func TestMountinfoOfTheKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts things and needs root")
	}
	point := t.TempDir() + "/a b\tc\nd\\e#f"
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("no name\\", point, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(point, 0)
	if e := mountedAt(t, point); e == nil || e.source != `no name\` || !e.readOnly {
		t.Errorf("%+v", e)
	}
}
