// SPDX-License-Identifier: MIT

// Formatting: which tool makes which file system in a file, and how.

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"reflexd/lab/image"
)

// format makes the file system in a file that has its size already.
func (v Volume) format(ctx context.Context, path string) error {
	tree, err := v.tree()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	switch v.Type {
	case "":
		return nil
	case "vfat":
		return v.formatFAT(ctx, path, tree)
	case "iso9660", "squashfs":
		return v.pack(ctx, path, tree)
	}
	args := v.formatter(tree)
	if args == nil {
		return fmt.Errorf("format %s: unknown file system %q", path, v.Type)
	}
	return runTool(ctx, args[0], append(args[1:], path)...)
}

// formatter is the command that makes the file system, all but the path at its end.
func (v Volume) formatter(tree string) []string {
	labelled := func(flag string, command ...string) []string { return append(command, options(flag, v.Label)...) }
	switch v.Type {
	case "exfat":
		return append(labelled("-L", "mkfs.exfat"), options("-U", hexadecimal(v.ID))...)
	case "ext2", "ext4":
		args := append(labelled("-L", "mkfs."+v.Type), options("-U", v.ID)...)
		return append(args, "-q", "-F", "-E", "root_owner=0:0", "-d", tree)
	case "btrfs":
		return labelled("-L", "mkfs.btrfs", "-q", "--mixed", "-m", "single", "-d", "single", "--rootdir", tree)
	case "f2fs":
		return labelled("-l", "mkfs.f2fs", "-q")
	case "xfs": // the tool supports 300 MB and more; the kernel does not mind less
		return labelled("-L", "mkfs.xfs", "-q", "--unsupported")
	case "ntfs":
		return labelled("-L", "mkfs.ntfs", "-q", "-F", "-f", "-p", "0", "-H", "0", "-S", "0")
	case "udf":
		return labelled("--label", "mkudffs", "--blocksize=512")
	}
	return nil
}

// pack makes a file system that is written once, as large as its files are, and lets zeroes follow.
func (v Volume) pack(ctx context.Context, path, tree string) error {
	args := []string{"mksquashfs", tree, path, "-noappend", "-quiet", "-no-progress"}
	if v.Type == "iso9660" {
		args = append([]string{"genisoimage", "-quiet", "-J", "-R", "-o", path}, append(options("-V", v.Label), tree)...)
	}
	if err := runTool(ctx, args[0], args[1:]...); err != nil {
		return err
	}
	return os.Truncate(path, v.size())
}

func (v Volume) formatFAT(ctx context.Context, path, tree string) error {
	if err := runTool(ctx, "mkfs.vfat", append(options("-n", v.Label, "-i", v.ID), path)...); err != nil {
		return err
	}
	entries, err := filepath.Glob(filepath.Join(tree, "*"))
	if err != nil || len(entries) == 0 {
		return err
	}
	return runTool(ctx, "mcopy", append(append([]string{"-s", "-i", path}, entries...), "::/")...)
}

// options takes flags and values in turn, and drops a flag whose value is empty.
func options(pairs ...string) []string {
	var args []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			args = append(args, pairs[i], pairs[i+1])
		}
	}
	return args
}

// hexadecimal marks a number as such, unless there is none.
func hexadecimal(digits string) string {
	if digits == "" {
		return ""
	}
	return "0x" + digits
}

func runTool(ctx context.Context, program string, args ...string) error {
	c := image.Command(ctx, program, args...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, bytes.TrimSpace(said))
	}
	return nil
}
