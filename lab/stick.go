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
	"path/filepath"
	"slices"
)

// A Volume is a file system to be made.
type Volume struct {
	Type  string // vfat, exfat, ext2, ext4, btrfs, f2fs, xfs, ntfs, udf, iso9660 or squashfs; "" leaves zeroes
	Label string
	ID    string            // vfat and exfat: eight hexadecimal digits; ext2 and ext4: a UUID; "" is random
	Size  int64             // in bytes; 0 is 32 MiB, and for f2fs, which wants more, 64 MiB
	Files map[string][]byte // by their path in it; only vfat, ext2, ext4, btrfs, iso9660 and squashfs can be filled unmounted
}

const (
	defaultVolume = 32 << 20
	leastF2FS     = 64 << 20
	sector        = 512
	firstVolume   = 1 << 20 // where the first partition begins, as on bought sticks
	partitionAt   = 446     // of the first of four entries in the boot record
	partitionSize = 16
)

// partitionType is the one that the boot record gives for a file system.
func partitionType(fileSystem string) byte {
	switch fileSystem {
	case "vfat":
		return 0x0c
	case "exfat", "ntfs", "udf":
		return 0x07
	}
	return 0x83
}

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
		entry[4] = partitionType(v.Type)
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
	switch {
	case v.Size == 0 && v.Type == "f2fs":
		return leastF2FS
	case v.Size == 0:
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

// tree lays the volume's files out in a temporary folder.
func (v Volume) tree() (string, error) {
	if len(v.Files) > 0 && slices.Contains([]string{"exfat", "f2fs", "ntfs", "udf", "xfs"}, v.Type) {
		return "", fmt.Errorf("no tool fills a volume of %s unmounted", v.Type)
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
