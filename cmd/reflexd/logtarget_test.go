// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/journal"
)

// Lines have priorities if the journal reads standard error, and only then.
func TestLinesForTheJournalHavePriorities(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "it.yaml")
	if err := os.WriteFile(file, []byte("rules: [{when: {event: a}, do: {log: b}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ours := range []bool{true, false} {
		log, err := os.Create(filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := log.Stat()
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		stream := fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino)
		if !ours {
			stream += "0"
		}
		c := ourselves(t, "run", "-c", file, "--socket", filepath.Join(dir, "s"), "--log-format", "json", "--dry-run")
		c.Stderr, c.Env = log, append(os.Environ(), stream)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		text, err := awaitFile(log.Name(), func(text []byte) bool { return bytes.Contains(text, []byte("started")) })
		if err != nil {
			t.Error(err)
		}
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		log.Close()
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "<6>{") != ours || strings.HasPrefix(line, "{") == ours {
				t.Errorf("a stream of ours %v: %s", ours, line)
			}
		}
	}
}

func TestLogTargets(t *testing.T) {
	var out bytes.Buffer
	c := &command{stderr: &out}
	for _, bad := range []struct{ target, format, want string }{
		{"jurnal", "text", `--log-target: expected auto, stderr, journal or syslog, found "jurnal"; did you mean "journal"?`},
		{"auto", "xml", `--log-format: expected text or json, found "xml"`},
		{"syslog", "json", "--log-format json is for standard error; syslog has its own form"},
	} {
		if _, _, err := c.openLog(bad.target, bad.format); err == nil || err.Error() != bad.want {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if w, format, err := c.openLog("stderr", "json"); w != c.stderr || format != (logFormat{name: "json"}) || err != nil {
		t.Error(w, format, err)
	}
}

// A syslogd that does not read costs lines, which are counted, and nobody waits.
func TestSyslogThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	w := newLogWriter(journal.OpenSyslog(path, os.Stderr), logFormat{name: "text"})
	const lines = 2000
	for i := range lines {
		fmt.Fprintf(w, "level=INFO msg=line number=%d text=%s\n", i, strings.Repeat("x", 1000))
	}
	seen, lost := 0, 0
	buf := make([]byte, 1<<16)
	for seen+lost < lines {
		if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := daemon.Read(buf)
		if err != nil {
			t.Fatalf("%d lines arrived, %d are reported as lost, of %d: %v", seen, lost, lines, err)
		}
		text := string(buf[:n])
		if _, rest, ok := strings.Cut(text, "log lines were dropped"); ok {
			_, count, _ := strings.Cut(rest, "count=")
			more := 0
			fmt.Sscan(count, &more)
			lost += more
		} else {
			seen++
		}
	}
	if seen+lost != lines || lost == 0 {
		t.Errorf("%d lines arrived, %d are reported as lost, of %d", seen, lost, lines)
	}
	w.Close()
}
