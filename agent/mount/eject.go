// SPDX-License-Identifier: MIT

// Ejecting: a drive's partitions are unmounted, what it keeps in its own
// memory is written, and what can be taken out is let go of: the disc of an
// optical drive, the card of a reader, else the drive itself.

package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// drive is a whole disk.
type drive struct {
	identity
	blocks *blocks
	folder string // in sysfs
	usb    string // the folder of the USB device that it is (a part of), or ""
}

// drive finds the drive that the device name is, or is a part of.
func (b *blocks) drive(name string) (*drive, error) {
	id, err := b.find(name)
	if err != nil {
		return nil, fmt.Errorf("eject %s: %w", name, err)
	}
	folder := b.sys + id.path
	if readNumber(folder, "partition") != 0 {
		folder = filepath.Dir(folder)
		var ok bool
		switch id, ok, err = b.identify(folder); {
		case sources.Passing(err):
			return nil, fmt.Errorf("eject %s: %w", name, err)
		case !ok:
			return nil, fmt.Errorf("eject %s: its drive is gone", name)
		}
	}
	return &drive{identity: id, blocks: b, folder: folder, usb: usbDevice(folder)}, nil
}

// usbDevice returns the nearest folder upwards that is a USB device and can
// be removed.
func usbDevice(folder string) string {
	for ; len(folder) > 1; folder = filepath.Dir(folder) {
		if readText(folder, "idVendor") != "" && readText(folder, "bDeviceClass") != "" {
			return folder
		}
	}
	return ""
}

// covers reports whether the device is the drive or a part of it.
func (d *drive) covers(id *identity) bool {
	return id.path == d.path || strings.HasPrefix(id.path, d.path+"/")
}

// eject writes everything back, unmounts what others have mounted, and
// detaches the drive. Ours is unmounted by then.
func (d *drive) eject(m *mounter) error {
	mounts, err := m.mounts.read()
	if err != nil {
		return err
	}
	for _, e := range mounts {
		if d.blocks.disk(e.number) != d.folder {
			continue
		}
		if err := m.release(e.point, manner{}); err != nil {
			return fmt.Errorf("eject %s: %w", d.name, err)
		}
	}
	if d.isOptical() {
		err = openTray(d.name)
	} else {
		err = flush(d.name)
	}
	switch {
	case err != nil:
		return fmt.Errorf("eject %s: %w", d.name, err)
	case d.isOptical(), d.isSlot():
		return nil // it stays, for the next disc or card
	}
	return d.unplug(m.mounts)
}

// isOptical reports whether the drive's medium is a disc (TYPE_ROM of
// include/scsi/scsi_proto.h).
func (d *drive) isOptical() bool { return readText(d.folder, "device/type") == "5" }

// isSlot reports whether the drive is a slot of a card reader with several: its
// medium can be removed, and another drive is a part of the same USB device. A
// reader with one slot cannot be told from a USB drive.
func (d *drive) isSlot() bool {
	if d.usb == "" || readNumber(d.folder, "removable") != 1 {
		return false
	}
	all, _ := d.blocks.list()
	return slices.ContainsFunc(all, func(id identity) bool {
		folder := d.blocks.sys + id.path
		return folder != d.folder && strings.HasPrefix(folder, d.usb+"/") && !strings.HasPrefix(folder, d.folder+"/")
	})
}

// openTray opens the tray of an optical drive, or hands the disc out
// (include/uapi/linux/cdrom.h).
func openTray(name string) error {
	const lockDoor, eject, unlocked = 0x5329, 0x5309, 0
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), lockDoor, unlocked) // one without a lock refuses
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), eject, 0); errno != 0 {
		return fmt.Errorf("open the tray (CDROMEJECT): %w", errno)
	}
	return nil
}

// flush writes back what the kernel and the drive keep in memory.
func flush(name string) error {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Fsync(fd); err != nil {
		return fmt.Errorf("write back: %w", err)
	}
	return nil
}

// unplug detaches the drive. First the SCSI layer lets go of it, which stops
// it in good order (Documentation/scsi/scsi_mid_low_api.rst, "remove"), then
// the USB device is removed, which switches its port off: the light goes out,
// and it stays away until it is pulled and plugged in again
// (Documentation/ABI/testing/sysfs-bus-usb, "remove"). The other order would
// take the drive from the SCSI layer before it could write its cache. The
// other slots of a card reader are one USB device with this one: it stays if
// any of them is mounted. What is no SCSI device has nothing to be detached.
func (d *drive) unplug(mounts mountinfo) error {
	last := d.usb != "" && !d.shared(mounts)
	detach := filepath.Join(d.folder, "device", "delete")
	if err := sources.WriteAttribute(detach, "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("eject %s: detach it: %w", d.name, err)
	}
	if !last {
		return nil
	}
	err := sources.WriteAttribute(filepath.Join(d.usb, "remove"), "1")
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("eject %s: switch its port off: %w", d.name, err)
	}
	return nil
}

// shared reports whether another drive of the same USB device is in use.
func (d *drive) shared(table mountinfo) bool {
	mounts, err := table.read()
	if err != nil {
		return true
	}
	for _, e := range mounts {
		disk := d.blocks.disk(e.number)
		if disk != "" && disk != d.folder && strings.HasPrefix(disk, d.usb+"/") {
			return true
		}
	}
	return false
}
