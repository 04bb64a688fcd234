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
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/board"
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
		chips = append(chips, c.Chip)
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

// openChip is a chip with its descriptor.
type openChip struct {
	Chip
	fd int
	// nodes are the names of its devices. It has more than one where a link
	// keeps an old number alive.
	nodes []string
}

// survey opens all chips in dev and reads what their lines are. No board is
// known to it.
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
	folder, err := os.Open(dev)
	if err != nil {
		return nil, fmt.Errorf("list GPIO chips: %w", err)
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list GPIO chips: %w", err)
	}
	var nodes []string
	for _, name := range names {
		if strings.HasPrefix(name, chipPrefix) {
			nodes = append(nodes, name)
		}
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

func permissionAdvice(err error) string {
	if err != unix.EACCES && err != unix.EPERM {
		return ""
	}
	return " (run as root or as a member of its group, usually gpio)"
}

// readChip asks for what the chip and its lines are.
func (k *kernel) readChip(c *openChip) error {
	info, err := k.chipInfo(c.fd)
	if err != nil {
		return fmt.Errorf("get information on %s: %w", c.Path, err)
	}
	c.Name, c.Label = text(info.Name[:]), text(info.Label[:])
	for offset := range int(info.Lines) {
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
