// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pty returns the two ends of a terminal.
func pty(t *testing.T) (master *os.File, slave string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals: ", err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master, fmt.Sprintf("/dev/pts/%d", number)
}

// A board asks on a serial line, and a rule answers.
func TestSerialDialogue(t *testing.T) {
	master, slave := pty(t)
	r := start(t, strings.ReplaceAll(`
files: {board: {path: SLAVE, serial: {speed: 115200, dtr: off}, read: line, end: "\r"}}
rules:
  - name: answer
    when: {file: board, where: {TEXT: "WHO *"}}
    do:
      - send: {file: board, text: "you are ${TEXT}\r"}
      - send: {file: board, data: "02 00 03"}
      - log: "answered"
`, "SLAVE", slave))
	if _, err := master.WriteString("WHAT\rWHO 7\r"); err != nil {
		t.Fatal(err)
	}
	r.expect("msg=answered")
	const want = "you are WHO 7\r\x02\x00\x03"
	b := make([]byte, len(want)) // it may come in pieces
	if n, err := io.ReadFull(master, b); err != nil || string(b) != want {
		t.Errorf("sent %q (%v), expected %q", b[:n], err, want)
	}
	master.Close()
	r.expect("file lost")
}
