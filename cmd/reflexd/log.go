// SPDX-License-Identifier: MIT

// The log's way out of the process.

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// logWriter hands lines to a goroutine that writes them, so that a terminal
// that was stopped or a pipe that nobody reads never holds up the loop. What
// does not fit into its memory is dropped, and that is logged as soon as there
// is room again.
type logWriter struct {
	out    io.Writer
	format string // of the log: "json", or text
	mu     sync.Mutex
	wake   *sync.Cond
	buf    []byte // what is to be written
	lost   int    // lines dropped since the last one that was kept
	closed bool
	ended  chan struct{}
}

// logMemory bounds what waits to be written.
const logMemory = 256 << 10

func newLogWriter(out io.Writer, format string) *logWriter {
	w := &logWriter{out: out, format: format, ended: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	go w.write()
	return w
}

// Write takes one line. It never blocks for long and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf)+len(line) > logMemory {
		w.lost++
		return len(line), nil
	}
	if w.lost > 0 {
		w.buf = append(w.buf, w.reportLost()...)
		w.lost = 0
	}
	w.buf = append(w.buf, line...)
	w.wake.Signal()
	return len(line), nil
}

// reportLost returns a line about the lines that were dropped.
func (w *logWriter) reportLost() string {
	switch w.format {
	case "recording":
		return fmt.Sprintf("{\"type\":\"lost\",\"count\":%d}\n", w.lost)
	case "json":
		return fmt.Sprintf(`{"level":"WARN","msg":"log lines were dropped: the reader did not keep up","count":%d}`+"\n", w.lost)
	}
	return fmt.Sprintf("level=WARN msg=\"log lines were dropped: the reader did not keep up\" count=%d\n", w.lost)
}

// write is the goroutine.
func (w *logWriter) write() {
	defer close(w.ended)
	var batch []byte
	for {
		w.mu.Lock()
		for len(w.buf) == 0 && !w.closed {
			w.wake.Wait()
		}
		batch, w.buf = w.buf, batch[:0]
		w.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		// A log that cannot be written leaves nowhere to report it.
		_, _ = w.out.Write(batch)
	}
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
