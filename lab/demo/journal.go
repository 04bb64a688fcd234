// SPDX-License-Identifier: MIT

// The journal: all that happens, printed as it comes, and waited for.

package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"sync"
)

// A journal keeps what happened. It may be used by several goroutines at once.
type journal struct {
	out io.Writer

	mu      sync.Mutex // guards what follows, and keeps lines whole on out
	entries []string
	changed chan struct{} // closed, and replaced, at each change
	err     error         // why nothing more will happen
}

// say prints a line that is no event: what we do, or explain.
func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, format+"\n", args...)
}

// add prints an event and wakes those who wait.
func (j *journal) add(who, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, "    %-8s %s\n", who, what)
	j.entries = append(j.entries, who+": "+what)
	j.notify()
}

// fail says that no event will come any more.
func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
	j.notify()
}

func (j *journal) notify() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// now is the place in the journal behind all that has happened.
func (j *journal) now() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries)
}

// await waits for an event that matches pattern, at or after the given place.
func (j *journal) await(ctx context.Context, from int, pattern *regexp.Regexp) error {
	for {
		found, changed, err := j.look(from, pattern)
		if found || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("nothing came that matches %q: %w", pattern, ctx.Err())
		}
	}
}

func (j *journal) look(from int, pattern *regexp.Regexp) (found bool, changed <-chan struct{}, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, entry := range j.entries[from:] {
		if pattern.MatchString(entry) {
			return true, nil, nil
		}
	}
	return false, j.changed, j.err
}
