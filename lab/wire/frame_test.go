// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	want := "text"
	requests := []Request{
		{ID: 1, Run: &Run{Args: []string{"sh", "-c", "echo 'a\nb'"}, Stdin: []byte{0, 255, '\n'}}},
		{ID: 2, Start: &Start{Run: Run{Args: []string{"x"}, Dir: "/"}, Output: "/tmp/log"}},
		{ID: 3, Steps: []Step{{Mkdir: "/a"}, {Pause: 5}, {Write: &Write{Path: "/b", Data: []byte("c")}}, {Remove: "/d"}}},
		{ID: 4, Await: &Await{Path: "/a", Equals: &want}},
		{Cancel: 3},
	}
	var line bytes.Buffer
	w := NewWriter(&line)
	for _, request := range requests {
		if err := w.Write(request); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&line)
	for _, want := range requests {
		var got Request
		if err := r.Read(&got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, error %v; want %+v", got, err, want)
		}
	}
	if err := r.Read(&Request{}); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// Whatever comes between messages, those after it must get through.
func TestHostileInput(t *testing.T) {
	for name, garbage := range map[string]string{
		"noise":             "\x00\xff\xfe boot: ok",
		"half a message":    `{"id":7,"run":{"args":["a"`,
		"wrong type":        `{"id":"seven"}`,
		"negative id":       `{"id":-1}`,
		"array":             `[1,2,3]`,
		"bad base64":        `{"id":1,"steps":[{"write":{"path":"a","data":"%%%"}}]}`,
		"two in one line":   `{"id":1}{"id":2}`,
		"far too long":      strings.Repeat("x", 300<<10),
		"deep nesting":      strings.Repeat("[", 100<<10),
		"escapes":           `{"id":1,"read":{"path":"\ud800\u0000"}`,
		"carriage returns":  "garbage\r\r\r",
		"nothing but space": "  x \t ",
	} {
		r := NewReader(strings.NewReader(garbage + "\n\n \n{\"id\":9}\n"))
		r.max = 200 << 10
		err := r.Read(&Request{})
		var bad *FrameError
		if !errors.As(err, &bad) {
			t.Errorf("%s: error %v, want a FrameError", name, err)
		}
		if len(err.Error()) > 500 {
			t.Errorf("%s: the error is %d bytes long", name, len(err.Error()))
		}
		var next Request
		if err := r.Read(&next); err != nil || next.ID != 9 {
			t.Errorf("%s: then %+v, error %v", name, next, err)
		}
	}
}

func TestCutOffMessage(t *testing.T) {
	r := NewReader(strings.NewReader(`{"id":1}`))
	if err := r.Read(&Request{}); !errors.Is(err, io.EOF) {
		t.Errorf("a line without its end: %v", err)
	}
}

func TestWriteError(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := NewWriter(w).Write(Reply{ID: 1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("{\"id\":1}\n"))
	f.Add([]byte("\n\n{\"id\":1,\"run\":{}}\nx\n"))
	f.Add([]byte("zq1bKTFGyMqwFAA\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		r := NewReader(bytes.NewReader(input))
		r.max = 1 << 10
		for range bytes.Count(input, []byte("\n")) + 1 {
			var request Request
			if err := r.Read(&request); errors.Is(err, io.EOF) {
				return
			}
		}
		if err := r.Read(&Request{}); !errors.Is(err, io.EOF) {
			t.Errorf("more messages than lines: %v", err)
		}
	})
}
