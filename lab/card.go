// SPDX-License-Identifier: MIT

// Card readers: drives that stay while their media come and go.

package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// slot is the drive in the reader, card the medium in it.
func slot(reader string) string { return reader + "-slot" }
func card(reader string) string { return reader + "-card" }

// PlugReader plugs in a USB card reader without a card. Unplug takes it out, when it has none either.
func (b *Board) PlugReader(ctx context.Context, id string) error {
	// A drive cannot be made without a medium: it begins with one that is
	// taken out before anyone sees it.
	medium := arguments{"driver": "null-co", "node-name": card(id), "size": 1 << 20, "read-zeroes": true}
	if err := b.execute(ctx, "blockdev-add", medium); err != nil {
		return fmt.Errorf("plug %s: %w", id, err)
	}
	if err := b.plug(ctx, id, arguments{"driver": "usb-bot"}); err != nil {
		return err
	}
	err := b.plug(ctx, slot(id), arguments{"driver": "scsi-hd", "bus": id + ".0", "drive": card(id), "serial": id, "removable": true})
	if err != nil {
		return err
	}
	if err := b.PullCard(ctx, id); err != nil {
		return err
	}
	return b.execute(ctx, "qom-set", arguments{"path": "/machine/peripheral/" + id, "property": "attached", "value": true})
}

// PlugDisc plugs in a USB optical drive with a disc that has the given image. Unplug takes out both.
func (b *Board) PlugDisc(ctx context.Context, id, image string) error {
	disc := arguments{"driver": "raw", "node-name": card(id), "read-only": true, "file": arguments{"driver": "file", "filename": image}}
	if err := b.execute(ctx, "blockdev-add", disc); err != nil {
		return fmt.Errorf("plug %s: %w", id, err)
	}
	if err := b.plug(ctx, id, arguments{"driver": "usb-bot"}); err != nil {
		return err
	}
	if err := b.plug(ctx, slot(id), arguments{"driver": "scsi-cd", "bus": id + ".0", "drive": card(id), "serial": id}); err != nil {
		return err
	}
	return b.execute(ctx, "qom-set", arguments{"path": "/machine/peripheral/" + id, "property": "attached", "value": true})
}

// TrayIsOpen reports whether the tray of an optical drive is open.
func (b *Board) TrayIsOpen(ctx context.Context, id string) (bool, error) {
	said, err := b.qmp.monitor(ctx, "info block")
	_, about, found := strings.Cut(said, slot(id))
	if err == nil && !found {
		err = fmt.Errorf("no drive %s in %q", slot(id), said)
	}
	about, _, _ = strings.Cut(about, "\r\n\r\n")
	return strings.Contains(about, "tray open"), err
}

// InsertCard puts a card with the given image as its content into a reader that has none.
func (b *Board) InsertCard(ctx context.Context, reader, image string) error {
	err := b.execute(ctx, "blockdev-add", arguments{
		"driver": "raw", "node-name": card(reader), "file": arguments{"driver": "file", "filename": image},
	})
	if err == nil {
		err = b.execute(ctx, "blockdev-insert-medium", arguments{"id": slot(reader), "node-name": card(reader)})
	}
	if err == nil {
		err = b.execute(ctx, "blockdev-close-tray", arguments{"id": slot(reader)})
	}
	if err != nil {
		return fmt.Errorf("insert a card into %s: %w", reader, err)
	}
	return nil
}

// PullCard pulls the card out of a reader, without a word to the guest.
func (b *Board) PullCard(ctx context.Context, reader string) error {
	err := errors.Join(
		b.execute(ctx, "blockdev-open-tray", arguments{"id": slot(reader), "force": true}),
		b.execute(ctx, "blockdev-remove-medium", arguments{"id": slot(reader)}),
		b.execute(ctx, "blockdev-del", arguments{"node-name": card(reader)}),
	)
	if err != nil {
		return fmt.Errorf("pull the card out of %s: %w", reader, err)
	}
	return nil
}
