// SPDX-License-Identifier: MIT

// Media: card readers stay while their cards come and go.

package mount

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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

// pollPeriod is how often the kernel asks a reader for a card, in
// milliseconds: what udev's rules set.
const pollPeriod = "2000"

// watchMedium has the kernel ask a drive that does not announce a change of
// its medium by itself, where nobody (udev, mostly) has said that it should.
func watchMedium(f *facts, interesting func(*facts) bool) {
	if f.part != 0 || !f.removable || !interesting(f) || !strings.Contains(readText(f.folder, "events"), "media_change") {
		return
	}
	announced := strings.Contains(readText(f.folder, "events_async"), "media_change")
	if !announced && readNumber(f.folder, "events_poll_msecs") == -1 && defaultPoll(f.folder) == 0 {
		_ = os.WriteFile(filepath.Join(f.folder, "events_poll_msecs"), []byte(pollPeriod), 0)
	}
}

// defaultPoll is the period for all drives, 0 for never.
func defaultPoll(folder string) int64 {
	sys, _, _ := strings.Cut(folder, "/devices/")
	return readNumber(filepath.Join(sys, "module/block/parameters"), "events_dfl_poll_msecs")
}
