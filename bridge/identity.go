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

// serialFiles have the serial number of the board, the best first. Cloned
// images share their machine-id: it comes last. Those of DMI are readable by root
// alone: `check` by root would then name another client than the service is.
var serialFiles = []string{
	"sys/firmware/devicetree/base/serial-number",
	"etc/machine-id",
}

// stock are serial numbers that manufacturers leave in.
var stock = []string{"none", "default string", "not specified", "0123456789", "123456789"}

// Serial returns the serial number of the board whose root is at root, and the
// file that has it. Of machine-id, which is a secret, it returns a hash.
func Serial(root string) (serial, file string) {
	for _, name := range serialFiles {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		s := strings.Trim(string(text), "\x00 \r\n\t")
		if err != nil || isStock(s) {
			continue
		}
		if strings.HasSuffix(name, "machine-id") {
			s = fmt.Sprintf("%x", sha256.Sum256([]byte("reflexd-mqtt"+s)))[:16]
		}
		return plain(s), path
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
