// SPDX-License-Identifier: MIT

// Who holds a port.

package netlink

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holderOf says who has the port, in words to follow an error; "" if that
// cannot be known. It reads all of /proc, in the background.
func holderOf(proc string, protocol int, port uint32) string {
	table, err := os.ReadFile(filepath.Join(proc, "net/netlink"))
	if err != nil {
		return ""
	}
	inode := inodeOf(string(table), protocol, port)
	if inode == "" {
		return ""
	}
	links, _ := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/*"))
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		comm, _ := os.ReadFile(filepath.Join(process, "comm"))
		return fmt.Sprintf(": process %s (%s) holds it", filepath.Base(process), strings.TrimSpace(string(comm)))
	}
	return ": a process that is not visible here holds it"
}

// inodeOf finds a socket in /proc/net/netlink: a line of headings, and then
// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode, where Eth is the
// protocol and Pid the port.
func inodeOf(table string, protocol int, port uint32) string {
	const columns = 10
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) >= columns && f[1] == strconv.Itoa(protocol) && f[2] == decimal(port) && f[9] != "0" {
			return f[9]
		}
	}
	return ""
}
