// SPDX-License-Identifier: MIT

// What a board boots from beside the image: process 1, freshly built, its setup, and the files of the configuration,
// in archives behind the image's own.

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"reflexd/lab/cpio"
	"reflexd/lab/image"
	"reflexd/lab/wire"
)

// assemble returns the whole initial file system as a file in memory, which is gone when nobody has it open.
func assemble(ctx context.Context, c Config, i *image.Image) (*os.File, error) {
	f, err := memoryFile("initramfs")
	if err != nil {
		return nil, err
	}
	err = writeBase(ctx, f, c, i)
	if err == nil {
		_, err = writeAdditions(ctx, f, c)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("assemble the initial file system: %w", err)
	}
	return f, nil
}

func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// writeBase writes what is the same for all boards of a kind: the image's archive and one with process 1.
func writeBase(ctx context.Context, to io.Writer, c Config, i *image.Image) error {
	if _, err := copyFile(to, i.Initramfs()); err != nil {
		return err
	}
	asked := wire.Setup{Port: c.Machine.port, Modules: i.Modules[c.Machine.name]}
	if c.Root != "" {
		asked.Root = rootDevice
	}
	setup, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	init, err := guestProgram(ctx)
	if err != nil {
		return err
	}
	w := cpio.NewWriter(to)
	w.File("init", 0o755, init)
	w.File(wire.SetupPath, 0o644, setup)
	return w.Close()
}

// writeAdditions writes what this board has of its own, one archive behind the other, and returns their sizes.
func writeAdditions(ctx context.Context, to io.Writer, c Config) (sizes []int, err error) {
	for _, bundle := range []struct {
		wanted bool
		image.Bundle
	}{{c.Udev, image.Udev}, {c.Peers, image.Peers}} {
		if !bundle.wanted {
			continue
		}
		archive, err := bundle.Prepare(ctx, image.Options{Log: c.Log})
		if err != nil {
			return nil, err
		}
		size, err := copyFile(to, archive)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, int(size))
	}
	var files bytes.Buffer
	w := cpio.NewWriter(&files)
	for path, file := range c.Files {
		data, perm, err := file.load()
		if err != nil {
			return nil, err
		}
		w.File(path, perm, data)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	_, err = to.Write(files.Bytes())
	return append(sizes, files.Len()), err
}

func copyFile(to io.Writer, path string) (int64, error) {
	from, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	return io.Copy(to, from)
}

// load returns what the file holds and its permissions.
func (f File) load() ([]byte, uint32, error) {
	data, perm := f.Data, uint32(0o644)
	if f.Path != "" {
		info, err := os.Stat(f.Path)
		if err != nil {
			return nil, 0, err
		}
		perm = uint32(info.Mode().Perm())
		if data, err = os.ReadFile(f.Path); err != nil {
			return nil, 0, err
		}
	}
	if f.Perm != 0 {
		perm = f.Perm
	}
	return data, perm, nil
}

// guestProgram builds the guest's process 1 and returns it. The go tool knows by itself when that is nothing to do.
func guestProgram(ctx context.Context) ([]byte, error) {
	cache, err := image.Cache()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cache, "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "init")
	if err := Build(ctx, "arm64", "reflexd/lab/guest", program); err != nil {
		return nil, err
	}
	return os.ReadFile(program)
}

// Build builds a package of this module for the guest, statically. Arch is arm64, armv7 or armv6: the
// guest's kernel runs them all.
func Build(ctx context.Context, arch, pkg, output string) error {
	return compile(ctx, arch, pkg, "build", "-trimpath", "-ldflags=-s -w", "-o", output, pkg)
}

// BuildTests is Build for the tests of a package: those that this machine has
// no devices for, the guest can run.
func BuildTests(ctx context.Context, arch, pkg, output string) error {
	return compile(ctx, arch, pkg, "test", "-c", "-tags=lab", "-trimpath", "-ldflags=-s -w", "-o", output, pkg)
}

// compile runs the Go command for the guest.
func compile(ctx context.Context, arch, pkg string, args ...string) error {
	goarch, ok := map[string][]string{
		"arm64": {"GOARCH=arm64"},
		"armv7": {"GOARCH=arm", "GOARM=7"},
		"armv6": {"GOARCH=arm", "GOARM=6"},
	}[arch]
	if !ok {
		return fmt.Errorf("build %s: no board of architecture %q", pkg, arch)
	}
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = moduleDir()
	c.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=-buildvcs=false"), goarch...)
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", pkg, arch, err, bytes.TrimSpace(said))
	}
	return nil
}

// moduleDir is a folder inside this module: that of this file where it is known and there, else the current one.
func moduleDir() string {
	_, file, _, ok := runtime.Caller(0)
	if dir := filepath.Dir(file); ok && filepath.IsAbs(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			return dir
		}
	}
	return "."
}

// Driver builds the kernel module name from the C files in dir, for Config.Files.
func Driver(ctx context.Context, name, dir string) (File, error) {
	prepared, err := image.Prepare(ctx, image.Options{})
	if err != nil {
		return File{}, err
	}
	module, err := prepared.Module(ctx, name, dir)
	return File{Path: module}, err
}
