// SPDX-License-Identifier: MIT

// Kernel modules of our own, built against the image's kernel.

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Module builds the kernel module name from the C files in dir, and returns the path of the result, which the cache
// keeps until a source or the kernel changes. NAME.c is enough; a Kbuild file in dir is heeded. Nothing is
// written into dir.
func (i *Image) Module(ctx context.Context, name, dir string) (string, error) {
	sources, err := moduleSources(name, dir)
	if err != nil {
		return "", fmt.Errorf("build module %s: %w", name, err)
	}
	kept := filepath.Join(i.cache, "modules", moduleKey(i, sources), name+".ko")
	if _, err := os.Stat(kept); err == nil {
		return kept, nil
	}
	work, err := os.MkdirTemp(i.cache, "module-")
	if err != nil {
		return "", fmt.Errorf("build module %s: %w", name, err)
	}
	defer os.RemoveAll(work)
	for file, text := range sources {
		if err := os.WriteFile(filepath.Join(work, file), text, 0o644); err != nil {
			return "", fmt.Errorf("build module %s: %w", name, err)
		}
	}
	if err := compileModules(ctx, i.headers(), work, name); err != nil {
		return "", err
	}
	return kept, keepModule(filepath.Join(work, name+".ko"), kept)
}

// moduleSources reads what a module is made of, with a Kbuild file in any case.
func moduleSources(name, dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sources := map[string][]byte{}
	for _, entry := range entries {
		if !slices.Contains([]string{".c", ".h", ".S"}, filepath.Ext(entry.Name())) && entry.Name() != "Kbuild" {
			continue
		}
		if sources[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	if sources["Kbuild"] == nil {
		if sources[name+".c"] == nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name+".c"), fs.ErrNotExist)
		}
		sources["Kbuild"] = fmt.Appendf(nil, "obj-m := %s.o\n", name)
	}
	return sources, nil
}

// moduleKey names a module's place in the cache by all that goes into it.
func moduleKey(i *Image, sources map[string][]byte) string {
	var names []string
	for name := range sources {
		names = append(names, name)
	}
	slices.Sort(names)
	h := sha256.New()
	fmt.Fprintln(h, filepath.Base(i.dir))
	for _, name := range names {
		fmt.Fprintf(h, "%s %d\n%s", name, len(sources[name]), sources[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// keepModule moves a module into the cache; another process may have been faster with the same.
func keepModule(built, kept string) error {
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	if err := os.Rename(built, kept); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// crossPrefix is what the names of the cross compiler's programs begin with.
const crossPrefix = "aarch64-linux-gnu-"

// compileModules runs the kernel's build in dir and takes the debugger's part out of the named results.
func compileModules(ctx context.Context, headers, dir string, names ...string) error {
	c := Command(ctx, "make", "-C", headers, "M="+dir, "ARCH=arm64", "CROSS_COMPILE="+crossPrefix, "modules")
	c.Env = withoutMake(os.Environ())
	if err := quietly(c); err != nil {
		return fmt.Errorf("build %s: %w", strings.Join(names, ", "), err)
	}
	strip := []string{"--strip-debug"}
	for _, name := range names {
		strip = append(strip, filepath.Join(dir, name+".ko"))
	}
	return quietly(Command(ctx, crossPrefix+"strip", strip...))
}

// withoutMake drops what an outer make passes to its children: the kernel's build must not take its options for ours.
func withoutMake(environment []string) []string {
	return slices.DeleteFunc(slices.Clone(environment), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
}
