// SPDX-License-Identifier: MIT

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// From a FIFO to a rule, and the action that closes it. (The agent of this test does
// not run on the thread that it was made on, so signals would not do.)
func TestFilesReachRules(t *testing.T) {
	r := start(t, `
files: {bell: {path: DIR/bell, watch: epoll, read: line}}
rules:
  - {name: ring, when: {file: bell, where: {TEXT: "ding*"}}, do: {log: "heard ${TEXT} of ${FILE}"}}
  - {name: rest, when: {event: rest}, do: {source: {close: bell}}}
  - {name: wake, when: {event: wake}, do: {source: {open: bell}}}
`)
	path := filepath.Join(r.dir, "bell")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r.expect("file opened", "file=bell")
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("dong\nding dong\n"); err != nil {
		t.Fatal(err)
	}
	r.expect("heard ding dong of bell")
	r.send("rest")
	r.expect("file closed", "file=bell")
	if _, err := w.WriteString("ding\n"); err == nil {
		t.Error("the FIFO still has a reader")
	}
	r.send("wake")
	r.expect("file opened", "file=bell")
	if n := r.count("msg=\"heard"); n != 1 {
		t.Errorf("heard %d times", n)
	}
}

func TestSourceActionIsChecked(t *testing.T) {
	for do, want := range map[string]string{
		"{source: {close: bel}}":              `no file or socket is called "bel"; did you mean "bell"?`,
		"{source: {open: other}}":             `no file or socket is called "other"; declared: bell`,
		"{source: {}}":                        "expected either {close: NAME} or {open: NAME}",
		"{source: {open: bell, close: bell}}": "expected either {close: NAME} or {open: NAME}",
	} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		yaml := "files: {bell: {path: /x}}\nrules: [{when: {agent: started}, do: " + do + "}]"
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		_, ps, err := Load([]string{file})
		if err != nil || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v, %q lacks %q", do, err, ps.Error(), want)
		}
	}
}
