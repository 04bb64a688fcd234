// SPDX-License-Identifier: MIT

// Which filesystems the kernel knows: those that are registered, in
// /proc/filesystems, and those whose module modprobe would find.

package fstype

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Unknown says that the kernel has no filesystem of that name.
func Unknown(name string) string {
	return "this kernel has no " + name + ", neither built in nor as a module (/proc/filesystems)"
}

// Missing are the names of the types, all without names, that the kernel does
// not know. root is where / is: "" but for tests.
func Missing(root string, names ...string) (missing []string) {
	registered, _ := os.ReadFile(filepath.Join(root, "/proc/filesystems"))
	release, _ := os.ReadFile(filepath.Join(root, "/proc/sys/kernel/osrelease"))
	modules := filepath.Join(root, "/lib/modules", strings.TrimSpace(string(release)))
	aliases, _ := os.ReadFile(filepath.Join(modules, "modules.alias"))
	known := func(driver string) bool {
		return strings.Contains(string(registered), "\t"+driver+"\n") ||
			strings.Contains(string(aliases), "alias fs-"+driver+" ")
	}
	for i := range types {
		t := &types[i]
		asked := len(names) == 0 || slices.Contains(names, t.Name)
		if asked && !slices.ContainsFunc(t.Drivers, func(d Driver) bool { return known(d.Name) }) {
			missing = append(missing, t.Name)
		}
	}
	return missing
}
