// SPDX-License-Identifier: MIT

// The log's way out of the process.

package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// logWriter hands lines to a goroutine that writes them, so that a terminal
// that was stopped or a pipe that nobody reads never holds up the loop. Lines
// that do not fit into its memory, or that cannot be written, are counted, and
// the count is the next thing that is written.
type logWriter struct {
	out    io.Writer
	format logFormat
	mu     sync.Mutex
	wake   *sync.Cond
	buf    []byte // what is to be written
	lost   int    // lines dropped since buf had room
	closed bool
	ended  chan struct{}

	// These are the goroutine's.
	batch      []byte
	unreported int  // lines that were lost, and that no line reports yet
	torn       bool // what was written last is not the end of a line
}

// logMemory bounds what waits to be written.
const logMemory = 256 << 10

func newLogWriter(out io.Writer, format logFormat) *logWriter {
	w := makeLogWriter(out, format)
	go w.run()
	return w
}

func makeLogWriter(out io.Writer, format logFormat) *logWriter {
	w := &logWriter{out: out, format: format, ended: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	return w
}

// Write takes one line. It never blocks for long and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost > 0 || len(w.buf)+len(line) > logMemory {
		w.lost++ // so that the count stands where the lines are missing
	} else {
		w.buf = append(w.buf, line...)
	}
	w.wake.Signal()
	return len(line), nil
}

// run is the goroutine.
func (w *logWriter) run() {
	defer close(w.ended)
	for w.next() {
	}
}

// next waits for lines, and writes them. It returns false at the end.
func (w *logWriter) next() bool {
	w.mu.Lock()
	for len(w.buf) == 0 && w.lost == 0 && !w.closed {
		w.wake.Wait()
	}
	w.batch, w.buf = w.buf, w.batch[:0]
	lost := w.lost
	w.lost = 0
	w.mu.Unlock()
	if len(w.batch) == 0 && lost == 0 {
		return false
	}
	w.report()
	w.unreported += w.put(w.batch) + lost
	w.report()
	return true
}

// report writes how many lines were lost, if any were.
func (w *logWriter) report() {
	if w.unreported == 0 {
		return
	}
	var line bytes.Buffer
	if w.format.name == "recording" {
		fmt.Fprintf(&line, "{\"type\":\"lost\",\"count\":%d}\n", w.unreported)
	} else {
		w.warn(&line)
	}
	if w.put(line.Bytes()) == 0 {
		w.unreported = 0
	}
}

// warn writes the report of lost lines as one of the log.
func (w *logWriter) warn(line io.Writer) {
	slog.New(logHandler(line, w.format, nil)).Warn("log lines were dropped: the reader did not keep up or the log cannot be written", "count", w.unreported)
}

// put writes lines, after the end of one that was torn, and returns how many
// of them were not written whole.
func (w *logWriter) put(lines []byte) (lost int) {
	if w.torn {
		if n, _ := w.out.Write([]byte{'\n'}); n == 0 {
			return bytes.Count(lines, []byte{'\n'})
		}
		w.torn = false
	}
	n, _ := w.out.Write(lines)
	w.torn = n > 0 && lines[n-1] != '\n'
	left := lines[n:]
	if w.torn {
		left = bytes.TrimPrefix(left, []byte{'\n'}) // of this line all is there but its end
	}
	return bytes.Count(left, []byte{'\n'})
}

// Close waits until all is written, but not for ever. Closing twice is
// harmless.
func (w *logWriter) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.wake.Signal()
	select {
	case <-w.ended:
	case <-time.After(200 * time.Millisecond):
	}
}
