// SPDX-License-Identifier: MIT

// The Pi's USB controller, dwc2: QEMU's model of it aborts when a device goes away while a transfer to it is not
// finished. So a device is pulled while the machine stands still, between two transfers; what is made up of several, as
// reading a file is, is still cut off.

package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Of the dwc2's registers: each of its channels has eight words, the first of which says whether a transfer is on.
const (
	dwc2Channels   = 0x500
	dwc2Words      = 8 * 8
	dwc2PerChannel = 8
	dwc2Enabled    = 1 << 31
)

// betweenTries is how long the machine runs on when it was stopped within a transfer: a few USB frames.
const betweenTries = 2 * time.Millisecond

// removeBetweenTransfers removes a device when no transfer is on.
func (b *Board) removeBetweenTransfers(ctx context.Context, id string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		if err := b.qmp.execute(ctx, "stop", nil); err != nil {
			return err
		}
		busy, err := b.transferring(ctx)
		if err == nil && !busy {
			err = b.qmp.remove(ctx, id)
		}
		if err := errors.Join(err, b.qmp.execute(ctx, "cont", nil)); err != nil || !busy {
			return err
		}
		select {
		case <-time.After(betweenTries):
		case <-ctx.Done():
			return fmt.Errorf("await a pause between USB transfers: %w", ctx.Err())
		}
	}
}

// transferring reports whether the controller is within a transfer, as its registers say.
func (b *Board) transferring(ctx context.Context) (bool, error) {
	dump, err := b.qmp.monitor(ctx, fmt.Sprintf("xp /%dwx %#x", dwc2Words, b.machine.dwc2+dwc2Channels))
	if err != nil {
		return false, err
	}
	words, err := parseDump(dump)
	if err == nil && len(words) != dwc2Words {
		err = fmt.Errorf("read the USB controller's registers: %d words, %q", len(words), dump)
	}
	if err != nil {
		return false, err
	}
	for channel := 0; channel < dwc2Words; channel += dwc2PerChannel {
		if words[channel]&dwc2Enabled != 0 {
			return true, nil
		}
	}
	return false, nil
}

// parseDump reads a dump of memory: lines of an address, a colon, and words.
func parseDump(dump string) ([]uint32, error) {
	var words []uint32
	for line := range strings.Lines(dump) {
		_, values, _ := strings.Cut(line, ":")
		for value := range strings.FieldsSeq(values) {
			word, err := strconv.ParseUint(value, 0, 32)
			if err != nil {
				return nil, fmt.Errorf("read a dump of memory: %w", err)
			}
			words = append(words, uint32(word))
		}
	}
	return words, nil
}
