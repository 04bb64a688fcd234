// SPDX-License-Identifier: MIT

// The programs of the host that the lab leans on, and the Debian packages they come in.

package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Tool is a program that the lab needs and the Debian package that has it.
type Tool struct {
	Program, Package string
}

// Tools is all that the lab needs beside apt and dpkg.
var Tools = []Tool{
	{"qemu-system-aarch64", "qemu-system-arm"},
	{"aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"},
	{"aarch64-linux-gnu-gcc", "libc6-dev-arm64-cross"}, // for what is measured beside reflexd
	{"make", "make"},
	{"modprobe", "kmod"},
	{"fdtput", "device-tree-compiler"},
	{"xz", "xz-utils"},
	{"mkfs.vfat", "dosfstools"},
	{"mcopy", "mtools"},
	{"mkfs.ext4", "e2fsprogs"},
	{"mkfs.exfat", "exfatprogs"},
	{"mkfs.btrfs", "btrfs-progs"},
	{"mkfs.f2fs", "f2fs-tools"},
	{"mkfs.xfs", "xfsprogs"},
	{"mkfs.ntfs", "ntfs-3g"},
	{"mkudffs", "udftools"},
	{"genisoimage", "genisoimage"},
	{"mksquashfs", "squashfs-tools"},
}

// HostPackages returns the names of the Debian packages that Tools come in.
func HostPackages() []string {
	var names []string
	for _, tool := range Tools {
		names = append(names, tool.Package)
	}
	return names
}

// EnsureTools sees to it that all Tools are there: root installs what is missing, anyone else gets an error that
// says how to.
func EnsureTools(ctx context.Context, log io.Writer) error {
	missing := missingPackages(LookTool)
	if len(missing) == 0 {
		return nil
	}
	install := append([]string{"install", "-y", "--no-install-recommends"}, missing...)
	if os.Geteuid() != 0 {
		return fmt.Errorf("the lab's tools are not all here; as root: apt-get update && apt-get %s", strings.Join(install, " "))
	}
	fmt.Fprintf(log, "installing %s\n", strings.Join(missing, " "))
	wait := []string{"-q", "-o", "DPkg::Lock::Timeout=300"}
	if err := aptGet(ctx, append(wait, "update")...); err != nil {
		return err
	}
	return aptGet(ctx, append(wait, install...)...)
}

func aptGet(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "apt-get", args...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return quietly(c)
}

// missingPackages returns the packages of those tools that look does not find.
func missingPackages(look func(program string) (string, error)) []string {
	var missing []string
	for _, tool := range Tools {
		if _, err := look(tool.Program); err != nil && !slices.Contains(missing, tool.Package) {
			missing = append(missing, tool.Package)
		}
	}
	return missing
}

// LookTool finds a program in PATH or where Debian keeps an administrator's programs, which a user's PATH leaves out.
func LookTool(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// tool makes a command of one of Tools.
func tool(ctx context.Context, program string, args ...string) *exec.Cmd {
	if path, err := LookTool(program); err == nil {
		program = path
	}
	return exec.CommandContext(ctx, program, args...)
}

// quietly runs a command; what it says matters only where it fails.
func quietly(c *exec.Cmd) error {
	_, err := output(c)
	return err
}

// output runs a command and returns its standard output; where it fails, the error has the end of all it said.
func output(c *exec.Cmd) ([]byte, error) {
	var stdout, all bytes.Buffer
	c.Stdout = io.MultiWriter(&stdout, &all)
	c.Stderr = &all
	if err := c.Run(); err != nil {
		said := bytes.TrimSpace(all.Bytes())
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, said[max(0, len(said)-2000):])
	}
	return stdout.Bytes(), nil
}
