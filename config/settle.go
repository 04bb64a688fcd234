// SPDX-License-Identifier: MIT

// Settle: files that somebody is writing right now are not read before he has
// finished.

package config

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// quiet is how long nothing must have happened to a file for it to count as
	// complete: programs write a configuration in one go, and the kernel's clock
	// for files ticks every few milliseconds.
	quiet = 100 * time.Millisecond
	// longestUnrest is how long Settle waits for that.
	longestUnrest = 3 * time.Second
)

// ErrUnsettled is the error for files that somebody keeps writing to.
var ErrUnsettled = errors.New("the configuration is still being written: reload when it is complete")

// stamp tells one state of a file from the next.
type stamp struct {
	path     string
	dev, ino uint64
	size     int64
	modified unix.Timespec
	changed  unix.Timespec
}

// recent reports whether the file was changed less than quiet before now. A
// time that lies ahead says nothing: the clock was set.
func (s *stamp) recent(now time.Time) bool {
	age := func(t unix.Timespec) time.Duration { return now.Sub(time.Unix(t.Unix())).Abs() }
	return min(age(s.modified), age(s.changed)) < quiet
}

// Settle waits until nobody is writing to the files that paths stand for, and
// calls read. If one of them changed meanwhile, it does so again. It blocks, and
// gives up after three seconds with ErrUnsettled.
func Settle(paths []string, read func()) error {
	for end := time.Now().Add(longestUnrest); time.Now().Before(end); {
		before := stamps(paths)
		if slices.ContainsFunc(before, func(s stamp) bool { return s.recent(time.Now()) }) {
			time.Sleep(quiet / 4)
			continue
		}
		read()
		if slices.Equal(before, stamps(paths)) {
			return nil
		}
		time.Sleep(quiet / 4)
	}
	return ErrUnsettled
}

// stamps returns those of all files; of what cannot be read, none.
func stamps(paths []string) []stamp {
	files, err := Files(paths)
	if err != nil {
		return nil
	}
	all := make([]stamp, len(files))
	for i, f := range files {
		all[i].path = f
		var st unix.Stat_t
		if unix.Stat(f, &st) == nil {
			all[i] = stamp{f, uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
		}
	}
	return all
}
