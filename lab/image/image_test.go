// SPDX-License-Identifier: MIT

package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKernelRelease(t *testing.T) {
	const stanza = `Package: linux-image-arm64
Version: 6.1.153-1
Provides: linux-image-generic
Depends: linux-base (>= 4.3), linux-image-6.1.0-40-arm64 (= 6.1.153-1)
Description: Linux for 64-bit ARMv8 machines (meta-package)
`
	release, err := kernelRelease([]byte(stanza))
	if err != nil || release != "6.1.0-40-arm64" {
		t.Errorf("release %q, error %v", release, err)
	}
	if _, err := kernelRelease([]byte("Package: x\nDepends: libc6\n")); err == nil {
		t.Error("a package that depends on no kernel: no error")
	}
}

func TestPackageNames(t *testing.T) {
	names, err := packageNames("6.1.0-40-arm64", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"linux-image-6.1.0-40-arm64:arm64", "linux-headers-6.1.0-40-common", "linux-kbuild-6.1:amd64", "linux-source-6.1",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
	for _, release := range []string{"", "6.1", "6.1.0-40-amd64", "../6.1.0-40-arm64", "6.1.0-40-arm64; rm"} {
		if names, err := packageNames(release, "amd64"); err == nil {
			t.Errorf("release %q: %q, want an error", release, names)
		}
	}
}

func TestParseFileName(t *testing.T) {
	p, err := parseFileName("busybox-static_1%3a1.35.0-4+deb12u1_arm64.deb")
	want := Package{"busybox-static", "1:1.35.0-4+deb12u1", "arm64", "busybox-static_1%3a1.35.0-4+deb12u1_arm64.deb"}
	if err != nil || p != want {
		t.Errorf("got %+v, error %v", p, err)
	}
	for _, file := range []string{"", "a.deb", "a_1_arm64", "a_1_b_c.deb", "a_%zz_arm64.deb"} {
		if _, err := parseFileName(file); err == nil {
			t.Errorf("file %q: no error", file)
		}
	}
}

func TestInsmodPaths(t *testing.T) {
	const shown = "builtin led_class\ninsmod /r/lib/modules/6/a.ko \ninsmod /r/lib/modules/6/b.ko parameter=1\n\n"
	want := []string{"/r/lib/modules/6/a.ko", "/r/lib/modules/6/b.ko"}
	if paths := insmodPaths([]byte(shown)); !slices.Equal(paths, want) {
		t.Errorf("paths %q", paths)
	}
}

func TestMissingPackages(t *testing.T) {
	have := func(name string) bool { return !strings.HasPrefix(name, "m") && name != "/usr/include/stdlib.h" }
	want := []string{"libc6-dev", "make", "mandoc", "mtools", "e2fsprogs", "btrfs-progs", "exfatprogs", "f2fs-tools", "ntfs-3g",
		"dosfstools", "xfsprogs", "squashfs-tools", "udftools", "kmod", "mosquitto"}
	if missing := missingPackages(have); !slices.Equal(missing, want) {
		t.Errorf("missing %q, want %q", missing, want)
	}
}

func TestPatch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.c")
	if err := os.WriteFile(file, []byte("int a = 1;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (patch{File: "a.c", Old: "1", New: "2", Required: true}).apply(dir); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "int a = 2;\n" {
		t.Errorf("patched: %q", text)
	}
	if err := (patch{File: "a.c", Old: "7"}).apply(dir); err != nil {
		t.Errorf("an optional patch that does not apply: %v", err)
	}
	if err := (patch{File: "a.c", Old: "7", Required: true}).apply(dir); err == nil {
		t.Error("a required patch that does not apply: no error")
	}
}

func TestPickSources(t *testing.T) {
	archive := func(names ...string) *bytes.Buffer {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, name := range names {
			_ = w.WriteHeader(&tar.Header{Name: "linux-source-6.1/" + name, Size: 1, Mode: 0o644})
			_, _ = w.Write([]byte("x"))
		}
		w.Close()
		return &b
	}
	var found []string
	note := func(name string, _ []byte) error {
		found = append(found, name)
		return nil
	}
	if err := pickSources(archive(append(simSources, "other.c")...), note); err != nil {
		t.Error(err)
	}
	if want := []string{"gpio-sim.c", "gpiolib.h", "i2c-stub.c", "test_power.c", "irq_sim.c"}; !slices.Equal(found, want) {
		t.Errorf("found %q", found)
	}
	err := pickSources(archive(simSources[:2]...), note)
	if err == nil || !strings.Contains(err.Error(), simSources[2]) {
		t.Errorf("with a file missing: %v", err)
	}
}

func TestModuleSources(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"driver.c": "c", "driver.h": "h", "README.md": "r"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := moduleSources("driver", dir)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(sources))
	if !slices.Equal(names, []string{"Kbuild", "driver.c", "driver.h"}) || string(sources["Kbuild"]) != "obj-m := driver.o\n" {
		t.Errorf("sources %q", sources)
	}
	if _, err := moduleSources("other", dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a module without a source: %v", err)
	}
	key := moduleKey(&Image{}, sources)
	sources["driver.h"] = []byte("changed")
	if moduleKey(&Image{}, sources) == key {
		t.Error("a changed header left the key as it was")
	}
}

func TestCacheFollowsTheEnvironment(t *testing.T) {
	t.Setenv("REFLEXD_LAB_CACHE", "/some/where")
	if dir, err := Cache(); err != nil || dir != "/some/where" {
		t.Errorf("cache %q, error %v", dir, err)
	}
	t.Setenv("REFLEXD_LAB_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/else/where")
	if dir, err := Cache(); err != nil || dir != "/else/where/reflexd-lab" {
		t.Errorf("cache %q, error %v", dir, err)
	}
}

// A run that was killed leaves packages, but no stamp: that is no image.
func TestHalfDoneIsNotLoaded(t *testing.T) {
	cache := t.TempDir()
	packages := []Package{{Name: "a", Version: "1", Arch: "all", File: "a_1_all.deb"}}
	if err := os.MkdirAll(debsDir(cache), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(indexFile(cache), packages); err != nil {
		t.Fatal(err)
	}
	dir := imageDir(cache, packages)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := load(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an image without a stamp: %v", err)
	}
	if err := writeJSON(filepath.Join(dir, stampFile), &Image{Kernel: "6.1"}); err != nil {
		t.Fatal(err)
	}
	if i, err := load(cache); err != nil || i.Kernel != "6.1" {
		t.Errorf("image %+v, error %v", i, err)
	}
}

func TestLockExcludes(t *testing.T) {
	cache := t.TempDir()
	unlock, err := Lock(t.Context(), cache, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan string, 1)
	locked := make(chan error, 1)
	go func() {
		again, err := Lock(t.Context(), cache, notice(waiting))
		if err == nil {
			again()
		}
		locked <- err
	}()
	<-waiting
	select {
	case err := <-locked:
		t.Fatalf("the lock was given twice: %v", err)
	default:
	}
	unlock()
	if err := <-locked; err != nil {
		t.Error(err)
	}
}

// notice is a log that hands its lines on.
type notice chan string

func (n notice) Write(line []byte) (int, error) {
	n <- string(line)
	return len(line), nil
}
