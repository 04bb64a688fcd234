// SPDX-License-Identifier: MIT

package mount

import (
	"os"
	"path/filepath"
	"testing"
)

// A slot of a reader is one whose card can be taken out while the reader serves
// others. A partition of the same drive is no other slot.
func TestWhatStaysWhenEjected(t *testing.T) {
	sys := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	disk := func(usb, name, removable, kind string) {
		folder := "devices/" + usb + "/host/" + name
		put("devices/"+usb+"/idVendor", "1234\n")
		put("devices/"+usb+"/bDeviceClass", "00\n")
		put(folder+"/removable", removable+"\n")
		put(folder+"/device/type", kind+"\n")
		put(folder+"/uevent", "MAJOR=8\nMINOR=0\nDEVNAME="+name+"\n")
		put(folder+"/"+name+"1/partition", "1\n")
		put(folder+"/"+name+"1/uevent", "MAJOR=8\nMINOR=1\nDEVNAME="+name+"1\n")
		put("class/block/x", "")
		for _, link := range []string{name, name + "/" + name + "1"} {
			if err := os.Symlink("../../devices/"+usb+"/host/"+link, filepath.Join(sys, "class/block", filepath.Base(link))); err != nil {
				t.Fatal(err)
			}
		}
	}
	disk("stick", "sda", "1", "0")
	disk("reader", "sdb", "1", "0")
	disk("reader", "sdc", "1", "0")
	disk("dock", "sdd", "0", "0")
	disk("dock", "sde", "0", "0")
	disk("disc", "sr0", "1", "5")
	b := blocks{dev: "/dev", sys: sys}
	for name, want := range map[string]string{
		"/dev/sda": "", "/dev/sda1": "", "/dev/sdb": "slot", "/dev/sdb1": "slot", "/dev/sdc": "slot", "/dev/sdd": "", "/dev/sr0": "optical",
	} {
		d, err := b.drive(name)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		switch {
		case d.isOptical():
			got = "optical"
		case d.isSlot():
			got = "slot"
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
