// SPDX-License-Identifier: MIT

// Output: the pipe behind a program's standard output and error.

package spawn

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const (
	// chunkSize is how much one wake-up reads from one program.
	chunkSize = 16 << 10
	// breath is how long a program is left alone that fills whole chunks
	// with lines that are dropped. The pipe fills, and the program waits.
	breath = 10 * time.Millisecond
)

// output reads a pipe to its end, or until close.
type output struct {
	loop  sources.Loop
	fd    int
	watch sources.Watch
	chunk []byte // where to read to; shared with all on this thread
	lines *lines
	pause sources.Timer // runs while taking breath; else nil
	// owed is how much the program itself left in the pipe: bytes to read
	// before it counts as ended.
	owed   int
	closed bool
	// moved is called when nothing is owed any more, and after the end.
	moved func()
}

// newOutput watches fd, the reading end of a pipe, which it then owns, except
// after an error.
func newOutput(loop sources.Loop, fd int, chunk []byte, deliver func([]byte), moved func()) (*output, error) {
	o := &output{loop: loop, fd: fd, chunk: chunk, lines: newLines(loop, deliver), moved: moved}
	watch, err := loop.Watch(fd, unix.EPOLLIN, o.ready)
	if err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	o.watch = watch
	return o, nil
}

func (o *output) ready(uint32) {
	n, err := unix.Read(o.fd, o.chunk)
	switch {
	case n > 0:
		o.lines.take(o.chunk[:n])
		o.pay(n)
		if n == len(o.chunk) && o.lines.dropping() && o.owed == 0 {
			o.takeBreath()
		}
	case err == unix.EAGAIN:
		o.pay(o.owed)
	case err == unix.EINTR:
	default:
		o.lines.flush()
		if err != nil {
			o.lines.deliver(fmt.Appendf(nil, "%s the rest of the output is lost: %v", cutMark, err))
		}
		o.close()
		o.moved()
	}
}

// leaderEnded makes o owe what is in the pipe now. What comes later is from
// others, who hold the pipe too.
func (o *output) leaderEnded() {
	if o.closed {
		return
	}
	n, err := unix.IoctlGetInt(o.fd, unix.TIOCINQ) // as FIONREAD
	if err != nil || n <= 0 {
		o.lines.flush()
		return
	}
	o.owed = n
	o.breathe()
}

// pay takes n bytes off what is owed.
func (o *output) pay(n int) {
	if o.owed == 0 || o.closed {
		return
	}
	o.owed = max(0, o.owed-n)
	if o.owed == 0 {
		o.lines.flush()
		o.moved()
	}
}

func (o *output) takeBreath() {
	if o.closed || o.pause != nil || o.watch.Events(0) != nil {
		return
	}
	o.pause = o.loop.After(breath, o.breathe)
}

// breathe goes on reading. (The end of the pipe is reported, and read, all the
// time.)
func (o *output) breathe() {
	if o.pause != nil {
		o.pause.Stop()
		o.pause = nil
		_ = o.watch.Events(unix.EPOLLIN)
	}
}

// close closes the pipe; who writes to it from then on gets SIGPIPE.
func (o *output) close() {
	if o.closed {
		return
	}
	o.closed, o.owed = true, 0
	sources.StopTimer(&o.pause)
	o.lines.close()
	o.watch.Close()
	unix.Close(o.fd)
}
