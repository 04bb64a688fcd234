// SPDX-License-Identifier: MIT

// The lock that keeps two runs from preparing one folder of the cache at once. The kernel lets go of it when its holder dies.

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockRetry is how often a lock that another process holds is tried again: flock(2) cannot be waited for with a
// context.
const lockRetry = 50 * time.Millisecond

// Lock makes a folder of the cache, takes its lock and returns how to let go of it.
func Lock(ctx context.Context, dir string, log io.Writer) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the lab's cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the lab's cache: %w", err)
	}
	if err := acquire(ctx, f, log); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func acquire(ctx context.Context, f *os.File, log io.Writer) error {
	ticker := time.NewTicker(lockRetry)
	defer ticker.Stop()
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if !told {
			fmt.Fprintln(log, "waiting for another run that works on the cache")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
