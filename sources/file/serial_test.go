// SPDX-License-Identifier: MIT

package file

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// line opens a terminal as the serial line DIR/a, with more fields than
// its speed.
func (r *rig) line(more string) (master *os.File) {
	r.t.Helper()
	master, slave := terminal(r.t)
	r.must(os.Symlink(slave, r.path("a")))
	r.apply("files: {a: {path: DIR/a, serial: {speed: 9600}" + more + "}}")
	r.logged("file opened")
	return master
}

// termios returns the settings of the open file a.
func (r *rig) termios() (t unix.Termios) {
	r.do(func() {
		is, err := unix.IoctlGetTermios(r.source.nodes["a"].fd, unix.TCGETS2)
		if err != nil {
			r.t.Error(err)
			return
		}
		t = *is
	})
	return t
}

func TestSerialIsSet(t *testing.T) {
	for _, tc := range []struct {
		serial       string
		speed        uint32
		cflag, iflag uint32
	}{
		{"{speed: 9600}", 9600, unix.HUPCL, 0},
		{"{speed: 250000, mode: 8N1, dtr: off}", 250000, 0, 0},
		{"{speed: 115200, mode: 8N2, flow: rtscts}", 115200, unix.HUPCL | unix.CSTOPB | unix.CRTSCTS, 0},
		{"{speed: 50, flow: xonxoff}", 50, unix.HUPCL, unix.IXON | unix.IXOFF},
	} {
		r := newRig(t)
		_, slave := terminal(t)
		r.must(os.Symlink(slave, r.path("a")))
		r.apply("files: {a: {path: DIR/a, serial: " + tc.serial + "}}")
		r.logged("file opened")
		is := r.termios()
		if is.Ospeed != tc.speed {
			t.Errorf("%s: the speed is %d", tc.serial, is.Ospeed)
		}
		const cflags = unix.HUPCL | unix.CSTOPB | unix.CRTSCTS | unix.CSIZE | unix.CLOCAL | unix.CREAD
		if want := tc.cflag | unix.CS8 | unix.CLOCAL | unix.CREAD; is.Cflag&cflags != want {
			t.Errorf("%s: c_cflag is %#x, expected %#x", tc.serial, is.Cflag&cflags, want)
		}
		if want := tc.iflag | unix.IGNBRK; is.Iflag != want || is.Oflag != 0 || is.Lflag != 0 {
			t.Errorf("%s: it is not raw: %#x %#x %#x, expected %#x 0 0", tc.serial, is.Iflag, is.Oflag, is.Lflag, want)
		}
	}
}

// A terminal that is none of a UART has 8 bits and no parity, whatever it is
// told. That its driver did something else must not go unseen.
func TestSerialThatTheDriverCannotDo(t *testing.T) {
	r := newRig(t)
	_, slave := terminal(t)
	r.must(os.Symlink(slave, r.path("a")))
	r.apply("files: {a: {path: DIR/a, serial: {speed: 9600, mode: 7E1}}}")
	if st := r.status("a"); st.OK || !strings.Contains(st.Error, "its driver cannot do mode 7E1") {
		t.Errorf("status is %+v", st)
	}
	s := serial{speed: 115200, mode: mode{8, 'N', 1}}
	var want unix.Termios
	s.set(&want)
	is := want
	if is.Ospeed = 117647; s.differs(&want, &is) != nil { // a divisor of 1.5 MHz
		t.Error("a speed that is 2 % off is refused")
	}
	if is.Ospeed = 9600; s.differs(&want, &is) == nil {
		t.Error("another speed is taken")
	}
}

func TestParity(t *testing.T) {
	for text, want := range map[string][2]uint32{
		"8N1": {unix.CS8, 0}, "7E1": {unix.CS7 | unix.PARENB, unix.INPCK | unix.IGNPAR},
		"7O2": {unix.CS7 | unix.PARENB | unix.PARODD | unix.CSTOPB, unix.INPCK | unix.IGNPAR}, "5N2": {unix.CS5 | unix.CSTOPB, 0},
	} {
		m, err := parseMode(text)
		s, is := serial{speed: 9600, mode: m}, unix.Termios{}
		s.set(&is)
		if err != nil || m.String() != text || is.Cflag&modeBits != want[0] || is.Iflag&^unix.IGNBRK != want[1] {
			t.Errorf("%s: %v %#x %#x %v", text, m, is.Cflag&modeBits, is.Iflag, err)
		}
	}
	for _, text := range []string{"", "8N", "9N1", "8X1", "8N3", "8N1 ", "8n1"} {
		if _, err := parseMode(text); err == nil {
			t.Errorf("%q is taken for a mode", text)
		}
	}
}

func TestOnlySerialLinesAreSet(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.apply("files: {a: {path: DIR/a, serial: {speed: 9600}}, b: {path: /dev/null, serial: {speed: 9600}}}")
	for _, name := range []string{"a", "b"} {
		if st := r.status(name); st.OK || !strings.Contains(st.Error, "it is not a serial line") {
			t.Errorf("status of %s is %+v", name, st)
		}
	}
}

func TestLinesThatEndInCR(t *testing.T) {
	r := newRig(t)
	master := r.line(`, read: line, end: "\r"`)
	r.write(master, "$GPRMC,1\r$GPG")
	r.expect("readable a TEXT=$GPRMC,1")
	r.write(master, "GA,2\r\r")
	r.expect("readable a TEXT=$GPGGA,2", "readable a TEXT=")
}

func TestFrames(t *testing.T) {
	r := newRig(t)
	master := r.line(`, read: line, start: "\x02", end: "\x03", max: 8`)
	r.write(master, "noise\x0212345\x03 between \x02lost\x0267\x03")
	r.expect("readable a TEXT=12345", "readable a TEXT=67")
	r.write(master, "\x02much longer than that\x03\x02\x03")
	r.expect("readable a TEXT=much lon TRUNCATED=1", "readable a TEXT=")
}

// Slow lines bring a byte at a time, long before a line is whole: that is not
// the sign of a device that is always readable and has nothing.
func TestAByteAtATime(t *testing.T) {
	r := newRig(t)
	master := r.line(`, read: line`)
	long := strings.Repeat("x", 2*patience)
	for _, c := range long {
		before := r.wakeups()
		r.write(master, string(c))
		for r.wakeups() == before {
		}
	}
	r.write(master, "\n")
	r.expect("readable a TEXT=" + long)
}

func TestRecordsByLength(t *testing.T) {
	r := newRig(t)
	master := r.line(`, length: 4`)
	r.write(master, "abcdefg")
	r.expect("readable a TEXT=abcd")
	r.write(master, "hijklm")
	r.expect("readable a TEXT=efgh", "readable a TEXT=ijkl")
}

func TestRecordsByGap(t *testing.T) {
	r := newRig(t)
	master := r.line(`, gap: 50ms, max: 8`)
	r.write(master, "abc")
	r.expect("readable a TEXT=abc")
	r.write(master, "0123456789")
	r.expect("readable a TEXT=01234567 TRUNCATED=1")
}

// What is incomplete when the line falls silent is not the beginning of the
// next record.
func TestRecordsByLengthAndGap(t *testing.T) {
	r := newRig(t)
	master := r.line(`, length: 4, gap: 50ms`)
	r.write(master, "ab")
	r.logged("incomplete record discarded")
	r.write(master, "cdefgh")
	r.expect("readable a TEXT=cdef")
}

// A line that is cut off by the unplugging of its adapter is none.
func TestUnpluggedInMidLine(t *testing.T) {
	r := newRig(t)
	master := r.line(`, read: line`)
	r.write(master, "one\ntw")
	r.expect("readable a TEXT=one")
	master.Close()
	r.expect("hung-up a")
}

// An adapter is plugged in, unplugged, and plugged in again: its link comes in
// a folder that comes and goes with it.
func TestSerialByID(t *testing.T) {
	r := newRig(t)
	link := r.path("serial/by-id/usb-GPS-if00")
	r.apply("files: {a: {path: DIR/serial/by-id/usb-GPS-if00, serial: {speed: 4800}, read: line}}")
	for i := range 3 {
		master, slave := terminal(t)
		r.must(os.MkdirAll(filepath.Dir(link), 0o755))
		r.must(os.Symlink(slave, link))
		r.await("opened again", func() bool { return strings.Count(r.log.String(), "file opened") == i+1 })
		r.write(master, fmt.Sprintf("%d\n", i))
		r.expect(fmt.Sprintf("readable a TEXT=%d", i))
		r.must(os.RemoveAll(r.path("serial")))
		master.Close()
		r.await("it is lost", func() bool { return strings.Count(r.log.String(), "file lost") == i+1 })
		r.expect("hung-up a")
	}
}

// sendAll sends texts to a, and returns what came of them when all is done.
func (r *rig) sendAll(timeout time.Duration, texts ...string) func() []string {
	results := make([]string, len(texts))
	done := make(chan struct{}, len(texts))
	r.do(func() {
		for i, text := range texts {
			r.source.Send("a", []byte(text), timeout, func(err error) {
				results[i] = fmt.Sprint(err)
				done <- struct{}{}
			})
		}
	})
	return func() []string {
		for range texts {
			<-done
		}
		return results
	}
}

func TestSend(t *testing.T) {
	r := newRig(t)
	master := r.line("")
	if got := r.sendAll(time.Minute, "AT\r", "\x00\xff\n")(); !slices.Equal(got, []string{"<nil>", "<nil>"}) {
		t.Fatal(got)
	}
	b := make([]byte, 6)
	if n, err := io.ReadFull(master, b); err != nil || string(b) != "AT\r\x00\xff\n" { // in one piece or two
		t.Errorf("%q %v", b[:n], err)
	}
}

// A line that takes nothing holds nobody up: what waits is written when there
// is room, in order, and what waits too long fails.
func TestSendToALineThatTakesNothing(t *testing.T) {
	r := newRig(t)
	master := r.line("")
	first, second := strings.Repeat("1", 40_000), strings.Repeat("2", 20_000)
	results := r.sendAll(time.Minute, first, second, strings.Repeat("3", mostWaiting))
	r.write(master, "still read\n")
	r.expect("readable a TEXT=still read")
	got := make([]byte, len(first)+len(second))
	for n := 0; n < len(got); {
		k, err := master.Read(got[n:min(n+100, len(got))]) // at each there is a little room again
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if !bytes.Equal(got, []byte(first+second)) {
		t.Error("it arrives otherwise than it was sent")
	}
	if all := results(); all[0] != "<nil>" || all[1] != "<nil>" || !strings.Contains(all[2], "takes no more") {
		t.Error(all)
	}
	before := r.wakeups()
	r.quiet()
	if n := r.wakeups() - before; n > 20 {
		t.Errorf("%d wake-ups when nothing waits any more", n)
	}
	late := r.sendAll(10*time.Millisecond, first)()
	if !strings.Contains(late[0], "did not take it within 10ms") {
		t.Error(late)
	}
	cut := r.sendAll(time.Minute, first)
	r.do(func() { r.source.Switch("a", false) })
	if got := cut(); !strings.Contains(got[0], "was closed") {
		t.Error(got)
	}
	if got := r.sendAll(time.Minute, "x")(); !strings.Contains(got[0], "is not open: closed by the action") {
		t.Error(got)
	}
}

// model is what lines a stream has, found in another way.
func model(stream, start, end string) (lines []string) {
	line, inside := "", start == ""
	known := 0
	for i := range len(stream) {
		known++
		if inside {
			line += stream[i : i+1]
		}
		ends := func(mark string) bool { return known >= len(mark) && strings.HasSuffix(stream[:i+1], mark) }
		switch {
		case inside && ends(end):
			line = strings.TrimSuffix(line, end)
			if start != end || line != "" {
				lines = append(lines, line)
			}
			line, inside, known = "", start == "" || start == end, 0
		case start != "" && ends(start):
			line, inside, known = "", true, 0
		}
	}
	return lines
}

func FuzzFrames(f *testing.F) {
	f.Add("x\x02a\x03\x02b\x02c\x03", "\x02", "\x03", 3, 4)
	f.Add("~a~~b~", "~", "~", 1, 4)
	f.Add("a\r\r\nb\r\n", "", "\r\n", 2, 2)
	f.Fuzz(func(t *testing.T, stream, start, end string, step, most int) {
		if len(start) > longestMark || len(end) > longestMark || end == "" {
			return
		}
		step, most = max(1, step), min(max(1, most), largest)
		s := newSplitter(&settings{max: most, framing: framing{start: start, end: end}})
		var got []string
		for b := []byte(stream); len(b) > 0; b = b[min(step, len(b)):] {
			s.split(b[:min(step, len(b))], func(line []byte, cut bool) { got = append(got, fmt.Sprint(string(line), cut)) })
		}
		var want []string
		for _, line := range model(stream, start, end) {
			want = append(want, fmt.Sprint(line[:min(most, len(line))], len(line) > most))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, expected %q", got, want)
		}
		s.rest()
	})
}
