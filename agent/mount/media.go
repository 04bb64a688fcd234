// SPDX-License-Identifier: MIT

// Media: card readers stay while their cards come and go.

package mount

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/blkid"
	"reflexd/sources"
)

// revalidate has the kernel look whether the medium of a drive is still the
// same, and read its partitions if it is not: it does so when the device is
// opened.
func revalidate(name string) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
}

// hasNoMedium asks an optical drive whether it has a disc, and other drives by
// opening them. What cannot tell is taken to have one.
func hasNoMedium(name string) bool {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err == unix.ENOMEDIUM
	}
	defer unix.Close(fd)
	// include/uapi/linux/cdrom.h. The argument says: the disc in the drive.
	const driveStatus, current, noDisc, trayOpen = 0x5326, 1<<31 - 1, 1, 2
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), driveStatus, current)
	return errno == 0 && (status == noDisc || status == trayOpen)
}

// pollPeriod is how often the kernel asks a reader for a card, in
// milliseconds: what udev's rules set.
const pollPeriod = "2000"

// watchMedium has the kernel ask a drive that does not announce a change of
// its medium by itself, where nobody (udev, mostly) has said that it should.
func watchMedium(f *facts, interesting func(*facts) bool) {
	if f.part != 0 || !f.removable || !interesting(f) || !strings.Contains(f.attribute(f.folder, "events"), "media_change") {
		return
	}
	announced := strings.Contains(f.attribute(f.folder, "events_async"), "media_change")
	if !announced && f.integer(f.folder, "events_poll_msecs") == -1 && f.defaultPoll() == 0 {
		_ = os.WriteFile(filepath.Join(f.folder, "events_poll_msecs"), []byte(pollPeriod), 0)
	}
}

// defaultPoll is the period for all drives, 0 for never.
func (f *facts) defaultPoll() int64 {
	sys, _, _ := strings.Cut(f.folder, "/devices/")
	return f.integer(filepath.Join(sys, "module/block/parameters"), "events_dfl_poll_msecs")
}

// swapped reports whether something is mounted that the medium in a drive does
// not hold: it is another medium than it was. A card can be changed faster than
// the kernel asks for it, and as long as a partition is mounted, the kernel
// keeps to those that it knows. An error says that the medium cannot be read.
//
// Until this is known, what is mounted may write to the new medium: ext4, which
// finds bitmaps that are not its own, that it has errors. So the device is opened,
// at which the kernel looks at its medium, and one superblock is compared, before
// anything else is asked.
func (b *blocks) swapped(id identity, mounted []held) (bool, error) {
	whole := wholeOf(filepath.Join(b.sys, id.path))
	disk, ok, err := b.identify(whole)
	if sources.Passing(err) {
		return false, err
	}
	if !ok {
		return false, nil // it is being removed
	}
	fd, err := unix.Open(disk.name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_DIRECT, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	f := &facts{}
	end := f.integer(whole, "size") * sector
	for _, h := range mounted {
		folder := filepath.Join(b.sys, h.path)
		start, size := f.integer(folder, "start")*sector, f.integer(folder, "size")*sector
		switch {
		case f.unsure != nil || end == 0:
			return false, f.unsure
		case size == 0: // which the kernel does not have: it was not read
			return false, fmt.Errorf("read the size of %s", h.path)
		case start+size > end:
			return true, nil
		}
		part := io.NewSectionReader(uncached(fd), start, size)
		if same, err := blkid.Bears(part, size, h.fstype, h.uuid); err != nil || !same {
			return err == nil, err
		}
		// It was not ambivalent when it was mounted: what is mounted has written its
		// superblock to the new medium before anybody compared them.
		switch _, err := blkid.Probe(part, size); {
		case errors.Is(err, blkid.ErrAmbivalent):
			return true, nil
		case err != nil:
			return false, err
		}
	}
	return false, nil
}

// renew has the kernel give up a SCSI drive and find it again, which uevents
// announce like one that is pulled and plugged in. It goes offline first: what is
// mounted of another medium must write nothing to this one, not even that it
// was unmounted. See the kernel's scsi_sysfs.c. It reports whether the drive was
// given up.
func (b *blocks) renew(whole string) bool {
	device, err := filepath.EvalSymlinks(filepath.Join(whole, "device"))
	address := strings.Split(filepath.Base(device), ":") // host, channel, target, LUN
	if err != nil || len(address) != 4 {
		return false
	}
	_ = os.WriteFile(filepath.Join(device, "state"), []byte("offline"), 0)
	if os.WriteFile(filepath.Join(device, "delete"), []byte("1"), 0) != nil {
		_ = os.WriteFile(filepath.Join(device, "state"), []byte("running"), 0)
		return false
	}
	scan := filepath.Join(b.sys, "class/scsi_host/host"+address[0], "scan")
	_ = os.WriteFile(scan, []byte(strings.Join(address[1:], " ")), 0)
	return true
}

// uncached is a descriptor of a block device that was opened with O_DIRECT: what
// a mounted filesystem has in the page cache may be of another medium.
type uncached int

// ReadAt implements io.ReaderAt.
func (fd uncached) ReadAt(b []byte, at int64) (int, error) {
	const block = 4096 // no device asks for a larger alignment
	from := at &^ (block - 1)
	to := (at + int64(len(b)) + block - 1) &^ (block - 1)
	buf := aligned(int(to-from), block)
	n, err := unix.Pread(int(fd), buf, from)
	if err != nil {
		return 0, err
	}
	n = copy(b, buf[min(n, int(at-from)):n])
	if n < len(b) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

// aligned returns n bytes that begin at a multiple of block.
func aligned(n, block int) []byte {
	buf := make([]byte, n+block)
	skip := -int(uintptr(unsafe.Pointer(&buf[0]))) & (block - 1)
	return buf[skip : skip+n]
}
