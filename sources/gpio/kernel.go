// SPDX-License-Identifier: MIT

// What is asked of the kernel: the ioctls of linux/gpio.h, and the records
// that a requested line is read in.

package gpio

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// kernel is the few calls that touch a device. Levels are physical. Tests put
// a chip of their own in place of cdev.
type kernel struct {
	open     func(path string) (chip int, err error)
	chipInfo func(chip int) (uapi.ChipInfo, error)
	lineInfo func(chip, offset int) (uapi.LineInfoV2, error)
	request  func(chip int, r *uapi.LineRequest) error // sets r.Fd, O_CLOEXEC but blocking
	get      func(request, lines int) (levels, error)
	set      func(line int, high bool) error // allocates nothing
	toInput  func(line int, bias uapi.LineFlagV2) error
	// watchLines returns a non-blocking descriptor that says what others do with
	// lines of a chip, and whether one of them is free now.
	watchLines func(path string, offsets []int) (fd int, free bool, err error)
}

// cdev is the kernel's own character device.
var cdev = kernel{
	open: func(path string) (int, error) {
		// Reading is all that the ioctls need. O_NONBLOCK keeps a FIFO of
		// that name from stopping us.
		return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	},
	chipInfo: func(chip int) (uapi.ChipInfo, error) { return uapi.GetChipInfo(uintptr(chip)) },
	lineInfo: func(chip, offset int) (uapi.LineInfoV2, error) {
		return uapi.GetLineInfoV2(uintptr(chip), offset)
	},
	request: func(chip int, r *uapi.LineRequest) error { return uapi.GetLine(uintptr(chip), r) },
	get: func(request, lines int) (levels, error) {
		v := uapi.LineValues{Mask: 1<<lines - 1}
		err := uapi.GetLineValuesV2(uintptr(request), &v)
		return levels{v.Bits&1 != 0, v.Bits&2 != 0}, err
	},
	set: func(line int, high bool) error {
		return uapi.SetLineValuesV2(uintptr(line), uapi.LineValues{Bits: bit(high), Mask: 1})
	},
	toInput: func(line int, bias uapi.LineFlagV2) error {
		return uapi.SetLineConfigV2(uintptr(line), &uapi.LineConfig{Flags: uapi.LineFlagV2Input | bias})
	},
	watchLines: watchLines,
}

func watchLines(path string, offsets []int) (fd int, free bool, err error) {
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, false, err
	}
	for _, offset := range offsets {
		info := uapi.LineInfoV2{Offset: uint32(offset)}
		if err := uapi.WatchLineInfoV2(uintptr(fd), &info); err != nil {
			unix.Close(fd)
			return -1, false, err
		}
		free = free || !info.Flags.IsUsed()
	}
	return fd, free, nil
}

func bit(on bool) uapi.LineBitmap {
	if on {
		return 1
	}
	return 0
}

// Error numbers that the kernel lets out though no C library knows them.
const (
	eProbeDefer = unix.Errno(517) // EPROBE_DEFER: a driver that it needs is not there yet
	eNotSupp    = unix.Errno(524) // ENOTSUPP
)

// The sizes of the kernel's event queue for one line, in edges of 48 bytes.
// 1024 is the most that it grants: for bursts. Where the kernel debounces, two
// edges are at least a jiffy apart and the queue need not be long.
const (
	queueSize          = 1024
	debouncedQueueSize = 64
)

// lineRequest returns the request for lines as s wants them. on is the logical
// level that an output begins with.
func lineRequest(offsets []int, s settings, on bool) *uapi.LineRequest {
	r := bareRequest(offsets...)
	r.Config.Flags = biasFlags.of(s.bias)
	if s.output {
		r.Config.Flags |= uapi.LineFlagV2Output | driveFlags.of(s.drive)
		initial := uapi.OutputValues(bit(on != s.activeLow()))
		r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: initial.Encode(), Mask: 1})
		return r
	}
	r.Config.Flags |= uapi.LineFlagV2Input | edgeFlags.of(s.edges)
	r.EventBufferSize = queueSize
	if s.debounce > 0 {
		r.EventBufferSize = debouncedQueueSize
		period := uapi.DebouncePeriod(s.debounce)
		r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: period.Encode(), Mask: 1})
	}
	return r
}

// bareRequest returns the request for lines that leaves them as they are.
func bareRequest(offsets ...int) *uapi.LineRequest {
	r := &uapi.LineRequest{Lines: uint32(len(offsets))}
	for i, offset := range offsets {
		r.Offsets[i] = uint32(offset)
	}
	copy(r.Consumer[:], consumerName)
	return r
}

// consumerName is the name under which the kernel shows our lines to others.
const consumerName = "reflexd"

// flagWords are the kernel's flags for words of the configuration. What is not
// among them is the absence of a flag.
type flagWords []struct {
	word string
	flag uapi.LineFlagV2
}

var (
	biasFlags = flagWords{
		{"pull-up", uapi.LineFlagV2BiasPullUp}, {"pull-down", uapi.LineFlagV2BiasPullDown}, {"disabled", uapi.LineFlagV2BiasDisabled},
	}
	driveFlags = flagWords{{"open-drain", uapi.LineFlagV2OpenDrain}, {"open-source", uapi.LineFlagV2OpenSource}}
	edgeFlags  = flagWords{{bothEdges, uapi.LineFlagV2EdgeBoth}, {rising, uapi.LineFlagV2EdgeRising}, {falling, uapi.LineFlagV2EdgeFalling}}
)

// of returns the flag for a word.
func (f flagWords) of(word string) uapi.LineFlagV2 {
	for i := range f {
		if f[i].word == word {
			return f[i].flag
		}
	}
	return 0
}

// word returns the word for what is in flags, none for nothing.
func (f flagWords) word(flags uapi.LineFlagV2, none string) string {
	for i := range f {
		if f[i].flag&flags != 0 {
			return f[i].word
		}
	}
	return none
}

// describe returns what info tells, in the words of the configuration.
func describe(info *uapi.LineInfoV2) LineInfo {
	f := info.Flags
	l := LineInfo{
		Offset:    int(info.Offset),
		Name:      text(info.Name[:]),
		Consumer:  text(info.Consumer[:]),
		Used:      f.IsUsed(),
		Direction: Input,
		ActiveLow: f.IsActiveLow(),
	}
	switch {
	case f.IsBothEdges():
		l.Edges = bothEdges
	case f.IsRisingEdge():
		l.Edges = rising
	case f.IsFallingEdge():
		l.Edges = falling
	}
	if f.IsOutput() {
		l.Direction, l.Drive = Output, driveFlags.word(f, "push-pull")
	}
	l.Bias = biasFlags.word(f, "")
	for _, a := range info.Attrs[:min(int(info.NumAttrs), len(info.Attrs))] {
		if a.ID == uapi.LineAttributeIDDebounce {
			l.Debounce = time.Duration(a.Value32()) * time.Microsecond
		}
	}
	return l
}

// level is the word for a physical level.
func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

// text returns a name of the kernel, which pads it with zeros. Device trees
// may hold any bytes; what is no UTF-8 does not go further.
func text(b []byte) string {
	return strings.ToValidUTF8(uapi.BytesToString(b), "\uFFFD")
}

// recordSize is the size of struct gpio_v2_line_event, on every architecture.
const recordSize = 48

// record is what we need of a struct gpio_v2_line_event.
type record struct {
	time   time.Duration // CLOCK_MONOTONIC
	id     uapi.LineEventID
	offset uint32
	// seqno is line_seqno, whose first is 1. The seqno of a request for several
	// lines has gaps, too, where an interrupt came again before it was served.
	seqno uint32
}

// decode reads the first recordSize bytes of b.
func decode(b []byte) record {
	_ = b[recordSize-1]
	return record{
		time:   time.Duration(binary.NativeEndian.Uint64(b)),
		id:     uapi.LineEventID(binary.NativeEndian.Uint32(b[8:])),
		offset: binary.NativeEndian.Uint32(b[12:]),
		seqno:  binary.NativeEndian.Uint32(b[20:]),
	}
}

// sortRecords puts the whole records in b in the order of their stamps.
func sortRecords(b []byte) {
	for end := recordSize; end+recordSize <= len(b); end += recordSize {
		for i := end; i > 0 && decode(b[i:]).time < decode(b[i-recordSize:]).time; i -= recordSize {
			was := [recordSize]byte(b[i:])
			copy(b[i:], b[i-recordSize:i])
			copy(b[i-recordSize:], was[:])
		}
	}
}

// refusal turns the kernel's answer to a request into words, where they say
// more than the error itself.
func refusal(err error) error {
	switch err {
	case unix.ENXIO:
		return fmt.Errorf("the chip has no interrupt for this line, so its edges cannot be detected: %w", err)
	case unix.EOPNOTSUPP, eNotSupp:
		return fmt.Errorf("the chip does not support this bias, drive, edges or debounce: %w", unix.EOPNOTSUPP)
	case unix.EINVAL:
		return fmt.Errorf("the kernel or the chip refuses this combination of bias, drive, edges and debounce: %w", err)
	case eProbeDefer:
		return fmt.Errorf("a driver that the chip needs is not loaded yet: %w", err)
	}
	return err
}

// transient reports whether err may pass without any chip coming or going.
func transient(err unix.Errno) bool {
	switch err {
	case unix.EBUSY, eProbeDefer, unix.EIO, unix.EREMOTEIO, unix.ETIMEDOUT, unix.ENODEV,
		unix.EAGAIN, unix.EINTR, unix.ENOMEM, unix.EMFILE, unix.ENFILE:
		return true
	}
	return false
}
