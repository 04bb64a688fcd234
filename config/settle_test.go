// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file is read when whoever truncated it has written all of it.
func TestSettleWaitsForTheWriter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	for round := range 5 {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, part := range []string{"rules: ", "[1,", "2]"} {
				time.Sleep(time.Duration(round) * 10 * time.Millisecond)
				f.WriteString(part)
			}
			f.Close()
		}()
		var text []byte
		if err := Settle([]string{dir}, func() { text, _ = os.ReadFile(path) }); err != nil || string(text) != "rules: [1,2]" {
			t.Errorf("round %d: %q, %v", round, text, err)
		}
	}
}

// A file that is replaced by an older one while others are read is read again,
// and so is a folder that a file is added to.
func TestSettleReadsAgainWhatMoved(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := file("a.yaml", "old"), file("b.txt", "new")
	reads := 0
	err := Settle([]string{dir}, func() {
		switch reads++; reads {
		case 1:
			os.Rename(b, a)
		case 2:
			file("c.yaml", "")
		}
	})
	if err != nil || reads != 3 {
		t.Errorf("read %d times, want 3: %v", reads, err)
	}
}

func TestSettleGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	write := func() { os.WriteFile(path, []byte("rules: []"), 0o600) }
	write()
	if err := Settle([]string{path}, write); !errors.Is(err, ErrUnsettled) {
		t.Error(err)
	}
}

// A clock that was set back does not make every file a new one.
func TestSettleWithFilesOfTheFuture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := stamps([]string{path})[0]
	at := time.Unix(s.changed.Unix())
	if !s.recent(at.Add(quiet/2)) || !s.recent(at.Add(-quiet/2)) || s.recent(at.Add(2*quiet)) || s.recent(at.Add(-time.Hour)) {
		t.Error("recent is not: within 100 ms")
	}
}
