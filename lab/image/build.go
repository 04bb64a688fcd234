// SPDX-License-Identifier: MIT

// Building an image from fetched packages: unpack, compile simulated devices, find each board's modules, write the initial file
// system. It happens in a folder beside, which takes the image's name when all is done.

package image

import (
	"bufio"
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
	"sync"

	"reflexd/lab/cpio"
)

// A builder holds the folders of one build.
type builder struct {
	log      io.Writer
	packages []Package
	debs     string // where the packages are
	root     string // where they are unpacked
	sim      string // the source of simulated devices
	out      string // the image to be
	kernel   string // the kernel's release
}

// build makes the image for packages and puts it in its place.
func build(ctx context.Context, cache string, packages []Package, log io.Writer) error {
	work := filepath.Join(cache, "build")
	defer os.RemoveAll(work)
	b := &builder{
		log: log, packages: packages, debs: debsDir(cache),
		root: filepath.Join(work, "root"), sim: filepath.Join(work, "sim"), out: filepath.Join(work, "image"),
	}
	for _, dir := range []string{work, b.root, b.sim, b.out} {
		if err := fresh(dir); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{b.unpack, b.addSim, b.collect} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	final := imageDir(cache, packages)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return err
	}
	return os.Rename(b.out, final)
}

// unpack takes the packages apart, the kernel's source beside the others since it takes the longest.
func (b *builder) unpack(ctx context.Context) error {
	fmt.Fprintln(b.log, "unpacking")
	source, err := b.deb("linux-source-")
	if err != nil {
		return err
	}
	err = together(
		func() error { return extractSim(ctx, source, b.sim) },
		func() error { return b.unpackBinaries(ctx) },
	)
	if err != nil {
		return err
	}
	return b.relocateHeaders()
}

func (b *builder) unpackBinaries(ctx context.Context) error {
	for _, p := range b.packages {
		if strings.HasPrefix(p.Name, "linux-source-") {
			continue
		}
		if release, ok := strings.CutPrefix(p.Name, "linux-image-"); ok {
			b.kernel = release
		}
		if err := quietly(exec.CommandContext(ctx, "dpkg-deb", "-x", filepath.Join(b.debs, p.File), b.root)); err != nil {
			return err
		}
	}
	if b.kernel == "" {
		return errors.New("no kernel among the packages")
	}
	return nil
}

// together runs functions beside each other and returns when all have.
func together(functions ...func() error) error {
	errs := make([]error, len(functions))
	var all sync.WaitGroup
	for i, f := range functions {
		all.Go(func() { errs[i] = f() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// deb returns the path of the package whose name begins with prefix.
func (b *builder) deb(prefix string) (string, error) {
	for _, p := range b.packages {
		if strings.HasPrefix(p.Name, prefix) {
			return filepath.Join(b.debs, p.File), nil
		}
	}
	return "", fmt.Errorf("no package %s… in the cache", prefix)
}

// relocateHeaders makes the headers find each other wherever they lie; the package takes /usr/src for granted.
func (b *builder) relocateHeaders() error {
	makefile := filepath.Join(b.root, "usr/src/linux-headers-"+b.kernel, "Makefile")
	text, err := os.ReadFile(makefile)
	if err != nil {
		return err
	}
	here := []byte("include $(dir $(lastword $(MAKEFILE_LIST)))../")
	return os.WriteFile(makefile, bytes.ReplaceAll(text, []byte("include /usr/src/"), here), 0o644)
}

// modules is the folder of the kernel's modules below a root.
func (b *builder) modules(root string) string {
	return filepath.Join(root, "lib/modules", b.kernel)
}

// addSim compiles the simulated devices and lays them beside the kernel's own modules.
func (b *builder) addSim(ctx context.Context) error {
	fmt.Fprintf(b.log, "compiling %s for %s\n", strings.Join(simModules, ", "), b.kernel)
	headers := filepath.Join(b.root, "usr/src/linux-headers-"+b.kernel)
	if err := compileModules(ctx, headers, b.sim, simModules...); err != nil {
		return err
	}
	extra := filepath.Join(b.modules(b.root), "extra")
	if err := os.MkdirAll(extra, 0o755); err != nil {
		return err
	}
	for _, name := range simModules {
		if err := os.Rename(filepath.Join(b.sim, name+".ko"), filepath.Join(extra, name+".ko")); err != nil {
			return err
		}
	}
	return nil
}

// collect puts together what the image keeps.
func (b *builder) collect(ctx context.Context) error {
	fmt.Fprintln(b.log, "writing the initial file system")
	load, available, err := b.resolve(ctx)
	if err != nil {
		return err
	}
	if err := b.writeInitramfs(ctx, available); err != nil {
		return err
	}
	moves := map[string]string{
		"boot/vmlinuz-" + b.kernel:           "vmlinuz",
		"usr/src":                            "usr/src",
		"usr/lib/linux-kbuild-" + b.series(): "usr/lib/linux-kbuild-" + b.series(),
		"usr/lib/linux-image-" + b.kernel + "/broadcom/bcm2837-rpi-3-b.dtb": "pi3-names.dtb",
	}
	for from, to := range moves {
		if err := move(filepath.Join(b.root, from), filepath.Join(b.out, to)); err != nil {
			return err
		}
	}
	if err := b.writeDeviceTrees(ctx); err != nil {
		return err
	}
	return writeJSON(filepath.Join(b.out, stampFile), &Image{Kernel: b.kernel, Packages: b.packages, Modules: load})
}

// series is the kernel's version as Debian names its build tools: 6.1.
func (b *builder) series() string {
	return strings.Join(strings.SplitN(b.kernel, ".", 3)[:2], ".")
}

func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// resolve finds the modules of each board in the order of loading, and all modules that any of them may want.
func (b *builder) resolve(ctx context.Context) (load map[string][]string, all []string, err error) {
	if err := quietly(Command(ctx, "depmod", "-b", b.root, b.kernel)); err != nil {
		return nil, nil, err
	}
	load = map[string][]string{}
	for board, names := range recipe.Load {
		if load[board], err = b.dependencies(ctx, names); err != nil {
			return nil, nil, err
		}
		all = append(all, load[board]...)
	}
	available, err := b.dependencies(ctx, recipe.Available)
	if err != nil {
		return nil, nil, err
	}
	all = append(all, available...)
	slices.Sort(all)
	return load, slices.Compact(all), nil
}

// dependencies returns the named modules, each after those it needs, as paths from the root; what is built into the
// kernel drops out.
func (b *builder) dependencies(ctx context.Context, names []string) ([]string, error) {
	var paths []string
	for _, name := range names {
		shown, err := output(Command(ctx, "modprobe", "-C", "/dev/null", "-d", b.root, "-S", b.kernel, "--show-depends", name))
		if err != nil {
			return nil, err
		}
		for _, path := range insmodPaths(shown) {
			path = strings.TrimPrefix(path, b.root)
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}

// insmodPaths reads what modprobe --show-depends prints: "insmod PATH PARAMETERS" or "builtin NAME" a line.
func insmodPaths(shown []byte) []string {
	var paths []string
	lines := bufio.NewScanner(bytes.NewReader(shown))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) >= 2 && words[0] == "insmod" {
			paths = append(paths, words[1])
		}
	}
	return paths
}

// writeInitramfs writes the initial file system: BusyBox, modules with the index that modprobe goes by, and the
// few files that programs expect. Process 1 comes with each boot.
func (b *builder) writeInitramfs(ctx context.Context, modules []string) error {
	f, err := os.Create(filepath.Join(b.out, "initramfs.cpio"))
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriter(f)
	w := cpio.NewWriter(buffered)
	for dir, perm := range folders {
		w.Dir(dir, perm)
	}
	w.Device("dev/console", 0o600, 5, 1)
	w.Device("dev/null", 0o666, 1, 3)
	for name, text := range recipe.Files {
		w.File(name, 0o644, []byte(text))
	}
	if err := b.copyFile(w, "bin/busybox", 0o755); err != nil {
		return err
	}
	w.Symlink("bin/sh", "busybox")
	if err := b.copyModules(ctx, w, modules); err != nil {
		return err
	}
	return errors.Join(w.Close(), buffered.Flush(), f.Close())
}

// copyFile copies a file below the root into the archive, under the same name.
func (b *builder) copyFile(w *cpio.Writer, name string, perm uint32) error {
	data, err := os.ReadFile(filepath.Join(b.root, name))
	if err != nil {
		return err
	}
	w.File(name, perm, data)
	return nil
}

// copyModules moves the chosen modules into a tree of their own, has it indexed, and copies it into the archive.
func (b *builder) copyModules(ctx context.Context, w *cpio.Writer, modules []string) error {
	chosen := &builder{root: filepath.Join(filepath.Dir(b.root), "chosen"), kernel: b.kernel}
	for _, path := range append(slices.Clone(modules), b.builtinLists()...) {
		if err := move(filepath.Join(b.root, path), filepath.Join(chosen.root, path)); err != nil {
			return err
		}
	}
	if err := quietly(Command(ctx, "depmod", "-b", chosen.root, b.kernel)); err != nil {
		return err
	}
	indexes := []string{"modules.dep", "modules.alias", "modules.symbols"}
	for _, index := range indexes {
		modules = append(modules, filepath.Join("lib/modules", b.kernel, index))
	}
	for _, path := range append(modules, b.builtinLists()...) {
		if err := chosen.copyFile(w, path, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// builtinLists names the files that say what needs no module.
func (b *builder) builtinLists() []string {
	dir := filepath.Join("lib/modules", b.kernel)
	return []string{filepath.Join(dir, "modules.builtin"), filepath.Join(dir, "modules.order")}
}
