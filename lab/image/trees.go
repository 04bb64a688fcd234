// SPDX-License-Identifier: MIT

// The device trees of real boards, out of Debian's kernels for arm64 and armhf. The newest kernels know the most
// boards, so that the release's backports are asked too; where they have none, its own kernel will do.

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// treesMeta are the packages that depend on the current kernel, by architecture.
var treesMeta = map[string]string{"arm64": "linux-image-arm64", "armhf": "linux-image-armmp"}

// treePatterns are the names of the trees that are kept: of the boards that have tables, and of their like. All trees
// would be ten times as many.
var treePatterns = []string{
	"bcm27*-rpi-*.dtb", "bcm283*-rpi-*.dtb", "rk3*.dtb", "sun*-orangepi*.dtb", "sun*-nanopi*.dtb", "sun*-bananapi*.dtb", "sun*-pine*.dtb",
	"meson*-odroid*.dtb", "meson*-nanopi*.dtb", "meson*-bananapi*.dtb", "meson*-radxa*.dtb", "meson*-libretech-cc.dtb",
	"am335x-bone*.dtb", "am335x-pocketbeagle.dtb", "k3-*beagle*.dtb", "tegra*-jetson*.dtb", "tegra*-p3*.dtb",
}

// trees says what is in the folder of trees. It is written last.
type trees struct {
	Packages []Package `json:"packages"` // what they are from
	Patterns []string  `json:"patterns"` // which of theirs
}

func treesFile(dir string) string { return filepath.Join(dir, "trees.json") }

// haveTrees reports whether the folder has all that is wanted today.
func haveTrees(dir string) bool {
	var have trees
	text, err := os.ReadFile(treesFile(dir))
	return err == nil && json.Unmarshal(text, &have) == nil && slices.Equal(have.Patterns, treePatterns)
}

// PrepareTrees returns the folder of the trees: a folder for each architecture, in it the trees under the names that
// the kernel's source has for them. They come from the cache or from the network, as with Prepare.
func PrepareTrees(ctx context.Context, o Options) (string, error) {
	return o.part(ctx, "trees", haveTrees, fetchTrees)
}

// fetchTrees gets the packages and takes the trees out of them; the packages are not kept.
func fetchTrees(ctx context.Context, cache, dir string, log io.Writer) error {
	apt, err := newApt(ctx, filepath.Join(cache, "apt"), "arm64", "armhf")
	if err != nil {
		return err
	}
	defer os.RemoveAll(apt.dir)
	fmt.Fprintln(log, "reading Debian's package lists for arm64 and armhf, with those of the backports")
	apt.update(ctx, log)
	if err := apt.addBackports(ctx); err != nil {
		return err
	}
	apt.update(ctx, log)
	var names []string
	for arch, meta := range treesMeta {
		release, err := apt.newestKernel(ctx, meta+":"+arch)
		if err != nil {
			return err
		}
		names = append(names, "linux-image-"+release+":"+arch)
	}
	fmt.Fprintf(log, "fetching %s for their device trees\n", strings.Join(names, " "))
	packages, err := apt.download(ctx, names)
	if err != nil {
		return err
	}
	return apt.takeTrees(ctx, packages, dir)
}

// update reads the package lists. What cannot be read is only reported: one list with a kernel in it is enough.
func (a *apt) update(ctx context.Context, log io.Writer) {
	if err := quietly(a.command(ctx, "apt-get", "-q", "update")); err != nil {
		fmt.Fprintf(log, "not all lists could be read: %v\n", err)
	}
}

// addBackports adds the backports of the machine's release to apt's sources, from where its own packages come; apt
// says where that is once it has read their lists.
func (a *apt) addBackports(ctx context.Context) error {
	format := "$(RELEASE) $(REPO_URI)"
	targets, err := output(a.command(ctx, "apt-get", "indextargets", "--format", format, "Created-By: Packages", "Component: main"))
	if err != nil {
		return err
	}
	parts := filepath.Join(a.dir, "sources.list.d")
	if err := os.Mkdir(parts, 0o755); err != nil {
		return err
	}
	machine, err := filepath.Glob("/etc/apt/sources.list.d/*")
	if err != nil {
		return err
	}
	for _, file := range machine {
		if err := os.Symlink(file, filepath.Join(parts, filepath.Base(file))); err != nil {
			return err
		}
	}
	conf := fmt.Sprintf("%sDir::Etc::sourceparts %q;\n", a.conf(), parts)
	return errors.Join(
		os.WriteFile(filepath.Join(a.dir, "apt.conf"), []byte(conf), 0o644),
		os.WriteFile(filepath.Join(parts, "backports.list"), []byte(backportsOf(targets)), 0o644),
	)
}

// backportsOf makes an entry of sources.list for the backports of the release that comes first among apt's targets,
// which are lines of a suite and where it is. A release that already has them gets none.
func backportsOf(targets []byte) string {
	suite, uri, _ := strings.Cut(strings.SplitN(string(targets), "\n", 2)[0], " ")
	backports := suite + "-backports"
	if uri == "" || bytes.Contains(targets, []byte(backports+" ")) {
		return ""
	}
	return fmt.Sprintf("deb [arch=arm64,armhf] %s %s main\n", uri, backports)
}

// newestKernel follows a meta package to the newest kernel that apt knows, whatever its priority.
func (a *apt) newestKernel(ctx context.Context, meta string) (string, error) {
	stanzas, err := output(a.command(ctx, "apt-cache", "show", meta))
	if err != nil {
		return "", err
	}
	release, err := kernelRelease(stanzas)
	if err != nil {
		return "", fmt.Errorf("%s: %w", meta, err)
	}
	return release, nil
}

// takeTrees fills dir with the trees in the packages.
func (a *apt) takeTrees(ctx context.Context, packages []Package, dir string) error {
	if err := fresh(dir); err != nil {
		return err
	}
	for _, p := range packages {
		to := filepath.Join(dir, p.Arch)
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		if err := pickTrees(ctx, filepath.Join(a.debs(), p.File), to); err != nil {
			return err
		}
	}
	return writeJSON(treesFile(dir), trees{packages, treePatterns})
}

// pickTrees writes the trees in a kernel's package into dir.
func pickTrees(ctx context.Context, deb, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	unpack := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	return piped(unpack, cancel, func(r io.Reader) error {
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			name := path.Base(h.Name)
			if h.Typeflag != tar.TypeReg || !wantedTree(name) {
				continue
			}
			tree, err := io.ReadAll(archive)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name), tree, 0o644); err != nil {
				return err
			}
		}
	})
}

func wantedTree(name string) bool {
	for _, pattern := range treePatterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}
