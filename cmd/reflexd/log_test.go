// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A log that nobody reads costs lines, which are counted, and no time.
func TestLogThatNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := newLogWriter(write, "text")
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
	// Sooner or later there is room for the next line.
	for lost := true; lost; {
		w.Write([]byte("the end\n"))
		w.mu.Lock()
		lost = w.lost > 0
		w.mu.Unlock()
	}
	if n := <-kept; n < 1000 {
		t.Errorf("%d lines were read or counted, want 1000", n)
	}
	w.Close()
	w.Close()
	write.Close()
}
