// SPDX-License-Identifier: MIT

package uevent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"reflexd/sources"
)

// grow makes a tree of devices. Each row is a folder, its subsystem and
// DEVTYPE ("-" for none), and attributes.
func grow(t *testing.T, rows ...[]string) string {
	t.Helper()
	sys := t.TempDir()
	for _, row := range rows {
		dir := filepath.Join(sys, "devices", row[0])
		must(t, os.MkdirAll(dir, 0o755))
		if row[1] != "-" {
			must(t, os.Symlink("../../bus/"+row[1], filepath.Join(dir, "subsystem")))
		}
		uevent := ""
		if row[2] != "-" {
			uevent = "DRIVER=x\nDEVTYPE=" + row[2] + "\n"
		}
		must(t, os.WriteFile(filepath.Join(dir, "uevent"), []byte(uevent), 0o644))
		for _, pair := range row[3:] {
			name, value, _ := strings.Cut(pair, "=")
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o644))
		}
	}
	return sys
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func identified(sys, devpath string) string {
	var words []string
	for _, f := range Identify(sys, devpath) {
		words = append(words, f.Name+"="+f.Value.String())
	}
	return strings.Join(words, " ")
}

const stickPath = "pci0000:00/0000:00:02.0/usb2/2-1/2-1.3/2-1.3:1.0/host7/target7:0:0/7:0:0:0/block/sda"

func stick(t *testing.T, more ...[]string) string {
	return grow(t, append([][]string{
		{"pci0000:00/0000:00:02.0", "pci", "-", "vendor=0x1b36", "device=0x000d"},
		{"pci0000:00/0000:00:02.0/usb2", "usb", "usb_device", "idVendor=1d6b", "idProduct=0003"},
		{"pci0000:00/0000:00:02.0/usb2/2-1", "usb", "usb_device", "idVendor=05e3", "idProduct=0610", "product=Hub"},
		{"pci0000:00/0000:00:02.0/usb2/2-1/2-1.3", "usb", "usb_device", "idVendor=0781", "idProduct=5583",
			"manufacturer= SanDisk ", "product=Ultra / Fit", "serial=4C5300 01"},
		{"pci0000:00/0000:00:02.0/usb2/2-1/2-1.3/2-1.3:1.0", "usb", "usb_interface", "bInterfaceNumber=00",
			"bInterfaceClass=08", "bInterfaceSubClass=06"},
		{"pci0000:00/0000:00:02.0/usb2/2-1/2-1.3/2-1.3:1.0/host7", "scsi", "scsi_host"},
		{"pci0000:00/0000:00:02.0/usb2/2-1/2-1.3/2-1.3:1.0/host7/target7:0:0", "scsi", "scsi_target"},
		{"pci0000:00/0000:00:02.0/usb2/2-1/2-1.3/2-1.3:1.0/host7/target7:0:0/7:0:0:0", "scsi", "scsi_device",
			"vendor=USB     ", "model= SanDisk 3.2Gen1"},
		{stickPath, "block", "disk"},
		{stickPath + "/sda1", "block", "partition"},
	}, more...)...)
}

// The same as what udev says of a SanDisk stick behind a hub.
func TestIdentifyStick(t *testing.T) {
	sys := stick(t)
	want := "ID_BUS=usb ID_VENDOR_ID=0781 ID_MODEL_ID=5583 ID_VENDOR=USB ID_MODEL=SanDisk_3.2Gen1 " +
		"ID_SERIAL=USB_SanDisk_3.2Gen1_4C5300_01-0:0 ID_SERIAL_SHORT=4C5300_01 ID_USB_INTERFACE_NUM=00 " +
		"ID_PATH=pci-0000:00:02.0-usb-0:1.3:1.0-scsi-0:0:0:0"
	for _, path := range []string{stickPath, stickPath + "/sda1"} {
		if diff := cmp.Diff(want, identified(sys, "/devices/"+path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	want = "ID_BUS=usb ID_VENDOR_ID=0781 ID_MODEL_ID=5583 ID_VENDOR=SanDisk ID_MODEL=Ultra___Fit " +
		"ID_SERIAL=SanDisk_Ultra___Fit_4C5300_01 ID_SERIAL_SHORT=4C5300_01 ID_PATH=pci-0000:00:02.0-usb-0:1.3"
	if diff := cmp.Diff(want, identified(sys, "/devices/pci0000:00/0000:00:02.0/usb2/2-1/2-1.3")); diff != "" {
		t.Error(diff)
	}
}

func TestIdentifyOtherBuses(t *testing.T) {
	const card = "platform/soc/3f202000.mmc/mmc_host/mmc0/mmc0:aaaa"
	const port = "pci0000:00/0000:00:1f.2/ata3"
	const disk = port + "/host2/target2:0:0/2:0:0:0"
	sys := grow(t,
		[]string{"platform/soc", "platform", "-"},
		[]string{"platform/soc/3f202000.mmc", "platform", "-"},
		[]string{"platform/soc/3f202000.mmc/mmc_host/mmc0", "mmc_host", "-"},
		[]string{card, "mmc", "-", "name=SC16G", "serial=0x1234abcd"},
		[]string{card + "/block/mmcblk0/mmcblk0p1", "block", "partition"},
		[]string{"pci0000:00/0000:00:1f.2", "pci", "-", "vendor=0x8086", "device=0x2922"},
		[]string{port, "-", "-"},
		[]string{port + "/ata_port/ata3", "ata_port", "-", "port_no=1"},
		[]string{port + "/host2", "scsi", "scsi_host"},
		[]string{disk, "scsi", "scsi_device", "vendor=ATA     ", "model=Samsung SSD 870 "},
		[]string{disk + "/block/sda", "block", "disk"},
		[]string{"pci0000:00/0000:00:03.0", "pci", "-", "vendor=0x1af4", "device=0x1000"},
		[]string{"pci0000:00/0000:00:03.0/virtio2", "virtio", "-"},
		[]string{"pci0000:00/0000:00:03.0/virtio2/net/eth0", "net", "-"},
		[]string{"pci0000:00/0000:01:00.0", "pci", "-", "vendor=0x144d", "device=0xa808"},
		[]string{"pci0000:00/0000:01:00.0/nvme/nvme0", "nvme", "-", "model=Samsung SSD 970 EVO   ", "serial=S466 "},
		[]string{"pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1", "block", "disk", "nsid=1"},
		[]string{"virtual/mem/null", "mem", "-"},
	)
	for path, want := range map[string]string{
		card + "/block/mmcblk0/mmcblk0p1": "ID_BUS=mmc ID_MODEL=SC16G ID_SERIAL=0x1234abcd ID_SERIAL_SHORT=0x1234abcd ID_PATH=platform-3f202000.mmc",
		disk + "/block/sda":               "ID_BUS=ata ID_MODEL=Samsung_SSD_870 ID_PATH=pci-0000:00:1f.2-ata-1.0",

		"pci0000:00/0000:00:03.0/virtio2/net/eth0":        "ID_BUS=pci ID_VENDOR_ID=0x1af4 ID_MODEL_ID=0x1000 ID_PATH=pci-0000:00:03.0",
		"pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1":      "ID_BUS=nvme ID_MODEL=Samsung_SSD_970_EVO ID_SERIAL=Samsung_SSD_970_EVO_S466 ID_SERIAL_SHORT=S466 ID_PATH=pci-0000:01:00.0-nvme-1",
		"virtual/mem/null":                                "",
		"no/such/device":                                  "",
		"../devices/" + card + "/block/mmcblk0/mmcblk0p1": "",
	} {
		if diff := cmp.Diff(want, identified(sys, "/devices/"+path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"  a \t b  ":          "a_b",
		"a/b\\c":              "a_b_c",
		`a\x20b\x2`:           `a\x20b_x2`,
		"Größe":               "Größe",
		"bad\xff\xc3":         "bad__",
		"\x1b[31m":            "__31m",
		"c1\u009bcontrol":     "c1__control",
		"`reboot`;$(x)\"'":    "_reboot____x___",
		"#+-.:=@_azAZ09":      "#+-.:=@_azAZ09",
		"ääää":                "äää", // at the limit, whole
		"":                    "",
		"   ":                 "",
		"..":                  "..",
		"a\u00a0b\u202ec\x7f": "a\u00a0b\u202ec_",
	} {
		limit := 63
		if text == "ääää" {
			limit = 7
		}
		if got := clean(text, limit); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a b", 3)
	f.Add("\xc3\xa4\xff\\x20", 5)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 0), 300)
		got := clean(text, limit)
		if len(got) > limit+1 && len(got) > len(text) || !utf8.ValidString(got) || strings.ContainsAny(got, " \n\t/;$`\x00\x1b") {
			t.Errorf("%q: %q", text, got)
		}
	})
}

// Whatever the attributes of a USB device hold, its fields are words.
func FuzzIdentify(f *testing.F) {
	f.Add("SanDisk", "Ultra", "4C53", "00")
	f.Add("\x00", "\n\n", ",", strings.Repeat("x", 5000))
	f.Fuzz(func(t *testing.T, vendor, model, serial, number string) {
		const dev = "p/usb1/1-1"
		sys := grow(t, []string{"p", "platform", "-"},
			[]string{dev, "usb", "usb_device", "idVendor=" + number, "manufacturer=" + vendor, "product=" + model, "serial=" + serial})
		for _, field := range Identify(sys, "/devices/"+dev) {
			v := field.Value.String()
			if v == "" || len(v) > 600 || strings.ContainsAny(v, " /\n\x00") || !sources.ValidField(field.Name) {
				t.Errorf("%s is %q", field.Name, v)
			}
		}
	})
}

// No device of this machine upsets it.
func TestIdentifyThisMachine(t *testing.T) {
	w := &walk{sys: "/sys", dev: "/dev", scope: scope{all: true}}
	w.run()
	for _, d := range w.found {
		for _, field := range Identify("/sys", d.path) {
			if strings.ContainsAny(field.Value.String(), " /\n") {
				t.Errorf("%s: %s is %q", d.path, field.Name, field.Value)
			}
		}
	}
}
