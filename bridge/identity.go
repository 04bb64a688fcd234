// SPDX-License-Identifier: MIT

// Identity: what makes this board another one than its clones.

package bridge

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stock are serial numbers that manufacturers leave in.
var stock = []string{"none", "default string", "to be filled by o.e.m.", "system serial number", "not specified", "0123456789", "123456789"}

// Serial returns the serial number of the board whose root is at root, and where that
// is from: the device tree, DMI, of which the agent knows what root alone can read, or
// machine-id. Cloned images share that; of it, which is a secret, a hash is returned.
func Serial(root string, dmi []string) (serial, from string) {
	read := func(name string) (text, path string) {
		path = filepath.Join(root, name)
		b, _ := os.ReadFile(path)
		return strings.Trim(string(b), "\x00 \r\n\t"), path
	}
	if s, path := read("sys/firmware/devicetree/base/serial-number"); !isStock(s) {
		return plain(s), path
	}
	for _, s := range dmi {
		if !isStock(s) {
			return plain(s), "DMI"
		}
	}
	if s, path := read("etc/machine-id"); !isStock(s) {
		return fmt.Sprintf("%x", sha256.Sum256([]byte("reflexd-mqtt"+s)))[:16], path
	}
	return "", ""
}

// stockHosts are host names of images as they are downloaded.
var stockHosts = []string{"raspberrypi", "localhost", "debian", "ubuntu", "dietpi", "alarmpi", "openwrt", "buildroot", "orangepi", "bananapi",
	"nanopi", "rock", "beaglebone", "armbian", "(none)"}

func isStockHost(name string) bool {
	return slices.ContainsFunc(stockHosts, func(s string) bool { return strings.EqualFold(s, name) })
}

func isStock(serial string) bool {
	return strings.Trim(serial, "0") == "" || slices.ContainsFunc(stock, func(s string) bool { return strings.EqualFold(serial, s) })
}

// plain returns s in letters, digits and -, differently for each s.
func plain(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "-%02x", c)
		}
	}
	return b.String()
}

// Model returns the board's name, "" if nothing says it.
func Model(root string) string {
	for _, name := range []string{"sys/firmware/devicetree/base/model", "sys/class/dmi/id/product_name"} {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil {
			return strings.ToValidUTF8(strings.Trim(string(text), "\x00 \r\n\t"), "")
		}
	}
	return ""
}
