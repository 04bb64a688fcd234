// SPDX-License-Identifier: MIT

// Bundles: programs of Debian's for the guest, with what belongs to them and the libraries that they need, each bundle
// in an archive of its own for the boards that ask for it.

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

// A Bundle is what boards may have of Debian's programs.
type Bundle struct {
	name string
	// packages have all that the programs need. Libraries that none of them asks for are left out.
	packages []string
	paths    []string // what the guest gets
}

// Udev is Debian's udevd with its rules. The database of all makers and models is not among it: a system compiles that
// when it installs udev.
var Udev = Bundle{"udev", []string{
	"udev", "libc6", "libudev1", "libkmod2", "libblkid1", "libacl1", "libcap2", "libselinux1", "libpcre2-8-0", "libzstd1", "liblzma5", "libssl3",
}, []string{
	"bin/udevadm", "lib/systemd/systemd-udevd", "lib/systemd/network",
	"lib/udev/rules.d", "lib/udev/ata_id", "lib/udev/cdrom_id", "lib/udev/scsi_id",
}}

// Peers are other programs that react to what happens: the tools of libgpiod for scripts, and triggerhappy for keys.
var Peers = Bundle{"peers", []string{
	"gpiod", "triggerhappy", "libgpiod2", "libc6", "libsystemd0", "libcap2", "libgcrypt20", "libgpg-error0", "liblzma5", "libzstd1", "liblz4-1",
}, []string{"usr/bin/gpiomon", "usr/bin/gpioset", "usr/sbin/thd"}}

// bundlePart says what is in the folder of a bundle. It is written last.
type bundlePart struct {
	Packages []Package `json:"packages"` // what it is from
	Paths    []string  `json:"paths"`    // of theirs
}

func (b Bundle) file(dir string) string { return filepath.Join(dir, b.name+".json") }

// isIn reports whether the folder has all that is wanted today.
func (b Bundle) isIn(dir string) bool {
	var have bundlePart
	text, err := os.ReadFile(b.file(dir))
	return err == nil && json.Unmarshal(text, &have) == nil && len(have.Packages) == len(b.packages) && slices.Equal(have.Paths, b.paths)
}

// Prepare returns the archive with the bundle, to be laid behind the image's own. It comes from the cache or from the
// network, as with Prepare.
func (b Bundle) Prepare(ctx context.Context, o Options) (string, error) {
	dir, err := o.part(ctx, b.name, b.isIn, b.fetch)
	return b.archive(dir), err
}

func (b Bundle) archive(dir string) string { return filepath.Join(dir, b.name+".cpio") }

// fetch gets the packages and packs what the guest needs of them; the packages are not kept.
func (b Bundle) fetch(ctx context.Context, cache, dir string, log io.Writer) error {
	apt, err := newApt(ctx, filepath.Join(cache, "apt"), "arm64")
	if err != nil {
		return err
	}
	defer os.RemoveAll(apt.dir)
	fmt.Fprintf(log, "fetching Debian's %s for arm64\n", b.name)
	if err := quietly(apt.command(ctx, "apt-get", "-q", "update")); err != nil {
		return err
	}
	var names []string
	for _, name := range b.packages {
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
	if err := b.pack(root, b.archive(dir)); err != nil {
		return err
	}
	return writeJSON(b.file(dir), bundlePart{packages, b.paths})
}

// pack writes the archive.
func (b Bundle) pack(root, archive string) error {
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
	for _, path := range b.paths {
		if err := p.pick(path); err != nil {
			return err
		}
	}
	return errors.Join(p.w.Close(), buffered.Flush(), f.Close())
}
