// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

func newTestJournal() (*journal, *strings.Builder) {
	var printed strings.Builder
	return &journal{out: &printed, changed: make(chan struct{})}, &printed
}

func TestJournalWaitsForWhatComes(t *testing.T) {
	j, printed := newTestJournal()
	j.add("reflexd", "started")
	from := j.now()
	go func() {
		j.add("reflexd", "noise")
		j.add("GPIO27", "the LED is on")
	}()
	if err := j.await(t.Context(), from, regexp.MustCompile("^GPIO27: the LED is on$")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(printed.String(), "    GPIO27   the LED is on\n") {
		t.Errorf("printed:\n%s", printed)
	}
}

func TestJournalDoesNotTakeThePastForTheFuture(t *testing.T) {
	j, _ := newTestJournal()
	j.add("reflexd", "ding dong")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := j.await(ctx, j.now(), regexp.MustCompile("ding")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestJournalTellsTheEnd(t *testing.T) {
	j, _ := newTestJournal()
	end := errors.New("reflexd has ended")
	go j.fail(end)
	if err := j.await(t.Context(), 0, regexp.MustCompile("anything")); !errors.Is(err, end) {
		t.Errorf("error %v", err)
	}
}

func TestKeyName(t *testing.T) {
	for name, want := range map[string]string{
		"KEY_VOLUMEUP": "volumeup", "key_a": "a", "ret": "ret", "KEY_ENTER": "ret", "Mute": "audiomute",
	} {
		if got := keyName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestObeyComplains(t *testing.T) {
	j, _ := newTestJournal()
	s := &stage{journal: j, plugged: map[string]bool{}}
	for line, want := range map[string]string{
		"dance": "help lists", "yank": "no USB drive", "type a": "no keyboard", "hold for ever": "expected seconds", "hold 1e9": "at most 60", "hold NaN": "expected seconds",
		"turn": "expected steps", "turn 21": "at most 20", "turn x": "expected steps", "put": "no such file", "put nowhere.yaml": "no such file",
	} {
		if err := obey(t.Context(), s, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", line, err, want)
		}
	}
	if err := obey(t.Context(), s, ""); err != nil {
		t.Errorf("an empty line: %v", err)
	}
}

func TestConverseEndsWithTheInput(t *testing.T) {
	j, printed := newTestJournal()
	s := &stage{journal: j, plugged: map[string]bool{}}
	if err := converse(t.Context(), s, strings.NewReader("what\n")); err != nil {
		t.Error(err)
	}
	if err := converse(t.Context(), s, io.MultiReader(strings.NewReader("quit\n"), neverEnding{})); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"press the button", `unknown command "what"`} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q was not printed:\n%s", want, printed)
		}
	}
}

// neverEnding is an input at which someone sits who does not type.
type neverEnding struct{}

func (neverEnding) Read([]byte) (int, error) { select {} }

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-reflexd"}, {"-reflexd", "x", "y"}, {"-bogus"}} {
		if code := run(args, strings.NewReader(""), io.Discard, io.Discard); code != 2 {
			t.Errorf("%q: code %d, want 2", args, code)
		}
	}
}
