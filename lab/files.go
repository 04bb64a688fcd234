// SPDX-License-Identifier: MIT

// Files of a board: reading, writing, and waiting for what will stand in them.

package lab

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"reflexd/lab/wire"
)

// ReadFile returns what is in a file.
func (b *Board) ReadFile(ctx context.Context, path string) ([]byte, error) {
	return b.readFrom(ctx, path, 0)
}

func (b *Board) readFrom(ctx context.Context, path string, offset int64) ([]byte, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	reply, err := b.call(ctx, wire.Request{Read: &wire.Read{Path: path, Offset: offset}})
	if err != nil {
		return nil, fmt.Errorf("read from the board: %w", err)
	}
	return reply.Data, nil
}

// WriteFile writes a file, made with permissions perm if it is not there. Up to 24 KiB are written at once, as
// attributes in sysfs need it. A serial port is slow: larger files had better be in Config.Files.
func (b *Board) WriteFile(ctx context.Context, path string, data []byte, perm uint32) error {
	for first := true; first || len(data) > 0; first = false {
		chunk := data[:min(len(data), wire.MaxChunk)]
		data = data[len(chunk):]
		err := b.take(ctx, wire.Step{Write: &wire.Write{Path: path, Data: chunk, Perm: perm, Append: !first}})
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a file or an empty folder.
func (b *Board) Remove(ctx context.Context, path string) error {
	return b.take(ctx, wire.Step{Remove: path})
}

// take has the guest take steps, one right after the other.
func (b *Board) take(ctx context.Context, steps ...wire.Step) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err := b.call(ctx, wire.Request{Steps: steps}); err != nil {
		return fmt.Errorf("change files on the board: %w", err)
	}
	return nil
}

// AwaitFile waits until path is there.
func (b *Board) AwaitFile(ctx context.Context, path string) error {
	_, err := b.await(ctx, "to be there", wire.Await{Path: path, Exists: true})
	return err
}

// AwaitGone waits until path is not there.
func (b *Board) AwaitGone(ctx context.Context, path string) error {
	_, err := b.await(ctx, "to be gone", wire.Await{Path: path, Gone: true})
	return err
}

// AwaitText waits until the whole text of path, white space at its ends apart, is want.
func (b *Board) AwaitText(ctx context.Context, path, want string) error {
	_, err := b.await(ctx, fmt.Sprintf("to be %q", want), wire.Await{Path: path, Equals: &want})
	return err
}

// AwaitMatch waits until the text of path has a match of a regular expression, and returns the match.
func (b *Board) AwaitMatch(ctx context.Context, path, pattern string) (string, error) {
	reply, err := b.await(ctx, fmt.Sprintf("to match %q", pattern), wire.Await{Path: path, Match: pattern})
	if err != nil {
		return "", err
	}
	return string(reply.Data[reply.Span[0]:reply.Span[1]]), nil
}

func (b *Board) await(ctx context.Context, what string, a wire.Await) (wire.Reply, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	reply, err := b.call(ctx, wire.Request{Await: &a})
	if err != nil && !reply.Met {
		return reply, fmt.Errorf("await %s %s: %w%s", a.Path, what, err, there(reply.Data))
	}
	return reply, nil
}

// there is what an awaited file held instead, in a form to append to an error.
func there(data []byte) string {
	text := strings.TrimSpace(string(data))
	if text == "" {
		return ""
	}
	return "; there is:\n" + text[max(0, len(text)-4000):]
}

// A Log is a file that grows by lines, and how far it has been read.
type Log struct {
	board *Board
	path  string

	mu     sync.Mutex // held while waiting: two waits on one log would be a race for its lines
	offset int64
}

// Follow returns a Log of path, from its beginning. The file need not be there yet.
func (b *Board) Follow(path string) *Log {
	return &Log{board: b, path: path}
}

// Await waits for a line that matches a regular expression, at or after the end of the line that the last Await
// returned, and returns it. An error has all that came instead.
func (l *Log) Await(ctx context.Context, pattern string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reply, err := l.board.await(ctx, fmt.Sprintf("to have a line %q", pattern),
		wire.Await{Path: l.path, Match: "(?m)" + pattern, Offset: l.offset, Lines: true})
	if err != nil {
		return "", err
	}
	line, end := lineAround(reply.Data, reply.Span)
	l.offset += int64(end)
	return line, nil
}

// lineAround returns the line, or lines, that a match is in, and where the next begins.
func lineAround(data []byte, span [2]int) (line string, end int) {
	text := string(data)
	begin := strings.LastIndexByte(text[:span[0]], '\n') + 1
	last := max(span[0], span[1]-1) // a match may have taken the line's end in
	if next := strings.IndexByte(text[last:], '\n'); next >= 0 {
		return text[begin : last+next], last + next + 1
	}
	return text[begin:], len(text)
}

// Skip moves to the log's present end: what Await returns next is yet to come.
func (l *Log) Skip(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, err := l.board.readFrom(ctx, l.path, l.offset)
	l.offset += int64(len(data))
	return err
}

// Text returns the whole log.
func (l *Log) Text(ctx context.Context) (string, error) {
	data, err := l.board.ReadFile(ctx, l.path)
	return string(data), err
}
