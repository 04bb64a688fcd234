// SPDX-License-Identifier: MIT

// Reading a device: bounded, and each piece only once.

package blkid

import (
	"errors"
	"fmt"
	"io"
)

const (
	page     = 4096     // what is read at once, at least
	maxPiece = 64 << 10 // and at most
	maxKept  = 16       // pieces that are kept
	maxRead  = 8 << 20  // bytes that a probe reads, at most
)

// A disk is the device that is probed. Probers ask for the bytes they want to
// see, and need not know what others have read.
type disk struct {
	r    io.ReaderAt
	size int64 // in bytes
	kept []piece
	next int // the piece that makes room for another
	read int // bytes read so far
	// err is the first read that failed; from then on nothing is read.
	err error
}

// A piece is a part of a disk that has been read.
type piece struct {
	offset int64
	data   []byte
}

// at returns n bytes from offset on; nil where the disk does not reach so
// far, and after a read that failed.
func (d *disk) at(offset int64, n int) []byte {
	if d.err != nil || offset < 0 || n > maxPiece || offset > d.size-int64(n) {
		return nil
	}
	for _, p := range d.kept {
		if data := p.at(offset, n); data != nil {
			return data
		}
	}
	return d.load(offset, n).at(offset, n)
}

func (p piece) at(offset int64, n int) []byte {
	start := offset - p.offset
	if start < 0 || start+int64(n) > int64(len(p.data)) {
		return nil
	}
	return p.data[start : start+int64(n) : start+int64(n)]
}

// load reads the pages in which n bytes at offset are.
func (d *disk) load(offset int64, n int) piece {
	start := offset &^ (page - 1)
	end := min((offset+int64(n)+page-1)&^(page-1), d.size)
	p := piece{start, make([]byte, end-start)}
	if d.read += len(p.data); d.read > maxRead {
		d.err = fmt.Errorf("read at %d: the superblocks need more than %d MiB to be read", start, maxRead>>20)
		return piece{}
	}
	got, err := d.r.ReadAt(p.data, start)
	p.data = p.data[:got]
	if err != nil && !errors.Is(err, io.EOF) {
		d.err = fmt.Errorf("read %d bytes at %d: %w", end-start, start, err)
		return piece{}
	}
	d.keep(p)
	return p
}

func (d *disk) keep(p piece) {
	if len(d.kept) < maxKept {
		d.kept = append(d.kept, p)
		return
	}
	d.kept[d.next] = p
	d.next = (d.next + 1) % maxKept
}

// has reports whether the disk has text at offset.
func (d *disk) has(offset int64, text string) bool {
	return string(d.at(offset, len(text))) == text
}
