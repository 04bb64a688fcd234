// SPDX-License-Identifier: MIT

// ID_PATH: by which sockets and controllers a device is reached, in the
// notation of udev's path_id: pci-0000:00:14.0-usb-0:1.2:1.0-scsi-0:0:0:0.

package uevent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// pathOf returns the ID_PATH of the first of line, or "" where nothing on the
// way has an address that stays the same.
func pathOf(line []ancestor) string {
	var parts []string
	// rooted is set once a controller was found that has a place of its own;
	// a disk must in addition hang on a bus that numbers its devices.
	rooted, numbered := false, false
	for i := 0; i < len(line); i++ {
		part, skip, root, number := step(line, i)
		if part != "" {
			parts = append(parts, part)
		}
		rooted, numbered = rooted || root, numbered || number
		i += skip
	}
	if !rooted || len(parts) == 0 || line[0].subsystem == "block" && !numbered {
		return ""
	}
	slices.Reverse(parts)
	return strings.Join(parts, "-")
}

// step returns what line[i] adds to the path, how many of the next belong to
// it, and whether it is a root or numbers its devices.
func step(line []ancestor, i int) (part string, skip int, root, numbers bool) {
	a := &line[i]
	run := func() int { return runOf(line[i:]) }
	switch a.subsystem {
	case "scsi":
		return scsiPart(line[i:]), 0, false, true
	case "usb":
		if _, port, ok := strings.Cut(a.name, "-"); ok && (a.devtype == "usb_interface" || a.devtype == "usb_device") {
			return "usb-0:" + clean(port, nameLimit), run(), false, true
		}
		return "", 0, false, true
	case "serio":
		if n := strings.TrimPrefix(a.name, "serio"); isNumber(n) {
			return "serio-" + n, run(), false, false
		}
	case "pci", "acpi":
		return a.subsystem + "-" + clean(a.name, nameLimit), run(), true, false
	case "platform":
		return "platform-" + clean(a.name, nameLimit), run(), true, true
	case "virtio":
		return "", run(), false, true
	case "nvme":
		if n := namespaceID(line[:i]); n != "" {
			return "nvme-" + n, run(), true, true
		}
	}
	return "", 0, false, false
}

// runOf returns how many after the first of line are of its subsystem.
func runOf(line []ancestor) int {
	n := 0
	for n+1 < len(line) && line[n+1].subsystem == line[0].subsystem {
		n++
	}
	return n
}

// namespaceID returns the NVMe namespace of the disk among what hangs on the
// controller.
func namespaceID(below []ancestor) string {
	for i := range below {
		if n := below[i].attribute("nsid"); isNumber(n) {
			return n
		}
	}
	return ""
}

// scsiPart returns the address of a SCSI device: on ATA that of the port, else
// the four numbers, of which the first counts the hosts of one controller.
func scsiPart(line []ancestor) string {
	a := &line[0]
	address := strings.Split(a.name, ":")
	if a.devtype != "scsi_device" || len(address) != 4 || slices.ContainsFunc(address, func(s string) bool { return !isNumber(s) }) {
		return ""
	}
	if part := ataPart(a, address); part != "" {
		return part
	}
	host := find(line, func(a *ancestor) bool { return a.is("scsi", "scsi_host") })
	if host == nil {
		return ""
	}
	first, ok := firstHost(filepath.Dir(host.dir))
	number, err := strconv.Atoi(address[0])
	if !ok || err != nil || number < first {
		return ""
	}
	return fmt.Sprintf("scsi-%d:%s", number-first, strings.Join(address[1:], ":"))
}

// firstHost returns the lowest number of the SCSI hosts in the folder of a
// controller: hosts are numbered through for the whole machine, in the order
// in which they come.
func firstHost(dir string) (first int, ok bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		name, isHost := strings.CutPrefix(e.Name(), "host")
		n, err := strconv.Atoi(name)
		if isHost && err == nil && (!ok || n < first) {
			first, ok = n, true
		}
	}
	return first, ok
}

// ataPart returns the address of what hangs on an ATA port, whose folder ataN
// is no device of a subsystem: "ata-1.0", port and target.
func ataPart(a *ancestor, address []string) string {
	dir := a.dir
	for range mostParents {
		name := filepath.Base(dir)
		if number, ok := strings.CutPrefix(name, "ata"); ok && isNumber(number) {
			port := clean(readAttribute(filepath.Join(dir, "ata_port", name), "port_no", a.doubt), nameLimit)
			switch {
			case port == "":
				return ""
			case address[1] != "0": // behind a port multiplier
				return "ata-" + port + "." + address[1] + ".0"
			}
			return "ata-" + port + "." + address[2]
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil && s[0] != '+'
}
