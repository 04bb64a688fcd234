// SPDX-License-Identifier: MIT

// Chips: looking at all of them and at what their lines are, without
// requesting any.

package gpio

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/board"
	"reflexd/sources"
)

// Chip is one GPIO chip.
type Chip struct {
	// Name is the kernel's, "gpiochip0". Its number depends on what was
	// found first, and may be another after the next boot or update.
	Name  string `json:"name"`
	Label string `json:"label"` // the driver's: "pinctrl-bcm2711"
	// Device is the name in sysfs of the device whose chip it is,
	// "3f200000.gpio"; "" if it is not known.
	Device string     `json:"device,omitempty"`
	Path   string     `json:"path"`  // "/dev/gpiochip0"
	Lines  []LineInfo `json:"lines"` // by offset
}

// LineInfo is what the kernel reports of a line without its being requested.
// Everything but Offset and Name describes its use of the moment.
type LineInfo struct {
	Offset    int           `json:"offset"`
	Name      string        `json:"name,omitempty"`
	Used      bool          `json:"used"` // requested, by a program or the kernel
	Consumer  string        `json:"consumer,omitempty"`
	Direction string        `json:"direction"` // Input or Output
	ActiveLow bool          `json:"active_low,omitempty"`
	Bias      string        `json:"bias,omitempty"`  // pull-up, pull-down, disabled; "" if nobody said
	Drive     string        `json:"drive,omitempty"` // of an output: push-pull, open-drain, open-source
	Edges     string        `json:"edges,omitempty"` // both, rising, falling; "" if none are watched
	Debounce  time.Duration `json:"debounce,omitempty"`
}

// List returns the chips whose devices are in the folder dev, with all their
// lines. sys is where sysfs is. It requests no line, so nothing on the board changes. Chips that
// cannot be opened are missing from the result and reported by the error.
func List(dev, sys string) ([]Chip, error) {
	s := cdev.survey(dev, sys)
	defer s.close()
	var chips []Chip
	for _, c := range s.chips {
		if s.lines(c); c.unread == nil {
			chips = append(chips, c.Chip)
		}
	}
	return chips, errors.Join(s.failed...)
}

// survey is all chips, open, at one moment.
type survey struct {
	kernel   *kernel
	dev, sys string
	chips    []*openChip
	failed   []error             // a chip each
	board    func() *board.Board // which board this is; nil if nobody knows
}

// openChip is a chip with its descriptor. Its Lines are those that have been read:
// see survey.lines.
type openChip struct {
	Chip
	fd     int
	count  int   // of all its lines
	unread error // why not all could be read; nil if they were, or nobody asked
	// nodes are the names of its devices. It has more than one where a link
	// keeps an old number alive.
	nodes []string
}

// survey opens all chips in dev. No board is known to it.
func (k *kernel) survey(dev, sys string) *survey {
	s := &survey{kernel: k, dev: dev, sys: sys, board: func() *board.Board { return nil }}
	nodes, err := chipNodes(dev)
	if err != nil {
		s.failed = append(s.failed, err)
	}
	for _, node := range nodes {
		c, err := k.openChip(filepath.Join(dev, node))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			// It went away, or is a link to where nothing is.
		case err != nil:
			s.failed = append(s.failed, err)
		default:
			c.Device = deviceOf(sys, c.Name)
			s.add(c, node)
		}
	}
	return s
}

// add takes c in, unless it is there already under another name.
func (s *survey) add(c *openChip, node string) {
	for _, known := range s.chips {
		if known.Name == c.Name {
			known.nodes = append(known.nodes, node)
			unix.Close(c.fd)
			return
		}
	}
	c.nodes = []string{node}
	s.chips = append(s.chips, c)
}

// close closes the chips. Lines that were requested stay so.
func (s *survey) close() {
	for _, c := range s.chips {
		unix.Close(c.fd)
	}
}

// chipPrefix begins the name of every chip's device.
const chipPrefix = "gpiochip"

// chipNodes returns the names of the chips' devices in dev by number.
func chipNodes(dev string) ([]string, error) {
	nodes, err := sources.Entries(dev, chipPrefix)
	if err != nil {
		return nil, fmt.Errorf("list GPIO chips: %w", err)
	}
	slices.SortFunc(nodes, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return nodes, nil
}

// deviceOf returns the name of the device that a chip belongs to: the part of
// its path in sysfs before its own name.
func deviceOf(sys, chip string) string {
	link, err := os.Readlink(filepath.Join(sys, "bus/gpio/devices", chip))
	if err != nil {
		return ""
	}
	return filepath.Base(filepath.Dir(link))
}

func (k *kernel) openChip(path string) (*openChip, error) {
	fd, err := k.open(path)
	if err != nil {
		return nil, fmt.Errorf("open GPIO chip %s: %w%s", path, err, permissionAdvice(err))
	}
	c := &openChip{Chip: Chip{Path: path}, fd: fd}
	if err := k.readChip(c); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

// lines returns what the chip's lines are. One system call each tells, so they are read
// when a line's name is looked for.
func (s *survey) lines(c *openChip) []LineInfo {
	if len(c.Lines) < c.count && c.unread == nil {
		c.Lines = slices.Grow(c.Lines, c.count)
		if c.unread = s.kernel.readLines(c, c.count); c.unread != nil {
			s.failed = append(s.failed, c.unread)
		}
	}
	return c.Lines
}

func permissionAdvice(err error) string {
	if err != unix.EACCES && err != unix.EPERM {
		return ""
	}
	return " (run as root or as a member of its group, usually gpio)"
}

// readChip asks for what the chip and its first line are: a kernel that is too old does
// not know the latter.
func (k *kernel) readChip(c *openChip) error {
	info, err := k.chipInfo(c.fd)
	if err != nil {
		return fmt.Errorf("get information on %s: %w", c.Path, err)
	}
	c.Name, c.Label, c.count = text(info.Name[:]), text(info.Label[:]), int(info.Lines)
	return k.readLines(c, min(1, c.count))
}

// readLines asks for what the chip's lines before the one at offset end are.
func (k *kernel) readLines(c *openChip, end int) error {
	for offset := len(c.Lines); offset < end; offset++ {
		line, err := k.lineInfo(c.fd, offset)
		if err == unix.EINVAL || err == unix.ENOTTY {
			return fmt.Errorf("%s: %w", c.Path, errVersion)
		}
		if err != nil {
			return fmt.Errorf("get information on %s, line %d: %w", c.Path, offset, err)
		}
		c.Lines = append(c.Lines, describe(&line))
	}
	return nil
}

// errVersion says that a chip answers in version 1 of the interface only.
var errVersion = errors.New("version 2 of the GPIO interface is not supported by this kernel (requires Linux 5.10)")
