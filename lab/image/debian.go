// SPDX-License-Identifier: MIT

// A small Debian with systemd and a working dpkg, for tests of what is installed. No program of it runs while it is
// made, so it may be of another architecture.

package image

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// debianPackages are what is wanted; apt adds what these depend on.
var debianPackages = strings.Fields(`base-files base-passwd bash coreutils dash dbus debianutils diffutils dpkg findutils grep
	gzip hostname init-system-helpers kmod libc-bin login mawk mount passwd perl-base procps sed systemd systemd-sysv tar
	usr-is-merged util-linux`)

// Supervisors are the packages of supervisors that tests add.
var Supervisors = []string{"runit", "s6"}

// debianFiles are what maintainer scripts would make.
var debianFiles = map[string]string{
	"etc/fstab":                "",
	"etc/hostname":             "debian\n",
	"etc/machine-id":           "00000000000000000000000000000001\n",
	"etc/nsswitch.conf":        "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
	"var/lib/dpkg/info/format": "1\n",
}

// debianUsers are the groups and users that services of the packages need, which their scripts would make.
const debianUsers = "messagebus:x:101:101::/nonexistent:/usr/sbin/nologin\n"
const debianGroups = "messagebus:x:101:\nsystemd-journal:x:102:\ninput:x:103:\nkvm:x:104:\nrender:x:105:\nsgx:x:106:\ngpio:x:107:\n"

// debianLinks are links of a Debian with a merged /usr, and some that scripts make.
var debianLinks = map[string]string{
	"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
	"var/run": "/run", "etc/mtab": "/proc/self/mounts", "usr/bin/awk": "mawk",
}

// PrepareDebian returns a tar archive of the root of a Debian for an architecture, by Debian's name of it, with more
// packages if some are named. It comes from the cache or from the network, as with Prepare; making it needs root.
func PrepareDebian(ctx context.Context, o Options, arch string, more ...string) (string, error) {
	wanted := append(slices.Clip(debianPackages), more...)
	have := func(dir string) bool {
		var packages []string
		text, err := os.ReadFile(filepath.Join(dir, "debian.json"))
		return err == nil && json.Unmarshal(text, &packages) == nil && slices.Equal(packages, wanted)
	}
	dir, err := o.part(ctx, strings.Join(append([]string{"debian", arch}, more...), "-"), have, func(ctx context.Context, cache, dir string, log io.Writer) error {
		return fetchDebian(ctx, cache, dir, arch, wanted, log)
	})
	return filepath.Join(dir, "root.tar"), err
}

func fetchDebian(ctx context.Context, cache, dir, arch string, wanted []string, log io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can make files of other users")
	}
	apt, err := newApt(ctx, filepath.Join(cache, "apt"), arch)
	if err != nil {
		return err
	}
	defer os.RemoveAll(apt.dir)
	fmt.Fprintln(log, "fetching a Debian for "+arch)
	native := []string{"-q", "-y", "-o", "APT::Architecture=" + arch}
	if err := quietly(apt.command(ctx, "apt-get", append(native, "update")...)); err != nil {
		return err
	}
	install := append(native, "--download-only", "--no-install-recommends", "install")
	if err := quietly(apt.command(ctx, "apt-get", append(install, wanted...)...)); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(apt.dir, "cache/archives/*.deb"))
	if err != nil {
		return err
	}
	if err := fresh(dir); err != nil {
		return err
	}
	root := filepath.Join(apt.dir, "root")
	if err := makeDebian(ctx, root, arch, debs); err != nil {
		return err
	}
	if err := quietly(exec.CommandContext(ctx, "tar", "-C", root, "--numeric-owner", "-cf", filepath.Join(dir, "root.tar"), ".")); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "debian.json"), wanted)
}

// makeDebian unpacks packages into root and makes dpkg believe that it did that.
func makeDebian(ctx context.Context, root, arch string, debs []string) error {
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for link, to := range debianLinks {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	var status bytes.Buffer
	for _, deb := range debs {
		if err := unpackDeb(ctx, root, deb); err != nil {
			return err
		}
		if err := recordDeb(ctx, root, arch, deb, &status); err != nil {
			return fmt.Errorf("record %s: %w", filepath.Base(deb), err)
		}
	}
	for name, text := range debianFiles {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, more := range map[string]string{"passwd": debianUsers, "group": debianGroups} {
		master, err := os.ReadFile(filepath.Join(root, "usr/share/base-passwd", name+".master"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, "etc", name), append(master, more...), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), status.Bytes(), 0o644)
}

// unpackDeb unpacks a package, without what people read.
func unpackDeb(ctx context.Context, root, deb string) error {
	from := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	to := exec.CommandContext(ctx, "tar", "-C", root, "-x", "--keep-directory-symlink",
		"--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*", "--exclude=./usr/share/locale/*")
	pipe, err := from.StdoutPipe()
	if err != nil {
		return err
	}
	to.Stdin = pipe
	if err := from.Start(); err != nil {
		return err
	}
	return errors.Join(quietly(to), from.Wait())
}

// recordDeb writes what dpkg would have written of a package that it installed.
func recordDeb(ctx context.Context, root, arch, deb string, status *bytes.Buffer) error {
	control, err := os.MkdirTemp("", "control-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(control)
	if err := quietly(exec.CommandContext(ctx, "dpkg-deb", "--control", deb, control)); err != nil {
		return err
	}
	fields, err := os.ReadFile(filepath.Join(control, "control"))
	if err != nil {
		return err
	}
	first, rest, _ := strings.Cut(string(fields), "\n")
	name := strings.TrimPrefix(first, "Package: ")
	if strings.Contains(rest, "\nMulti-Arch: same\n") {
		name += ":" + arch
	}
	list, err := output(exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb))
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "tar", "-t")
	c.Stdin = bytes.NewReader(list)
	if list, err = output(c); err != nil {
		return err
	}
	info := filepath.Join(root, "var/lib/dpkg/info", name+".")
	paths := strings.ReplaceAll(strings.ReplaceAll("\n"+string(list), "/\n", "\n"), "\n./", "\n/")
	paths = strings.Replace(paths, "\n.\n", "\n/.\n", 1)
	if err := os.WriteFile(info+"list", []byte(strings.TrimPrefix(paths, "\n")), 0o644); err != nil {
		return err
	}
	entries, err := os.ReadDir(control)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "control" {
			if err := move(filepath.Join(control, e.Name()), info+e.Name()); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(status, "%s\nStatus: install ok installed\n%s%s\n", first, rest, conffiles(root, info+"conffiles"))
	return nil
}

// conffiles returns the field with the checksums of a package's configuration files.
func conffiles(root, list string) string {
	names, err := os.ReadFile(list)
	if err != nil {
		return ""
	}
	field := "Conffiles:\n"
	for name := range strings.FieldsSeq(string(names)) {
		if data, err := os.ReadFile(filepath.Join(root, name)); err == nil {
			field += fmt.Sprintf(" %s %x\n", name, md5.Sum(data))
		}
	}
	return field
}
