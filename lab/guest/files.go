// SPDX-License-Identifier: MIT

// Files: reading, changing, and waiting until one is as it should be.

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"reflexd/lab/wire"
)

// readFrom returns what is in a file after offset.
func readFrom(path string, offset int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxOutput+1))
	if err == nil && len(data) > maxOutput {
		err = fmt.Errorf("read %s: too long for the line to the host", path)
	}
	return data, err
}

func takeSteps(ctx context.Context, steps []wire.Step) error {
	for _, step := range steps {
		if err := takeStep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func takeStep(ctx context.Context, s wire.Step) error {
	switch {
	case s.Write != nil:
		return writeFile(s.Write)
	case s.Mkdir != "":
		return os.MkdirAll(s.Mkdir, 0o755)
	case s.Remove != "":
		return os.Remove(s.Remove)
	case s.Pause > 0:
		return pause(ctx, s.Pause)
	}
	return errors.New("a step without anything to do")
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeFile writes in one write(2), as attributes of sysfs and configfs need it.
func writeFile(w *wire.Write) error {
	if err := os.MkdirAll(filepath.Dir(w.Path), 0o755); err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if w.Append {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := os.OpenFile(w.Path, flags, fs.FileMode(cmp.Or(w.Perm, 0o644)))
	if err != nil {
		return err
	}
	_, err = f.Write(w.Data)
	return errors.Join(err, f.Close())
}

// pollEvery is how soon an awaited file is looked at again. For proc and sysfs, inotify reports nothing.
const pollEvery = 5 * time.Millisecond

// A look costs an emulated CPU up to eight milliseconds, which what is awaited may need itself: the longer it has been
// waited for, the longer it takes to the next look.
const (
	pollShare  = 10 // of the time so far
	pollAtMost = 50 * time.Millisecond
)

// watchedEvery is how often a file is looked at that inotify watches: its folder may have become another.
const watchedEvery = time.Second

// await waits until the file is as it should be, or ctx ends. Either way the reply has what is there.
func await(ctx context.Context, a *wire.Await) (wire.Reply, error) {
	met, err := condition(a)
	if err != nil {
		return wire.Reply{}, err
	}
	watch := watchFile(a.Path)
	defer watch.close()
	begin := time.Now()
	for {
		looked := time.Now()
		data, err := readAwaited(a)
		span, ok := met(data, err)
		if ok || ctx.Err() != nil {
			return wire.Reply{Met: ok, Span: span, Data: data}, nil
		}
		watch.wait(ctx, watchedEvery)
		_ = pause(ctx, time.Until(looked.Add(nextLook(time.Since(begin))))) // if ctx ends, one look is left
	}
}

func nextLook(waited time.Duration) time.Duration {
	return min(max(waited/pollShare, pollEvery), pollAtMost)
}

// readAwaited reads a file if its text is asked for: only looking must not, for reading a device can block.
func readAwaited(a *wire.Await) ([]byte, error) {
	if a.Exists || a.Gone {
		_, err := os.Lstat(a.Path)
		return nil, err
	}
	return readFrom(a.Path, a.Offset)
}

// A test reports whether what was read, or the error of reading it, is what was awaited, and where the match is.
type test func(data []byte, err error) (span [2]int, ok bool)

func condition(a *wire.Await) (test, error) {
	switch {
	case a.Exists:
		return func(_ []byte, err error) ([2]int, bool) { return [2]int{}, err == nil }, nil
	case a.Gone:
		return func(_ []byte, err error) ([2]int, bool) { return [2]int{}, errors.Is(err, fs.ErrNotExist) }, nil
	case a.Equals != nil:
		return equals(*a.Equals), nil
	case a.Lacks != "":
		return lacks(a.Lacks), nil
	}
	pattern, err := regexp.Compile(a.Match)
	if err != nil {
		return nil, fmt.Errorf("await %s: %w", a.Path, err)
	}
	return matches(pattern, a.Lines), nil
}

func equals(want string) test {
	return func(data []byte, err error) ([2]int, bool) {
		return [2]int{0, len(data)}, err == nil && string(bytes.TrimSpace(data)) == want
	}
}

func lacks(text string) test {
	return func(data []byte, err error) ([2]int, bool) {
		return [2]int{}, err == nil && !bytes.Contains(data, []byte(text))
	}
}

func matches(pattern *regexp.Regexp, completeLines bool) test {
	return func(data []byte, err error) (span [2]int, ok bool) {
		if completeLines {
			data = data[:bytes.LastIndexByte(data, '\n')+1]
		}
		found := pattern.FindIndex(data)
		if err != nil || found == nil {
			return span, false
		}
		return [2]int(found), true
	}
}
