// SPDX-License-Identifier: MIT

// Fetching packages: by the machine's own apt, sources and keys, but with a state of its own, so that neither the
// machine's list of architectures nor its package lists change.

package image

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A Package is a Debian package in the cache.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
	File    string `json:"file"` // its name in the cache's folder of packages
}

// metaPackage depends on the current kernel's package.
const metaPackage = "linux-image-arm64"

func debsDir(cache string) string   { return filepath.Join(cache, "packages") }
func indexFile(cache string) string { return filepath.Join(debsDir(cache), "index.json") }

// loadIndex reads what fetch wrote.
func loadIndex(cache string) ([]Package, error) {
	text, err := os.ReadFile(indexFile(cache))
	if err != nil {
		return nil, err
	}
	var packages []Package
	if err := json.Unmarshal(text, &packages); err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile(cache), err)
	}
	return packages, nil
}

// fetch gets the newest packages. They are put in place, and the index written, only when all are complete.
func fetch(ctx context.Context, cache string, log io.Writer) ([]Package, error) {
	apt, err := newApt(ctx, filepath.Join(cache, "apt"), "arm64")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(apt.dir)
	fmt.Fprintln(log, "reading Debian's package lists for arm64")
	if err := quietly(apt.command(ctx, "apt-get", "-q", "update")); err != nil {
		return nil, err
	}
	names, err := apt.packagesOf(ctx, metaPackage)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "fetching %s\n", strings.Join(names, " "))
	packages, err := apt.download(ctx, names)
	if err != nil {
		return nil, err
	}
	return packages, install(cache, apt.debs(), packages)
}

// install moves fetched packages into the cache and removes those they replace.
func install(cache, from string, packages []Package) error {
	if err := fresh(debsDir(cache)); err != nil {
		return err
	}
	for _, p := range packages {
		if err := os.Rename(filepath.Join(from, p.File), filepath.Join(debsDir(cache), p.File)); err != nil {
			return err
		}
	}
	return writeJSON(indexFile(cache), packages)
}

// apt runs apt's programs with a state of their own in dir.
type apt struct {
	dir     string
	arch    string   // the host's
	foreign []string // those whose packages are wanted
}

func newApt(ctx context.Context, dir string, foreign ...string) (*apt, error) {
	arch, err := output(exec.CommandContext(ctx, "dpkg", "--print-architecture"))
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir, arch: string(bytes.TrimSpace(arch)), foreign: foreign}
	if err := fresh(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "debs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	files := map[string]string{"status": "", "apt.conf": a.conf()}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// conf is read after the machine's own settings. The hooks are cleared because some of them, in containers, remove
// everything from the machine's archive, which another apt may be installing from.
func (a *apt) conf() string {
	return fmt.Sprintf(`Dir::State %[1]q;
Dir::State::lists %[2]q;
Dir::State::status %[3]q;
Dir::Cache %[4]q;
#clear APT::Architectures;
APT::Architecture %[5]q;
APT::Architectures { %[5]q; %[6]s };
#clear APT::Update;
#clear DPkg::Post-Invoke;
APT::Sandbox::User "root";
Acquire::Languages "none";
`, a.dir, filepath.Join(a.dir, "lists"), filepath.Join(a.dir, "status"), filepath.Join(a.dir, "cache"), a.arch, strings.Join(a.foreign, "; ")+";")
}

func (a *apt) debs() string { return filepath.Join(a.dir, "debs") }

func (a *apt) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, append([]string{"-c", filepath.Join(a.dir, "apt.conf")}, args...)...)
	c.Dir = a.debs()
	return c
}

// packagesOf follows the meta package to the kernel's and names all that belongs to it.
func (a *apt) packagesOf(ctx context.Context, meta string) ([]string, error) {
	stanza, err := output(a.command(ctx, "apt-cache", "show", "--no-all-versions", meta+":arm64"))
	if err != nil {
		return nil, err
	}
	release, err := kernelRelease(stanza)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", meta, err)
	}
	return packageNames(release, a.arch)
}

// kernelRelease finds, in what apt-cache shows of a meta package, which kernel it stands for.
func kernelRelease(stanza []byte) (string, error) {
	lines := bufio.NewScanner(bytes.NewReader(stanza))
	for lines.Scan() {
		depends, ok := strings.CutPrefix(lines.Text(), "Depends:")
		if !ok {
			continue
		}
		for one := range strings.SplitSeq(depends, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(one), " ")
			if release, ok := strings.CutPrefix(name, "linux-image-"); ok {
				return release, nil
			}
		}
	}
	return "", errors.New("depends on no linux-image package")
}

// releaseForm is what Debian 12 calls its kernels: 6.1.0-37-arm64.
var releaseForm = regexp.MustCompile(`^(\d+\.\d+)\.\d+-\d+-arm64$`)

// packageNames returns the packages that an image with the given kernel is made of, as apt takes them.
func packageNames(release, hostArch string) ([]string, error) {
	parts := releaseForm.FindStringSubmatch(release)
	if parts == nil {
		return nil, fmt.Errorf("kernel %s: not named as Debian 12 names its kernels", release)
	}
	series, common := parts[1], strings.TrimSuffix(release, "arm64")+"common"
	return []string{
		"linux-image-" + release + ":arm64",
		"linux-headers-" + release + ":arm64",
		"linux-headers-" + common,
		"linux-kbuild-" + series + ":" + hostArch,
		"linux-source-" + series,
		"busybox-static:arm64",
	}, nil
}

// download fetches packages and reads their names and versions off the files.
func (a *apt) download(ctx context.Context, names []string) ([]Package, error) {
	if err := quietly(a.command(ctx, "apt-get", append([]string{"-q", "download"}, names...)...)); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(a.debs(), "*.deb"))
	if err != nil {
		return nil, err
	}
	var packages []Package
	for _, file := range files {
		p, err := parseFileName(filepath.Base(file))
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	if len(packages) != len(names) {
		return nil, fmt.Errorf("fetch packages: %d asked for, %d came", len(names), len(packages))
	}
	return packages, nil
}

// parseFileName takes NAME_VERSION_ARCH.deb apart; a colon in the version is written %3a.
func parseFileName(file string) (Package, error) {
	parts := strings.Split(strings.TrimSuffix(file, ".deb"), "_")
	if len(parts) != 3 || !strings.HasSuffix(file, ".deb") {
		return Package{}, fmt.Errorf("package file %s: not named NAME_VERSION_ARCH.deb", file)
	}
	version, err := url.PathUnescape(parts[1])
	if err != nil {
		return Package{}, fmt.Errorf("package file %s: %w", file, err)
	}
	return Package{Name: parts[0], Version: version, Arch: parts[2], File: file}, nil
}
