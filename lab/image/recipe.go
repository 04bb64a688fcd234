// SPDX-License-Identifier: MIT

// The recipe: what goes into an image. A change here makes a new image, without fetching anything again.

package image

// recipe is hashed into an image's key as it stands.
var recipe = struct {
	Version   int
	Load      map[string][]string
	Available []string
	Built     []string
	Patches   []patch
	Files     map[string]string
}{
	Version: 1, // counts up with changes to how an image is made that show nowhere else in the recipe
	Load: map[string][]string{
		"virt": append([]string{"virtio_pci", "virtio_console", "virtio_blk", "virtio_net", "xhci-pci", "gpio_keys"}, common...),
		"pi3":  append([]string{"phy-generic", "dwc2", "bcm2835_wdt"}, common...),
	},
	Available: []string{
		"exfat", "btrfs", "f2fs", "isofs", "sr_mod", "udf", "squashfs", "xfs", "nls_ascii", "nls_iso8859-1", "nls_utf8", "uas", "loop", "dummy", "veth",
		"rc-loopback", "ir-nec-decoder", "ftdi_sio", "leds-gpio", "ledtrig-timer", "ledtrig-oneshot", "ledtrig-transient", "ledtrig-pattern",
		"i2c-stub", "i2c-dev", "lm90", "w1_therm", "industrialio", "test_power",
	},
	Built:   simModules,
	Patches: simPatches,
	Files: map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\npi:x:1000:1000:pi:/home/pi:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"etc/group":  "root:x:0:\ndaemon:x:1:\ntty:x:5:\ndisk:x:6:\naudio:x:29:pi\nvideo:x:44:pi\nplugdev:x:46:pi\ninput:x:104:pi\ngpio:x:997:pi\npi:x:1000:\nnogroup:x:65534:\n",
		"etc/hosts":  "127.0.0.1 localhost board\n",
	},
}

// common is what every board loads. FAT and ext4 are there from the start, since without modprobe's help, as in a
// mount namespace of its own, a mount must not fail.
var common = []string{
	"configfs", "evdev", "uinput", "usb-storage", "sd_mod", "usbhid", "hid-generic",
	"vfat", "nls_cp437", "nls_ascii", "ext4", "gpio-sim",
}

// folders are there in the guest, empty, with the given permissions.
var folders = map[string]uint32{
	"dev": 0o755, "proc": 0o555, "sys": 0o555, "run": 0o755, "tmp": 0o1777, "root": 0o700, "home/pi": 0o755,
	"mnt": 0o755, "media": 0o755, "etc": 0o755, "var/log": 0o755, "var/lib": 0o755, "lab": 0o755,
	"sbin": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "usr/local/bin": 0o755,
}
