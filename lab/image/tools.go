// SPDX-License-Identifier: MIT

// What the lab and the tests need on the machine, and the Debian packages it comes in.

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Tool is a program, or another file by its absolute path, and the Debian package that has it.
type Tool struct {
	Name, Package string
}

// Tools is all that the Makefile's targets need beside Go, git, make, apt and the packages that every Debian has.
var Tools = []Tool{
	{"aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"},
	{"aarch64-linux-gnu-strip", "binutils-aarch64-linux-gnu"},
	{"/usr/aarch64-linux-gnu/include/stdlib.h", "libc6-dev-arm64-cross"}, // for what is measured beside reflexd
	{"cc", "gcc"},
	{"cpio", "cpio"},
	{"cryptsetup", "cryptsetup-bin"},
	{"debugfs", "e2fsprogs"},
	{"depmod", "kmod"},
	{"fdtput", "device-tree-compiler"},
	{"gcc", "gcc"}, // for the race detector
	{"/usr/include/stdlib.h", "libc6-dev"},
	{"genisoimage", "genisoimage"},
	{"gpg", "gpg"},
	{"gpg-agent", "gpg-agent"},
	{"gpgconf", "gpgconf"},
	{"lintian", "lintian"},
	{"make", "make"},
	{"mandoc", "mandoc"},
	{"mcopy", "mtools"},
	{"mke2fs", "e2fsprogs"},
	{"mkfs.btrfs", "btrfs-progs"},
	{"mkfs.exfat", "exfatprogs"},
	{"mkfs.ext2", "e2fsprogs"},
	{"mkfs.ext3", "e2fsprogs"},
	{"mkfs.ext4", "e2fsprogs"},
	{"mkfs.f2fs", "f2fs-tools"},
	{"mkfs.ntfs", "ntfs-3g"},
	{"mkfs.vfat", "dosfstools"},
	{"mkfs.xfs", "xfsprogs"},
	{"mkntfs", "ntfs-3g"},
	{"mksquashfs", "squashfs-tools"},
	{"mkudffs", "udftools"},
	{"modprobe", "kmod"},
	{"mosquitto", "mosquitto"},
	{"mosquitto_passwd", "mosquitto"},
	{"python3", "python3-minimal"},
	{"qemu-system-aarch64", "qemu-system-arm"},
	{"sfdisk", "fdisk"},
	{"tune2fs", "e2fsprogs"},
	{"xorriso", "xorriso"},
	{"xz", "xz-utils"},
}

// EnsureTools sees to it that all Tools are there: root installs what is missing, anyone else gets an error with the
// command that does.
func EnsureTools(ctx context.Context, log io.Writer) error {
	if len(MissingPackages()) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("packages are missing; as root: apt-get update && apt-get %s", strings.Join(installing(MissingPackages()), " "))
	}
	cache, err := Cache()
	if err != nil {
		return err
	}
	unlock, err := Lock(ctx, filepath.Join(cache, "tools"), log) // not the cache's own, which the caller may hold
	if err != nil {
		return err
	}
	defer unlock()
	missing := MissingPackages()
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(log, "installing %s\n", strings.Join(missing, " "))
	if err := aptGet(ctx, "update"); err != nil {
		return err
	}
	return aptGet(ctx, installing(missing)...)
}

// installing is how apt-get installs packages.
func installing(packages []string) []string {
	return append([]string{"install", "-y", "--no-install-recommends"}, packages...)
}

func aptGet(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return quietly(c)
}

// MissingPackages returns the packages of those Tools that are not here.
func MissingPackages() []string {
	return missingPackages(func(name string) bool {
		_, err := FindTool(name)
		return err == nil
	})
}

func missingPackages(have func(name string) bool) []string {
	var missing []string
	for _, tool := range Tools {
		if !have(tool.Name) && !slices.Contains(missing, tool.Package) {
			missing = append(missing, tool.Package)
		}
	}
	return missing
}

// FindTool finds a program in PATH or where Debian keeps an administrator's programs, which a user's PATH leaves out.
func FindTool(name string) (string, error) {
	if filepath.IsAbs(name) {
		_, err := os.Stat(name)
		return name, err
	}
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
	}
	return path, nil
}

// Command makes a command of one of Tools, which it ensures first: there is no other way to run one. As with
// exec.Command, it is the command's run that fails if the tool is not there.
func Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	path, err := ensured(ctx, program)
	c := exec.CommandContext(ctx, path, args...)
	c.Args[0], c.Err = program, err
	return c
}

// ensured returns the path of a tool, installed if need be.
func ensured(ctx context.Context, program string) (string, error) {
	if !slices.ContainsFunc(Tools, func(t Tool) bool { return t.Name == program }) {
		return "", errors.New("not one of image.Tools")
	}
	if path, err := FindTool(program); err == nil {
		return path, nil
	}
	if err := EnsureTools(ctx, os.Stderr); err != nil {
		return "", err
	}
	return FindTool(program)
}

// quietly runs a command; what it says matters only where it fails.
func quietly(c *exec.Cmd) error {
	_, err := output(c)
	return err
}

// output runs a command and returns its standard output; where it fails, the error has the end of that and of what else
// it said.
func output(c *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		said := bytes.TrimSpace(append(stdout.Bytes(), stderr.Bytes()...))
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, said[max(0, len(said)-2000):])
	}
	return stdout.Bytes(), nil
}
