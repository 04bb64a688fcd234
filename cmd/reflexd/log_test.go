// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A log that nobody reads costs lines, which are counted, and no time.
func TestLogThatNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := newLogWriter(write, logFormat{name: "text"})
	line := []byte(strings.Repeat("x", 1000) + "\n")
	for range 1000 {
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	kept := make(chan int)
	go func() {
		var text []byte
		buf := make([]byte, 1<<16)
		for !strings.Contains(string(text), "the end") {
			n, err := read.Read(buf)
			if err != nil {
				break
			}
			text = append(text, buf[:n]...)
		}
		lost := 0
		for _, rest := range strings.Split(string(text), "count=")[1:] {
			var n int
			fmt.Sscanf(rest, "%d", &n)
			lost += n
		}
		kept <- strings.Count(string(text), "x\n") + lost
	}()
	// Sooner or later there is room for the next line. Until it was read, it may
	// have been lost too.
	n := 0
	for n == 0 {
		w.Write([]byte("the end\n"))
		select {
		case n = <-kept:
		case <-time.After(time.Millisecond):
		}
	}
	if n < 1000 {
		t.Errorf("%d lines were read or counted, want 1000", n)
	}
	w.Close()
	w.Close()
	write.Close()
}

// disk is a file on a disk that has room for so many bytes.
type disk struct {
	room int
	text bytes.Buffer
}

func (d *disk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	d.text.Write(b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// Of the lines that a full disk has no room for, each is counted, and the torn
// one does not spoil the line that follows it.
func TestLogOnAFullDisk(t *testing.T) {
	for _, room := range []int{0, 1, 69, 70, 71, 95} {
		for _, format := range []string{"text", "json"} {
			d := &disk{room: room}
			w := makeLogWriter(d, logFormat{name: format})
			say := func(i int) { fmt.Fprintf(w, "line %d\n", i) }
			for i := 10; i < 50; i++ {
				say(i)
			}
			w.next()
			say(50) // the disk is still full, and of the count of lines nothing is forgotten
			w.next()
			d.room = 1 << 20
			say(51)
			w.next()
			text := d.text.String()
			whole := len(regexp.MustCompile(`(?m)^line \d\d$`).FindAllString(text, -1))
			counts := regexp.MustCompile(`count(?:=|":)(\d+)`).FindAllStringSubmatch(text, -1)
			if len(counts) != 1 {
				t.Fatalf("room for %d, %s: %d reports:\n%s", room, format, len(counts), text)
			}
			if lost, _ := strconv.Atoi(counts[0][1]); whole+lost != 42 || !strings.HasSuffix(text, "\nline 51\n") {
				t.Errorf("room for %d, %s: %d lines are whole and %d reported lost, want 42 in all:\n%s", room, format, whole, lost, text)
			}
		}
	}
}

// One line that is larger than all memory is counted, and no other is lost for it.
func TestLogLineThatIsTooLong(t *testing.T) {
	d := &disk{room: 1 << 20}
	w := makeLogWriter(d, logFormat{name: "text"})
	w.Write(bytes.Repeat([]byte{'x'}, logMemory+1))
	w.next()
	fmt.Fprintln(w, "next")
	w.next()
	if text := d.text.String(); !strings.Contains(text, "count=1\n") || !strings.HasSuffix(text, "\nnext\n") {
		t.Error(text)
	}
}
