// SPDX-License-Identifier: MIT

// Package logtest has a log for tests, which can be waited for.
package logtest

import (
	"strings"
	"sync"
	"time"
)

// Log keeps what is written to it. Its methods may be called from any goroutine.
type Log struct {
	mu    sync.Mutex
	more  *sync.Cond
	lines []string
}

// New returns an empty log.
func New() *Log {
	l := &Log{}
	l.more = sync.NewCond(&l.mu)
	return l
}

// Write takes one line, as handlers of slog write them.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	l.more.Broadcast()
	return len(line), nil
}

// String returns all lines.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// Await waits for a line with all the words and returns it. ok is false if there is
// none after patience.
func (l *Log) Await(patience time.Duration, words ...string) (line string, ok bool) {
	late := false
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.more.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for from := 0; ; l.more.Wait() {
		for ; from < len(l.lines); from++ {
			if hasAll(l.lines[from], words) {
				return l.lines[from], true
			}
		}
		if late {
			return "", false
		}
	}
}

// Count returns how many lines have all the words.
func (l *Log) Count(words ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if hasAll(line, words) {
			n++
		}
	}
	return n
}

func hasAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}
