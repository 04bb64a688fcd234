// SPDX-License-Identifier: MIT

// Simulated devices: Debian's kernels come without the drivers below, so they are taken out of the kernel's own source
// and built beside it. gpio-sim and the interrupt simulator that it needs become one module.

package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// simModules are the modules: GPIO chips, an I²C bus with chips that only keep their registers, and batteries.
var simModules = []string{"gpio-sim", "i2c-stub", "test_power"}

// simSources are the files of the kernel's source that make up the modules.
var simSources = []string{
	"drivers/gpio/gpio-sim.c", "drivers/gpio/gpiolib.h", "drivers/i2c/i2c-stub.c", "drivers/power/supply/test_power.c",
	"kernel/irq/irq_sim.c",
}

// simKbuild builds them. gpio-sim.c has a module's own name, which only the result may bear.
var simKbuild = "obj-m := " + strings.Join(simModules, ".o ") + ".o\ngpio-sim-y := chip.o irq_sim.o\n"

// A patch replaces a text in a source file. One that is not required may find nothing to replace.
type patch struct {
	File, Old, New string
	Required       bool
	Why            string
}

var simPatches = []patch{{
	File: "irq_sim.c", Old: "handle_simple_irq(irq_to_desc(irqnum));",
	New:      "handle_simple_irq(irq_data_to_desc(irq_get_irq_data(irqnum)));",
	Required: true, Why: "irq_to_desc is not exported to modules",
}, {
	File: "irq_sim.c", Old: "work_ctx->irq_count, offset);", New: "work_ctx->irq_count, 0);",
	Required: true, Why: "a bit set behind the search, on another CPU, would never be found, and the loop never end",
}, {
	File: "gpio-sim.c", Old: "devm_irq_domain_create_sim(dev, swnode, num_lines)",
	New:      "irq_domain_create_sim(NULL, num_lines)",
	Required: true, Why: "a chip that goes while a line's edges are watched would free an interrupt that is still requested",
}, {
	File: "gpio-sim.c", Old: "devm_add_action_or_reset(dev, gpio_sim_dispose_mappings, chip)",
	New:      "((void)gpio_sim_dispose_mappings, 0)",
	Required: true, Why: "the same; what leaks instead is gone with the guest",
}, {
	File: "irq_sim.c", Old: `MODULE_LICENSE("GPL");`, Why: "gpio-sim.c has the module's licence already",
}, {
	File: "irq_sim.c", Old: `MODULE_LICENSE("GPL v2");`, Why: "gpio-sim.c has the module's licence already",
}}

// extractSim takes the sources out of the package of the kernel's source and patches them.
func extractSim(ctx context.Context, deb, dir string) error {
	if err := readSources(ctx, deb, func(name string, text []byte) error {
		return os.WriteFile(filepath.Join(dir, name), text, 0o644)
	}); err != nil {
		return fmt.Errorf("extract the source of simulated devices: %w", err)
	}
	for _, p := range simPatches {
		if err := p.apply(dir); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(dir, "gpio-sim.c"), filepath.Join(dir, "chip.c")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Kbuild"), []byte(simKbuild), 0o644)
}

func (p patch) apply(dir string) error {
	file := filepath.Join(dir, p.File)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	patched := strings.Replace(string(text), p.Old, p.New, 1)
	if p.Required && patched == string(text) {
		return fmt.Errorf("patch %s: %q is not in it", p.File, p.Old)
	}
	return os.WriteFile(file, []byte(patched), 0o644)
}

// readSources hands over simSources, each by its base name. The package holds a tar within a tar, gigabytes of it:
// it is read as a stream, and no further than needed.
func readSources(ctx context.Context, deb string, each func(name string, text []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	unpack := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	return piped(unpack, cancel, func(outer io.Reader) error {
		inner, err := findSourceTar(outer)
		if err != nil {
			return err
		}
		xz := Command(ctx, "xz", "-dc", "-T0")
		xz.Stdin = inner
		return piped(xz, cancel, func(r io.Reader) error { return pickSources(r, each) })
	})
}

// piped starts c, lets read have its output, and then stops it: that c did not end well then means nothing.
func piped(c *exec.Cmd, cancel func(), read func(io.Reader) error) error {
	defer cancel()
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	err = read(out)
	cancel()
	if waitErr := c.Wait(); err != nil {
		return fmt.Errorf("%s: %w (%v)", c.Args[0], err, waitErr)
	}
	return nil
}

// findSourceTar moves on to the compressed source in the package's own archive.
func findSourceTar(outer io.Reader) (io.Reader, error) {
	archive := tar.NewReader(outer)
	for {
		h, err := archive.Next()
		if err != nil {
			return nil, fmt.Errorf("find the source archive: %w", err)
		}
		if strings.HasSuffix(h.Name, ".tar.xz") {
			return archive, nil
		}
	}
}

// pickSources reads the source archive until it has seen all simSources.
func pickSources(r io.Reader, each func(name string, text []byte) error) error {
	wanted := map[string]bool{}
	for _, name := range simSources {
		wanted[name] = true
	}
	archive := tar.NewReader(r)
	for len(wanted) > 0 {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("not in the archive: %v", wanted)
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(h.Name, "/")
		if !wanted[name] {
			continue
		}
		delete(wanted, name)
		text, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if err := each(path.Base(name), text); err != nil {
			return err
		}
	}
	return nil
}
