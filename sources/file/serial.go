// SPDX-License-Identifier: MIT

// Serial lines: how a terminal is set before it is read.

package file

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// serial is how a serial line is set. The zero value leaves it as it is.
type serial struct {
	speed   int // bits per second; 0 for no serial line at all
	mode    mode
	flow    string
	keepDTR bool // DTR is not dropped when the line is closed
}

// The values of `flow`.
const (
	flowNone = "none"
	flowRTS  = "rtscts"
	flowXON  = "xonxoff"
)

// mode is the form of a character on the line: 8N1.
type mode struct{ data, parity, stop byte }

func parseMode(s string) (mode, error) {
	if len(s) == 3 && strings.Contains("5678", s[:1]) && strings.Contains("NEO", s[1:2]) && strings.Contains("12", s[2:]) {
		return mode{s[0] - '0', s[1], s[2] - '0'}, nil
	}
	return mode{}, fmt.Errorf("expected data bits, parity N, E or O and stop bits, such as 8N1 or 7E1, found %q", s)
}

func (m mode) String() string { return string([]byte{m.data + '0', m.parity, m.stop + '0'}) }

// fastest is more than any driver does.
const fastest = 20_000_000

// serialValue returns the Value for the field serial.
func serialValue(s *serial) config.Value {
	dtr := true
	fields := config.Object(
		config.Field{Name: "speed", Also: "baud baudrate", Required: true, Doc: "bits per second", Value: config.Int(&s.speed, 50, fastest)},
		config.Field{Name: "mode", Default: "8N1", Doc: "data bits, parity (N, E or O) and stop bits", Value: config.Parsed(&s.mode, "mode", parseMode)},
		config.Field{Name: "flow", Default: flowNone, Doc: "flow control: by the lines RTS and CTS, by the characters XON and XOFF, or none",
			Value: config.OneOf(&s.flow, flowNone, flowRTS, flowXON)},
		config.Field{Name: "dtr", Default: "on", Doc: "off: do not drop DTR when the line is closed, so that a board that resets when DTR is raised is not reset by each opening",
			Value: config.Bool(&dtr)},
	)
	return config.Wrap(fields, func(n config.Node, ps *config.Problems) {
		*s = serial{mode: mode{8, 'N', 1}, flow: flowNone}
		fields.Read(n, ps)
		s.keepDTR = !dtr
	})
}

// set makes t what s says: raw, with no character of any meaning.
func (s *serial) set(t *unix.Termios) {
	*t = unix.Termios{Line: t.Line, Cc: t.Cc, Ispeed: uint32(s.speed), Ospeed: uint32(s.speed)}
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	t.Iflag = unix.IGNBRK // a break is no NUL byte
	t.Cflag = unix.CREAD | unix.CLOCAL | unix.BOTHER
	t.Cflag |= [...]uint32{unix.CS5, unix.CS6, unix.CS7, unix.CS8}[s.mode.data-5]
	if s.mode.parity != 'N' {
		t.Cflag |= unix.PARENB
		t.Iflag |= unix.INPCK | unix.IGNPAR
	}
	if s.mode.parity == 'O' {
		t.Cflag |= unix.PARODD
	}
	if s.mode.stop == 2 {
		t.Cflag |= unix.CSTOPB
	}
	if !s.keepDTR {
		t.Cflag |= unix.HUPCL
	}
	switch s.flow {
	case flowRTS:
		t.Cflag |= unix.CRTSCTS
	case flowXON:
		t.Iflag |= unix.IXON | unix.IXOFF
	}
}

var errNotSerial = errors.New("it is not a serial line: remove `serial`")

// modeBits are those of Cflag that a driver may refuse.
const modeBits = unix.CSIZE | unix.PARENB | unix.PARODD | unix.CSTOPB | unix.CRTSCTS

// apply sets the terminal of fd. What was received before with other settings
// is worth nothing and is discarded. A driver that cannot do what is asked for
// does something else instead, so the settings are read back.
func (s *serial) apply(fd int) error {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return errNotSerial
	}
	if err != nil {
		return fmt.Errorf("get its settings (TCGETS2): %w", err)
	}
	want := *before
	s.set(&want)
	if want == *before {
		return nil
	}
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, &want); err != nil {
		return fmt.Errorf("set its speed and mode (TCSETS2): %w", err)
	}
	_ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) // it never fails on a terminal
	is, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return fmt.Errorf("get its settings (TCGETS2): %w", err)
	}
	return s.differs(&want, is)
}

// differs says what a driver has not set as it was asked to. Clocks divide: a
// few percent of the speed are no difference.
func (s *serial) differs(want, is *unix.Termios) error {
	off := int64(is.Ospeed) - int64(want.Ospeed)
	switch {
	case max(off, -off)*100 > 3*int64(want.Ospeed):
		return fmt.Errorf("its driver cannot do %d bits per second, only %d", s.speed, is.Ospeed)
	case is.Cflag&modeBits != want.Cflag&modeBits:
		return fmt.Errorf("its driver cannot do mode %v with flow control %s", s.mode, s.flow)
	}
	return nil
}
