// SPDX-License-Identifier: MIT

// What a hand does to a board: plugging, unplugging, pressing keys.

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"reflexd/lab/wire"
)

// PlugKeyboard plugs in a USB keyboard, which the guest sees a moment later: AwaitInput says when.
func (b *Board) PlugKeyboard(ctx context.Context, id string) error {
	return b.plug(ctx, id, arguments{"driver": "usb-kbd"})
}

// PlugMouse plugs in a USB mouse with a wheel.
func (b *Board) PlugMouse(ctx context.Context, id string) error {
	return b.plug(ctx, id, arguments{"driver": "usb-mouse"})
}

// PlugStick plugs in a USB stick with the given image as its content, which the guest can change.
func (b *Board) PlugStick(ctx context.Context, id, image string) error {
	return b.plugStick(ctx, id, image, false)
}

// PlugLockedStick plugs in a USB stick whose switch says that nothing is to be written to it.
func (b *Board) PlugLockedStick(ctx context.Context, id, image string) error {
	return b.plugStick(ctx, id, image, true)
}

// PlugSerial plugs in a USB adapter for a serial line, and returns the far end of the line. What the guest opens is
// /dev/ttyUSB0 once ftdi_sio is loaded.
func (b *Board) PlugSerial(ctx context.Context, id string) (net.Conn, error) {
	dir, err := os.MkdirTemp("", "serial-")
	if err != nil {
		return nil, fmt.Errorf("plug %s: %w", id, err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "line")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("plug %s: %w", id, err)
	}
	defer listener.Close()
	far := filepath.Base(dir) // which outlives the adapter
	address := arguments{"type": "unix", "data": arguments{"path": socket}}
	err = b.execute(ctx, "chardev-add", arguments{"id": far, "backend": arguments{
		"type": "socket", "data": arguments{"addr": address, "server": false},
	}})
	if err != nil {
		return nil, fmt.Errorf("plug %s: %w", id, err)
	}
	line, err := listener.Accept()
	if err != nil {
		return nil, fmt.Errorf("plug %s: %w", id, err)
	}
	return line, b.plug(ctx, id, arguments{"driver": "usb-serial", "chardev": far})
}

func (b *Board) plugStick(ctx context.Context, id, image string, locked bool) error {
	err := b.execute(ctx, "blockdev-add", arguments{
		"driver": "raw", "node-name": id, "read-only": locked, "file": arguments{"driver": "file", "filename": image},
	})
	if err != nil {
		return fmt.Errorf("plug %s: %w", id, err)
	}
	b.sticks.Store(id, true)
	return b.plug(ctx, id, arguments{"driver": "usb-storage", "drive": id, "serial": id, "removable": true})
}

func (b *Board) plug(ctx context.Context, id string, device arguments) error {
	device["id"] = id
	if err := b.execute(ctx, "device_add", device); err != nil {
		return fmt.Errorf("plug %s: %w", id, err)
	}
	return nil
}

// Unplug pulls out what was plugged in with this id, without a word to the guest.
func (b *Board) Unplug(ctx context.Context, id string) error {
	remove := b.qmp.remove
	if b.machine.dwc2 != 0 {
		remove = b.removeBetweenTransfers
	}
	if err := remove(ctx, id); err != nil {
		return fmt.Errorf("unplug %s: %w", id, b.explain(err))
	}
	if _, stick := b.sticks.LoadAndDelete(id); !stick {
		return nil
	}
	if err := b.execute(ctx, "blockdev-del", arguments{"node-name": id}); err != nil {
		return fmt.Errorf("unplug %s: %w", id, err)
	}
	return nil
}

// Key presses or releases a key, at once. Keys have QEMU's names: "volumeup", "ret", "a". Where several keyboards
// are plugged in, the first of them is meant.
func (b *Board) Key(ctx context.Context, qcode string, down bool) error {
	return b.send(ctx, inputEvent("key", arguments{
		"down": down, "key": qkey(qcode),
	}))
}

// keyHold is how long a typed key is down, and the pause after it. A USB keyboard's memory of events not yet fetched
// is short, and what does not fit is lost.
const keyHold = 50 * time.Millisecond

// Type presses and releases keys, one after the other. It does not wait for them: QEMU goes on typing, by the guest's
// clock. QEMU's keyboard has letters, digits, modifiers, "volumeup", "volumedown" and "audiomute" among its keys,
// but none of a player's.
func (b *Board) Type(ctx context.Context, qcodes ...string) error {
	for _, qcode := range qcodes {
		err := b.execute(ctx, "send-key", arguments{
			"keys": []arguments{qkey(qcode)}, "hold-time": keyHold.Milliseconds(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func qkey(qcode string) arguments { return arguments{"type": "qcode", "data": qcode} }

// Click presses and releases a mouse button: "left", "middle", "right", "wheel-up" or "wheel-down".
func (b *Board) Click(ctx context.Context, button string) error {
	for _, down := range []bool{true, false} {
		if err := b.send(ctx, inputEvent("btn", arguments{"down": down, "button": button})); err != nil {
			return err
		}
	}
	return nil
}

// Move moves the mouse along an axis, "x" or "y".
func (b *Board) Move(ctx context.Context, axis string, by int) error {
	return b.send(ctx, inputEvent("rel", arguments{"axis": axis, "value": by}))
}

func inputEvent(kind string, data arguments) arguments {
	return arguments{"type": kind, "data": data}
}

func (b *Board) send(ctx context.Context, event arguments) error {
	return b.execute(ctx, "input-send-event", arguments{"events": []arguments{event}})
}

// PressPower presses the power button, on Virt: a key of gpio-keys.
func (b *Board) PressPower(ctx context.Context) error {
	return b.execute(ctx, "system_powerdown", nil)
}

// SetLink plugs or unplugs the cable of the network card, on Virt.
func (b *Board) SetLink(ctx context.Context, up bool) error {
	return b.execute(ctx, "set_link", arguments{"name": networkCard, "up": up})
}

// inputDevices is where the kernel lists input devices, in paragraphs.
const inputDevices = "/proc/bus/input/devices"

// AwaitInput waits for an input device whose name contains the given text, and returns its device node.
func (b *Board) AwaitInput(ctx context.Context, name string) (string, error) {
	pattern := `(?m)^N: Name=".*` + regexp.QuoteMeta(name) + `.*"\n(?:.+\n)*?H: Handlers=.*event\d+`
	found, err := b.AwaitMatch(ctx, inputDevices, pattern)
	if err != nil {
		return "", err
	}
	node := "/dev/input/" + found[strings.LastIndex(found, "event"):]
	return node, b.AwaitFile(ctx, node)
}

// AwaitNoInput waits until no input device has a name that contains the given text.
func (b *Board) AwaitNoInput(ctx context.Context, name string) error {
	_, err := b.await(ctx, "to be without "+name, wire.Await{Path: inputDevices, Lacks: name})
	return err
}
