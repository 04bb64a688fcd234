// SPDX-License-Identifier: MIT

// Package recording reads and writes recordings of what happened on a board,
// replays them through a configuration, and converts them.
//
// This file has their form: JSON Lines, of which the first is a
// client.Snapshot, and each other one a client.Notice as the verb watch has it.
package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"reflexd/client"
)

// Recording is what a file holds.
type Recording struct {
	Head    client.Snapshot
	Notices []client.Notice
	// Cut is set if the last line ends early, and was left out: the power
	// failed, or somebody is still writing. Lost is how many notices the
	// recorder missed.
	Cut  bool
	Lost uint64
}

// version is of the form.
const version = 1

// longestLine is more than any line that is written.
const longestLine = 1 << 20

// Load reads a file.
func Load(path string) (*Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return r, nil
}

// Read reads a recording. What is wrong with it is said with its line.
func Read(from io.Reader) (*Recording, error) {
	r := &Recording{}
	b := bufio.NewReaderSize(from, longestLine)
	for number := 1; ; number++ {
		line, err := b.ReadSlice('\n')
		switch {
		case err == io.EOF:
			if r.Cut = len(line) > 0; number == 1 {
				return nil, errors.New("1: this is no recording: it has no first line")
			}
			return r, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%d: the line is longer than %d bytes", number, longestLine)
		case err != nil:
			return nil, fmt.Errorf("%d: %w", number, err)
		}
		if err := r.take(number, bytes.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("%d: %w", number, err)
		}
	}
}

func (r *Recording) take(number int, line []byte) error {
	if number == 1 {
		err := json.Unmarshal(line, &r.Head)
		switch {
		case err != nil || r.Head.Recording == 0:
			return errors.New("this is no recording: it does not begin with {\"recording\": 1, …}")
		case r.Head.Recording != version:
			return fmt.Errorf("the recording has version %d, and this program reads version %d", r.Head.Recording, version)
		}
		return nil
	}
	var n client.Notice
	if err := json.Unmarshal(line, &n); err != nil {
		return fmt.Errorf("no notice: %w", err)
	}
	if n.Type == "lost" {
		r.Lost += n.Count
	}
	r.Notices = append(r.Notices, n)
	return nil
}

// at returns when n was, since the recording began.
func (r *Recording) at(n *client.Notice) time.Duration { return time.Duration(n.Time - r.Head.Time) }

// text returns a field of an event as a string.
func text(n *client.Notice, field string) string {
	v := n.Fields[field]
	if v == nil {
		return ""
	}
	if f, ok := v.(float64); ok {
		return strings.TrimSuffix(fmt.Sprintf("%.0f", f), ".")
	}
	return fmt.Sprint(v)
}

// headPrefix is how each head begins.
const headPrefix = `{"recording":`

// Writer writes a recording to a file. A head, which begins each file, makes
// it go on in a new one: FILE is then FILE.1, and so on.
type Writer struct {
	path  string
	keep  int // how many files there are at most
	file  *os.File
	empty bool
	// Failed is set by the first error.
	Failed error
}

// Create makes a new file at path, of which keep are kept when it goes on in
// others.
func Create(path string, keep int) (*Writer, error) {
	w := &Writer{path: path, keep: keep}
	return w, w.open()
}

func (w *Writer) open() (err error) {
	// Not to be read by others: it may have more than they may see.
	w.file, err = os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	w.empty = true
	return err
}

// Write takes whole lines.
func (w *Writer) Write(b []byte) (int, error) {
	from := 0
	for at := 0; at < len(b) && w.Failed == nil; {
		if bytes.HasPrefix(b[at:], []byte(headPrefix)) && !(w.empty && at == from) {
			w.put(b[from:at])
			w.Failed = errors.Join(w.Failed, w.rotate())
			from = at
		}
		next := bytes.IndexByte(b[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	w.put(b[from:])
	return len(b), w.Failed
}

func (w *Writer) put(b []byte) {
	if w.Failed == nil && len(b) > 0 {
		w.empty = false
		_, w.Failed = w.file.Write(b)
	}
}

// rotate goes on in a new file.
func (w *Writer) rotate() error {
	if err := w.Close(); err != nil {
		return err
	}
	name := func(n int) string {
		if n == 0 {
			return w.path
		}
		return fmt.Sprintf("%s.%d", w.path, n)
	}
	for n := w.keep - 2; n >= 0; n-- {
		if err := os.Rename(name(n), name(n+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return w.open()
}

// Close has the disk take what was written.
func (w *Writer) Close() error { return errors.Join(w.file.Sync(), w.file.Close()) }
