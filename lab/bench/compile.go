// SPDX-License-Identifier: MIT

// Building the C programs, for the board and for the host.

package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"reflexd/lab/image"
)

//go:embed programs
var sources embed.FS

// A compiler makes programs for one machine.
type compiler string

var (
	boardCompiler compiler = "aarch64-linux-gnu-gcc"
	hostCompiler  compiler = "gcc"
)

// programFlags are for each program beside -O2 -static -s. Stamp is as small as can be, for what is measured is the way
// to it.
var programFlags = map[string][]string{
	"loop":      nil,
	"measure":   nil,
	"interface": nil,
	"pulses":    nil,
	"stamp": {
		"-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
		"-Wl,--build-id=none", "-Wl,-z,max-page-size=4096",
	},
}

// compile builds all C programs into dir.
func (c compiler) compile(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, flags := range programFlags {
		source, err := sources.ReadFile("programs/" + name + ".c")
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name+".c")
		if err := os.WriteFile(file, source, 0o644); err != nil {
			return err
		}
		args := append([]string{"-O2", "-static", "-s", "-Wall", "-Wextra", "-o", filepath.Join(dir, name), file}, flags...)
		if said, err := image.Command(ctx, string(c), args...).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s with %s: %w\n%s", name, c, err, said)
		}
	}
	return nil
}
