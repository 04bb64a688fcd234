// SPDX-License-Identifier: MIT

// Package image prepares what the emulated boards boot from: Debian's arm64 kernel with the modules a board needs, a
// simulated GPIO chip built beside them, and an initial file system with BusyBox.
//
// Everything is kept in a cache outside the source tree ($REFLEXD_LAB_CACHE, else $XDG_CACHE_HOME/reflexd-lab,
// else ~/.cache/reflexd-lab), so that only the first run needs the network. The cache has two layers: packages as
// they were fetched, with their versions, and images made of them, under a key of those versions and of the recipe.
package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An Image is ready to boot. Its files must not be changed.
type Image struct {
	Kernel   string              `json:"kernel"`   // the release, as uname -r prints it
	Packages []Package           `json:"packages"` // what it was made of
	Modules  map[string][]string `json:"modules"`  // a board's modules, as paths in the guest, in the order of loading

	cache string
	dir   string
}

// Vmlinuz is the path of the kernel.
func (i *Image) Vmlinuz() string { return filepath.Join(i.dir, "vmlinuz") }

// Initramfs is the path of the initial file system: an archive to which another can be appended.
func (i *Image) Initramfs() string { return filepath.Join(i.dir, "initramfs.cpio") }

// DeviceTree is the path of the Raspberry Pi 3B's device tree. Without names the lines of the SoC's own chip are
// nameless, which leaves GPIO2 and the others free for a simulated chip to bear.
func (i *Image) DeviceTree(names bool) string {
	if names {
		return filepath.Join(i.dir, "pi3-names.dtb")
	}
	return filepath.Join(i.dir, "pi3.dtb")
}

// Dir is where the image's files are.
func (i *Image) Dir() string { return i.dir }

// headers is the folder that kernel modules are built against.
func (i *Image) headers() string {
	return filepath.Join(i.dir, "usr/src/linux-headers-"+i.Kernel)
}

// Bindings is the folder of the headers by whose names device trees call lines: include/dt-bindings of the kernel.
func (i *Image) Bindings() string {
	common := strings.TrimSuffix(i.Kernel, "arm64") + "common"
	return filepath.Join(i.dir, "usr/src/linux-headers-"+common, "include/dt-bindings")
}

// Cache returns the folder that holds what was fetched and built.
func Cache() (string, error) {
	if dir := os.Getenv("REFLEXD_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the lab's cache: %w", err)
	}
	return filepath.Join(dir, "reflexd-lab"), nil
}

// Options change what Prepare does.
type Options struct {
	Log     io.Writer // what is being done, a line a step; nil is silence
	Refresh bool      // ask for newer packages even where the cache has all that is needed
}

// Prepare returns the image, made from the cache or from the network. When it is in the cache, that takes no time to
// speak of. Several processes may call it at once: one works, the others wait.
func Prepare(ctx context.Context, o Options) (*Image, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	if image, err := load(cache); err == nil && !o.Refresh {
		return image, nil
	}
	unlock, err := Lock(ctx, cache, o.Log)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return prepare(ctx, cache, o)
}

// prepare does the work of Prepare, with the lock held.
func prepare(ctx context.Context, cache string, o Options) (*Image, error) {
	if err := EnsureTools(ctx, o.Log); err != nil {
		return nil, err
	}
	if image, err := load(cache); err == nil && !o.Refresh {
		return image, nil
	}
	packages, err := loadIndex(cache)
	if err != nil || o.Refresh {
		if packages, err = fetch(ctx, cache, o.Log); err != nil {
			return nil, err
		}
	}
	if image, err := load(cache); err == nil {
		return image, nil
	}
	if err := build(ctx, cache, packages, o.Log); err != nil {
		return nil, err
	}
	prune(cache)
	return load(cache)
}

// load finds the finished image for the packages in the cache.
func load(cache string) (*Image, error) {
	packages, err := loadIndex(cache)
	if err != nil {
		return nil, err
	}
	image := &Image{cache: cache, dir: imageDir(cache, packages)}
	text, err := os.ReadFile(filepath.Join(image.dir, stampFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, image); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(image.dir, stampFile), err)
	}
	now := time.Now()
	_ = os.Chtimes(image.dir, now, now) // only shows prune that it is in use
	return image, nil
}

// stampFile describes an image, and is written last.
const stampFile = "image.json"

// imageDir is where the image made of the given packages belongs.
func imageDir(cache string, packages []Package) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(packages)
	_ = json.NewEncoder(h).Encode(recipe)
	return filepath.Join(cache, "images", hex.EncodeToString(h.Sum(nil)[:8]))
}

// pruneAfter is how long an image is kept that nobody uses.
const pruneAfter = 7 * 24 * time.Hour

// prune removes what nobody has used for long, and what killed runs left behind. Failing to is no failure.
func prune(cache string) {
	entries, _ := filepath.Glob(filepath.Join(cache, "images", "*"))
	for _, entry := range entries {
		info, err := os.Stat(entry)
		if err == nil && time.Since(info.ModTime()) > pruneAfter {
			_ = os.RemoveAll(entry)
		}
	}
}

// writeJSON writes a file at once or not at all.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// fresh makes an empty folder, whatever was there before.
func fresh(dir string) error {
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}
