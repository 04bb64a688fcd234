// SPDX-License-Identifier: MIT

package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listen returns a socket like journald's or syslogd's.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// received returns the next datagram, or the file that was sent instead.
func received(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	data, control := make([]byte, 1<<18), make([]byte, 256)
	n, m, _, _, err := c.ReadMsgUnix(data, control)
	if err != nil {
		t.Fatal(err)
	}
	if m == 0 {
		return string(data[:n])
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || n != 0 {
		t.Fatal(n, err)
	}
	f := os.NewFile(uintptr(fds[0]), "")
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals != unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE {
		t.Errorf("its seals are %#x, %v", seals, err)
	}
	size, err := f.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, size)
	if _, err := f.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode returns the fields of a datagram of the native protocol.
func decode(t *testing.T, data string) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for data != "" {
		line, rest, ok := strings.Cut(data, "\n")
		if !ok {
			t.Fatalf("%q has no end", data)
		}
		name, value, plain := strings.Cut(line, "=")
		if !plain {
			size := binary.LittleEndian.Uint64([]byte(rest))
			value, rest = rest[8:8+size], rest[8+size+1:]
		}
		fields[name], data = value, rest
	}
	return fields
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestNative(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	if _, err := OpenNative(path, broken{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("without a journal: %v", err)
	}
	c := listen(t, path)
	s, err := OpenNative(path, broken{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	log := slog.New(slog.NewTextHandler(s, nil))
	log.Warn("firings dropped", "rule", "the lamp", "count", 3, "within", time.Minute)
	got := decode(t, received(t, c))
	for name, want := range map[string]string{
		"MESSAGE": `firings dropped rule="the lamp" count=3 within=1m0s`, "PRIORITY": "4", "SYSLOG_IDENTIFIER": "reflexd",
		"REFLEXD_RULE": "the lamp", "REFLEXD_COUNT": "3", "REFLEXD_WITHIN": "1m0s",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(got) != 6 {
		t.Errorf("there is more in %q", got)
	}
	log.With("source", "gpio").Error("two\nlines", "error", errors.New("a\nb"), "odd-key", "=\x00")
	got = decode(t, received(t, c))
	if got["MESSAGE"] != "two\nlines source=gpio error=\"a\\nb\" odd-key=\"=\\x00\"" || got["REFLEXD_ERROR"] != "a\nb" || got["REFLEXD_ODD_KEY"] != "=\x00" || got["PRIORITY"] != "3" || got["REFLEXD_SOURCE"] != "gpio" {
		t.Errorf("%q", got)
	}
	large := strings.Repeat("x", 1<<20)
	log.Info("output", "text", large)
	if got = decode(t, received(t, c)); got["REFLEXD_TEXT"] != large {
		t.Errorf("of a large value arrived %d bytes", len(got["REFLEXD_TEXT"]))
	}
}

// A receiver that was started again gets the next line; without one, lines go to the
// fallback, and if that is broken, the caller counts them.
func TestReceiverThatIsStartedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var spare bytes.Buffer
	s := OpenSyslog(path, &spare)
	defer s.Close()
	fmt.Fprint(s, "level=INFO msg=early\n")
	if spare.String() != "level=INFO msg=early\n" {
		t.Errorf("before it listens: %q", spare.String())
	}
	for range 2 {
		c := listen(t, path)
		fmt.Fprint(s, "level=INFO msg=hello\n")
		if got := received(t, c); !strings.HasSuffix(got, ": hello") {
			t.Errorf("%q", got)
		}
		c.Close()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s.fallback = broken{}
	if n, err := s.Write([]byte("level=INFO msg=a\nlevel=INFO msg=b\n")); n != 0 || err == nil {
		t.Errorf("%d bytes of lines that nobody takes, %v", n, err)
	}
}

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c := listen(t, path)
	s := OpenSyslog(path, broken{})
	defer s.Close()
	log := slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.Debug("event", "rule", "a b")
	want := regexp.MustCompile(fmt.Sprintf(`^<31>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d reflexd\[%d\]: event rule="a b"$`, os.Getpid()))
	if got := received(t, c); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
	log.Error("two\nlines")
	if got := received(t, c); !strings.HasPrefix(got, "<27>") || !strings.HasSuffix(got, ": two lines") {
		t.Errorf("%q", got)
	}
	log.Info("long", "text", strings.Repeat("x", 1<<20))
	if got := received(t, c); len(got) != 2048 || !strings.Contains(got, ": long text=xxx") {
		t.Errorf("%d bytes: %.80q", len(got), got)
	}
}

func TestPrefix(t *testing.T) {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Warn("a level=ERROR", "level", "x")
	for line, want := range map[string]string{
		b.String():                                 "<4>{",
		"time=x level=ERROR msg=y\n":               "<3>time=",
		"time=x level=ERROR+1 msg=y\n":             "<3>time=",
		"time=x level=DEBUG msg=\"level=ERROR\"\n": "<7>time=",
		"no line of ours\n":                        "<6>no line",
		"":                                         "<6>",
	} {
		if got := string(Prefixed(nil, []byte(line))); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, line) {
			t.Errorf("%q becomes %q", line, got)
		}
	}
}

func TestIsStream(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	ours := fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	for stream, want := range map[string]bool{ours: true, "": false, "1:2": false, ":": false, ours + "0": false} {
		if got := IsStream(int(f.Fd()), stream); got != want {
			t.Errorf("%q: %v", stream, got)
		}
	}
	if IsStream(-1, ours) {
		t.Error("a descriptor that is closed is a stream")
	}
}

// What a handler writes is read as it was; whatever else comes is a message.
func FuzzEntry(f *testing.F) {
	f.Add("msg", "rule", "the lamp")
	f.Add("two\nlines", "e", "\"\xff\x00=")
	f.Add("", "a", " ")
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		var e entry
		e.parse([]byte(msg))
		_ = encodeNative(nil, &e, time.Time{})
		_ = encodeSyslog(nil, &e, time.Time{})
		_ = Prefixed(nil, []byte(msg))
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(key) {
			return
		}
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Warn(msg, key, value)
		e.parse(b.Bytes())
		valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		if !strings.HasPrefix(valid(e.message), valid(msg)) && valid(msg) == msg {
			t.Errorf("%q has the message %q", b.String(), e.message)
		}
		if len(e.fields) != 1 || e.fields[0].key != key || e.fields[0].value != value && valid(value) == value || e.priority != warningPriority {
			t.Errorf("%q has the fields %q, priority %d", b.String(), e.fields, e.priority)
		}
		if text := encodeNative(nil, &e, time.Time{}); decode(t, string(text))["MESSAGE"] != e.message {
			t.Errorf("%q is encoded as %q", e.message, text)
		}
	})
}

func BenchmarkNative(b *testing.B) {
	line := []byte("time=2026-01-01T00:00:00.000Z level=INFO msg=fired rule=\"the lamp follows the bell\" event=\"line bell pressed\" source=gpio\n")
	var e entry
	var packet []byte
	for b.Loop() {
		e.parse(line)
		packet = encodeNative(packet[:0], &e, time.Time{})
	}
}
