// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// Long messages are short on the line, those that cannot be squeezed go as
// they are, and all come out as they went in.
func TestLongMessages(t *testing.T) {
	noise := make([]byte, 20<<10)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	var line bytes.Buffer
	w, r := NewWriter(&line), NewReader(&line)
	for _, test := range []struct {
		data    []byte
		atMost  int
		squeeze bool
	}{
		{bytes.Repeat([]byte("level=DEBUG msg=event\n"), 1000), 1000, true},
		{noise, 40 << 10, false},
		{[]byte("short"), 100, false},
		{bytes.Repeat([]byte{0}, 50_000), 1000, true}, // and the squeezer is used again
	} {
		if err := w.Write(Reply{ID: 1, Data: test.data}); err != nil {
			t.Fatal(err)
		}
		if n := line.Len(); n > test.atMost || test.squeeze != (line.Bytes()[1] == squeezed) {
			t.Errorf("%d bytes of data are %d on the line: %.20q", len(test.data), n, line.Bytes())
		}
		var got Reply
		if err := r.Read(&got); err != nil || !bytes.Equal(got.Data, test.data) {
			t.Errorf("%d bytes became %d, error %v", len(test.data), len(got.Data), err)
		}
	}
}

// What is no squeezed message is an error, and so is one that fills our memory.
func TestSqueezedNonsense(t *testing.T) {
	var line bytes.Buffer
	if err := NewWriter(&line).Write(Reply{Data: make([]byte, 1<<20)}); err != nil {
		t.Fatal(err)
	}
	bomb := strings.TrimSpace(line.String())
	for name, garbage := range map[string]string{
		"a letter":     "z",
		"no base64":    "z%%%%",
		"not deflated": "zAAAAAAAA",
		"cut off":      bomb[:len(bomb)/2],
		"too much":     bomb,
	} {
		r := NewReader(strings.NewReader(garbage + "\n{\"id\":9}\n"))
		r.max = 100 << 10
		var bad *FrameError
		if err := r.Read(&Reply{}); !errors.As(err, &bad) || len(err.Error()) > 500 {
			t.Errorf("%s: error %v, want a FrameError", name, err)
		}
		var next Reply
		if err := r.Read(&next); err != nil || next.ID != 9 {
			t.Errorf("%s: then %+v, error %v", name, next, err)
		}
		if err := r.Read(&next); !errors.Is(err, io.EOF) {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}
