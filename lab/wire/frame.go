// SPDX-License-Identifier: MIT

// Framing: a JSON text a line, long ones squeezed, with a limit that keeps a confused peer from filling our memory.

package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxLine is the longest message either side takes: room for 12 MiB of output in base64.
const MaxLine = 16 << 20

// MaxChunk is the most file data that one request should carry. A serial port has no flow control here: more than
// the guest's tty buffers hold (64 KiB) must not be under way at once.
const MaxChunk = 24 << 10

// A FrameError is a line that is no message. The lines after it can be read.
type FrameError struct {
	Start []byte // the beginning of the line
	Err   error
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("bad message %q: %v", e.Start, e.Err)
}

func (e *FrameError) Unwrap() error { return e.Err }

var errTooLong = errors.New("longer than any message may be")

// A Reader reads messages.
type Reader struct {
	r   *bufio.Reader
	max int
}

// NewReader returns a Reader on r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), max: MaxLine}
}

// Read reads the next message into v, a pointer. It returns a *FrameError for a line that is none, and the
// underlying reader's error, io.EOF too, when no more can come.
func (r *Reader) Read(v any) error {
	line, err := r.line()
	if err != nil {
		return err
	}
	message, err := unsqueeze(line, r.max)
	if err == nil {
		err = json.Unmarshal(message, v)
	}
	if err != nil {
		return newFrameError(line, err)
	}
	return nil
}

// line returns the next line that is not empty, without its end.
func (r *Reader) line() ([]byte, error) {
	var line []byte
	overflow := false
	for {
		part, err := r.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if overflow = overflow || len(line)+len(part) > r.max; !overflow {
			line = append(line, part...)
		}
		if err != nil {
			continue
		}
		if overflow {
			return nil, newFrameError(line, errTooLong)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func newFrameError(line []byte, err error) *FrameError {
	return &FrameError{Start: bytes.Clone(line[:min(len(line), 60)]), Err: err}
}

// A Writer writes messages. It may be used by several goroutines at once.
type Writer struct {
	mu       sync.Mutex // keeps lines whole
	squeezer squeezer
	w        io.Writer
}

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes v as one message.
func (w *Writer) Write(v any) error {
	message, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	line, err := w.squeezer.squeeze(message)
	if err != nil {
		return err
	}
	// The line end before keeps what may already be on the line, a port's own noise, out of the message.
	if _, err := fmt.Fprintf(w.w, "\n%s\n", line); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}
