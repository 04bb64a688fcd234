// SPDX-License-Identifier: MIT

// Images for the tests: sparse ones in memory, and what has been recorded of
// large ones.

package blkid

import (
	"compress/gzip"
	"encoding/gob"
	"io"
	"io/fs"
	"os"
	"testing"
)

// recorded is the file of images that mkfs and its like have made, each
// reduced to what a probe reads of it. TestLikeBlkid -record writes it.
const recorded = "testdata/images.gob.gz"

// An image is a device that is zero but for its pieces.
type image struct {
	Name   string
	Size   int64
	Pieces []imagePiece
	Want   Content // what blkid and we agreed on
	Fails  bool    // or that it is ambivalent
}

type imagePiece struct {
	Offset int64
	Data   []byte
}

// put writes a piece over what is there.
func (m *image) put(offset int64, data string) *image {
	m.Pieces = append(m.Pieces, imagePiece{offset, []byte(data)})
	return m
}

func (m *image) ReadAt(b []byte, offset int64) (int, error) {
	switch {
	case offset < 0:
		return 0, fs.ErrInvalid
	case offset >= m.Size:
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), m.Size-offset))
	clear(b[:n])
	for _, p := range m.Pieces {
		start := p.Offset - offset
		switch {
		case start >= int64(n) || start+int64(len(p.Data)) <= 0:
		case start >= 0:
			copy(b[start:n], p.Data)
		default:
			copy(b[:n], p.Data[-start:])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// has reports whether the image has text at offset.
func (m *image) has(offset int64, text string) bool {
	b := make([]byte, len(text))
	_, err := m.ReadAt(b, offset)
	return err == nil && string(b) == text
}

// file writes the image into a file with holes.
func (m *image) file(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Pieces {
		if _, err := f.WriteAt(p.Data, p.Offset); err != nil {
			t.Fatal(err)
		}
	}
}

// A recorder keeps what is read of r and is not zero, and how much that was.
type recorder struct {
	r             io.ReaderAt
	pieces        []imagePiece
	reads, amount int
	largest       int
}

func (r *recorder) ReadAt(b []byte, offset int64) (int, error) {
	n, err := r.r.ReadAt(b, offset)
	r.reads++
	r.amount += len(b)
	r.largest = max(r.largest, len(b))
	for at := 0; at < n; at += 512 {
		if data := b[at:min(at+512, n)]; !allZero(data) {
			r.pieces = append(r.pieces, imagePiece{offset + int64(at), append([]byte(nil), data...)})
		}
	}
	return n, err
}

func loadImages(tb testing.TB) []image {
	tb.Helper()
	f, err := os.Open(recorded)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var images []image
	if err := gob.NewDecoder(z).Decode(&images); err != nil {
		tb.Fatal(err)
	}
	return images
}

func saveImages(t *testing.T, images []image) {
	t.Helper()
	f, err := os.Create(recorded)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{gob.NewEncoder(z).Encode(images), z.Close(), f.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func probe(t *testing.T, m *image) Content {
	t.Helper()
	c, err := Probe(m, m.Size)
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	return c
}
