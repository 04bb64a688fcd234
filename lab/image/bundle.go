// SPDX-License-Identifier: MIT

// Debian's udevd for the guest: its programs, rules and the libraries that they need, in an archive of their own for
// the boards that ask for it.

package image

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"reflexd/lab/cpio"
)

// udevPackages have all that udevd needs. Libraries that none of its programs asks for are left out.
var udevPackages = []string{
	"udev", "libc6", "libudev1", "libkmod2", "libblkid1", "libacl1", "libcap2", "libselinux1", "libpcre2-8-0", "libzstd1", "liblzma5", "libssl3",
}

// udevPaths are what the guest gets. The database of all makers and models is not among it: a system compiles that when
// it installs udev.
var udevPaths = []string{
	"bin/udevadm", "lib/systemd/systemd-udevd", "lib/systemd/network",
	"lib/udev/rules.d", "lib/udev/ata_id", "lib/udev/cdrom_id", "lib/udev/scsi_id",
}

// udevPart says what is in the folder of udev. It is written last.
type udevPart struct {
	Packages []Package `json:"packages"` // what it is from
	Paths    []string  `json:"paths"`    // of theirs
}

func udevFile(dir string) string { return filepath.Join(dir, "udev.json") }

// haveUdev reports whether the folder has all that is wanted today.
func haveUdev(dir string) bool {
	var have udevPart
	text, err := os.ReadFile(udevFile(dir))
	return err == nil && json.Unmarshal(text, &have) == nil && len(have.Packages) == len(udevPackages) && slices.Equal(have.Paths, udevPaths)
}

// PrepareUdev returns the archive with udevd, to be laid behind the image's own. It comes from the cache or from the
// network, as with Prepare.
func PrepareUdev(ctx context.Context, o Options) (string, error) {
	dir, err := o.part(ctx, "udev", haveUdev, fetchUdev)
	return udevArchive(dir), err
}

func udevArchive(dir string) string { return filepath.Join(dir, "udev.cpio") }

// fetchUdev gets the packages and packs what the guest needs of them; the packages are not kept.
func fetchUdev(ctx context.Context, cache, dir string, log io.Writer) error {
	apt, err := newApt(ctx, filepath.Join(cache, "apt"), "arm64")
	if err != nil {
		return err
	}
	defer os.RemoveAll(apt.dir)
	fmt.Fprintln(log, "fetching Debian's udev for arm64")
	if err := quietly(apt.command(ctx, "apt-get", "-q", "update")); err != nil {
		return err
	}
	var names []string
	for _, name := range udevPackages {
		names = append(names, name+":arm64")
	}
	packages, err := apt.download(ctx, names)
	if err != nil {
		return err
	}
	root := filepath.Join(apt.dir, "root")
	for _, p := range packages {
		if err := quietly(exec.CommandContext(ctx, "dpkg-deb", "-x", filepath.Join(apt.debs(), p.File), root)); err != nil {
			return err
		}
	}
	if err := fresh(dir); err != nil {
		return err
	}
	if err := packUdev(root, udevArchive(dir)); err != nil {
		return err
	}
	return writeJSON(udevFile(dir), udevPart{packages, udevPaths})
}

// packUdev writes the archive.
func packUdev(root, archive string) error {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriter(f)
	p := picker{
		root: root, libraries: []string{"lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"},
		w: cpio.NewWriter(buffered), picked: map[string]bool{},
	}
	for _, path := range udevPaths {
		if err := p.pick(path); err != nil {
			return err
		}
	}
	return errors.Join(p.w.Close(), buffered.Flush(), f.Close())
}
