// SPDX-License-Identifier: MIT

// Package journal sends lines of the log to systemd's journal, in its native
// protocol, and to syslog. The lines are those of slog.TextHandler, so that whoever
// writes them can count and drop lines without knowing where they go.
//
// The protocol is that of https://systemd.io/JOURNAL_NATIVE_PROTOCOL, priorities are
// those of sd-daemon(3) and syslog(3).
package journal

import (
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where the sockets are.
const (
	NativeSocket = "/run/systemd/journal/socket"
	SyslogSocket = "/dev/log"
)

// identifier is the name of the program in the log.
const identifier = "reflexd"

// IsStream reports whether the descriptor is the stream to the journal that
// JOURNAL_STREAM, the value of the environment's variable, describes: systemd.exec(5).
func IsStream(fd int, stream string) bool {
	dev, ino, ok := strings.Cut(stream, ":")
	var stat unix.Stat_t
	if !ok || unix.Fstat(fd, &stat) != nil {
		return false
	}
	return dev == strconv.FormatUint(uint64(stat.Dev), 10) && ino == strconv.FormatUint(stat.Ino, 10)
}

// OpenNative returns the Sender to the journal whose socket is at path. It fails if
// nobody listens there.
func OpenNative(path string, fallback io.Writer) (*Sender, error) {
	s := &Sender{path: path, encode: encodeNative, large: sendFile, fallback: fallback}
	return s, s.connect()
}

// encodeNative appends an entry in the native protocol.
func encodeNative(b []byte, e *entry, _ time.Time) []byte {
	b = appendField(b, "MESSAGE", e.message)
	b = appendField(b, "PRIORITY", strconv.Itoa(e.priority))
	b = appendField(b, "SYSLOG_IDENTIFIER", identifier)
	for _, f := range e.fields {
		b = appendField(b, fieldName(f.key), f.value)
	}
	return b
}

// appendField appends one field: NAME=VALUE, or a length and the value if that
// has line feeds.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if strings.Contains(value, "\n") {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	} else {
		b = append(b, '=')
	}
	b = append(b, value...)
	return append(b, '\n')
}

// fieldName returns the name in the journal of a key of the log: rule is
// REFLEXD_RULE. The journal refuses names of more than 64 bytes.
func fieldName(key string) string {
	const most = 64
	name := "REFLEXD_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), most)]
}

// sendFile sends what is too large for a datagram, as a sealed file in memory.
func sendFile(fd int, data []byte) error {
	file, err := unix.MemfdCreate("reflexd-log", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	for rest := data; len(rest) > 0; {
		n, err := unix.Write(file, rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(file), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return unix.Sendmsg(fd, nil, unix.UnixRights(file), nil, unix.MSG_NOSIGNAL)
}

// OpenSyslog returns the Sender to the syslog daemon whose socket is at path.
// It need not run yet.
func OpenSyslog(path string, fallback io.Writer) *Sender {
	s := &Sender{path: path, encode: encodeSyslog, large: sendCut, fallback: fallback}
	_ = s.connect() // each line tries again
	return s
}

// daemon is the facility of system daemons.
const daemon = 3 << 3

// encodeSyslog appends an entry as syslogd expects it from programs on its own
// machine: RFC 3164 without the host.
func encodeSyslog(b []byte, e *entry, now time.Time) []byte {
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(daemon|e.priority), 10)
	b = append(b, '>')
	b = now.AppendFormat(b, time.Stamp)
	b = append(b, " "+identifier+"["...)
	b = strconv.AppendInt(b, int64(os.Getpid()), 10)
	b = append(b, "]: "...)
	return append(b, strings.ReplaceAll(e.message, "\n", " ")...)
}

// sendCut sends the beginning of what is too large: syslog has no other way.
func sendCut(fd int, data []byte) error {
	const most = 2048
	return unix.Sendto(fd, data[:min(len(data), most)], unix.MSG_NOSIGNAL, nil)
}
