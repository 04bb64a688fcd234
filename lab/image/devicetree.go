// SPDX-License-Identifier: MIT

// The Raspberry Pi's device tree, changed where the emulator or a test needs it otherwise.

package image

import (
	"context"
	"os"
	"path/filepath"
)

// Nodes of the Raspberry Pi 3B's device tree.
const (
	bluetoothNode = "/soc/serial@7e201000/bluetooth"
	gpioNode      = "/soc/gpio@7e200000"
)

// writeDeviceTrees changes pi3-names.dtb in place and makes pi3.dtb of it. The tree gives the first serial port to
// the Bluetooth chip, which keeps it from being a console.
func (b *builder) writeDeviceTrees(ctx context.Context) error {
	names, nameless := filepath.Join(b.out, "pi3-names.dtb"), filepath.Join(b.out, "pi3.dtb")
	if err := quietly(Command(ctx, "fdtput", "-t", "s", names, bluetoothNode, "status", "disabled")); err != nil {
		return err
	}
	tree, err := os.ReadFile(names)
	if err != nil {
		return err
	}
	if err := os.WriteFile(nameless, tree, 0o644); err != nil {
		return err
	}
	return quietly(Command(ctx, "fdtput", "-d", nameless, gpioNode, "gpio-line-names"))
}
