// SPDX-License-Identifier: MIT

// Images of USB sticks, made by the tools that format real ones, without root and without loop devices.

package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"reflexd/lab/image"
)

// A Volume is a file system to be made.
type Volume struct {
	Type  string // vfat, exfat or ext4; "" leaves zeroes
	Label string
	ID    string            // vfat and exfat: eight hexadecimal digits; ext4: a UUID; "" is random
	Size  int64             // in bytes; 0 is 32 MiB
	Files map[string][]byte // by their path in it; not for exfat, which no tool fills unmounted
}

const (
	defaultVolume = 32 << 20
	sector        = 512
	firstVolume   = 1 << 20 // where the first partition begins, as on bought sticks
	partitionAt   = 446     // of the first of four entries in the boot record
	partitionSize = 16
)

// partitionTypes are those that the boot record gives for a file system.
var partitionTypes = map[string]byte{"vfat": 0x0c, "exfat": 0x07, "ext4": 0x83, "": 0x83}

// StickImage makes the image of a stick: a boot record with up to four partitions.
func StickImage(ctx context.Context, path string, volumes ...Volume) error {
	if len(volumes) > 4 {
		return fmt.Errorf("make stick %s: %d partitions are more than a boot record can hold", path, len(volumes))
	}
	record := make([]byte, sector)
	copy(record[440:], "flex") // the disk's signature, from which partitions take their PARTUUID
	record[510], record[511] = 0x55, 0xaa
	at := int64(firstVolume)
	for i, v := range volumes {
		entry := record[partitionAt+i*partitionSize:]
		entry[4] = partitionTypes[v.Type]
		binary.LittleEndian.PutUint32(entry[8:], uint32(at/sector))
		binary.LittleEndian.PutUint32(entry[12:], uint32(v.size()/sector))
		at += v.size()
	}
	if err := os.WriteFile(path, record, 0o644); err != nil {
		return fmt.Errorf("make stick: %w", err)
	}
	at = firstVolume
	for _, v := range volumes {
		if err := v.place(ctx, path, at); err != nil {
			return fmt.Errorf("make stick %s: %w", path, err)
		}
		at += v.size()
	}
	return os.Truncate(path, at)
}

// VolumeImage makes the image of a stick without partitions: the file system is all there is.
func VolumeImage(ctx context.Context, path string, v Volume) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make stick: %w", err)
	}
	if err := errors.Join(f.Truncate(v.size()), f.Close()); err != nil {
		return fmt.Errorf("make stick %s: %w", path, err)
	}
	return v.format(ctx, path)
}

func (v Volume) size() int64 {
	if v.Size == 0 {
		return defaultVolume
	}
	return v.Size / sector * sector
}

// place makes the volume in a file beside the stick's image and copies it there: not every tool can format a part
// of a file.
func (v Volume) place(ctx context.Context, stick string, at int64) error {
	part := stick + ".part"
	defer os.Remove(part)
	if err := VolumeImage(ctx, part, v); err != nil {
		return err
	}
	from, err := os.Open(part)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(stick, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(copySparsely(to, at, from), to.Close())
}

// copySparsely copies all but zeroes.
func copySparsely(to io.WriterAt, at int64, from io.Reader) error {
	block, zeroes := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(from, block)
		if !bytes.Equal(block[:n], zeroes[:n]) {
			if _, err := to.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

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
	case "exfat":
		return runTool(ctx, "mkfs.exfat", append(options("-L", v.Label, "-U", hexadecimal(v.ID)), path)...)
	case "ext4":
		args := append(options("-L", v.Label, "-U", v.ID), "-q", "-F", "-E", "root_owner=0:0", "-d", tree, path)
		return runTool(ctx, "mkfs.ext4", args...)
	}
	return fmt.Errorf("format %s: unknown file system %q", path, v.Type)
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

// tree lays the volume's files out in a temporary folder.
func (v Volume) tree() (string, error) {
	if v.Type == "exfat" && len(v.Files) > 0 {
		return "", errors.New("exfat volumes cannot be filled")
	}
	tree, err := os.MkdirTemp("", "reflexd-volume-")
	if err != nil {
		return "", err
	}
	for name, data := range v.Files {
		path := filepath.Join(tree, filepath.FromSlash(filepath.Join("/", name)))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return tree, err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return tree, err
		}
	}
	return tree, nil
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
	path, err := image.LookTool(program)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, path, args...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, bytes.TrimSpace(said))
	}
	return nil
}
