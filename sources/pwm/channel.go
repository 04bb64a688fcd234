// SPDX-License-Identifier: MIT

// channel: the attributes of a channel in /sys/class/pwm.

package pwm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/board"
	"reflexd/config"
	"reflexd/sources"
)

// channel is a channel that was found, and what was written to it. Its methods may be
// called from any goroutine.
type channel struct {
	mu     sync.Mutex
	folder string      // "" before it is set up …
	as     settings    // … like this
	left   atomic.Bool // it is what its on_exit says: nothing is to be set any more
}

// notThere says that no chip, or no channel, is what is meant.
type notThere string

func (n notThere) Error() string { return string(n) }

// set brings the channel to a level, having set it up if need be. proc and sys are
// where these are.
func (c *channel) set(st settings, proc, sys string, level int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left.Load() {
		return nil
	}
	return c.bring(st, proc, sys, level)
}

// leave is set for the last time: what is being written comes before it, and nothing
// after it.
func (c *channel) leave(st settings, proc, sys string, level int) error {
	c.left.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bring(st, proc, sys, level)
}

// bring does what set says.
func (c *channel) bring(st settings, proc, sys string, level int) error {
	if c.folder != "" && c.as == st {
		err := c.duty(&st, level)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
			return err
		}
	} // else another chip may be there
	c.folder, c.as = "", st
	if err := st.locate(proc, sys); err != nil {
		return err
	}
	chip, err := st.find(sys)
	if err != nil {
		return err
	}
	folder, err := st.export(chip)
	if err != nil {
		return err
	}
	if err := setUp(folder, &st, level); err != nil {
		return err
	}
	c.folder = folder
	return nil
}

func (c *channel) duty(st *settings, level int) error {
	return sources.WriteAttribute(filepath.Join(c.folder, "duty_cycle"), dutyOf(st.period, level))
}

// dutyOf returns for how many nanoseconds of a period the output is on.
func dutyOf(period time.Duration, level int) string {
	return strconv.FormatInt(int64(period)*int64(level)/sources.Full, 10)
}

// locate finds which channel the pin is that st names, if only this board says so.
func (st *settings) locate(proc, sys string) error {
	if !st.onThisBoard() {
		return nil
	}
	machine := board.Read(proc, sys)
	b := machine.Board()
	if b == nil {
		return notThere(st.pin + ": this board is not in the board tables: use `chip` and `channel`, or set `board:`")
	}
	p, err := b.FindPWM(st.pin)
	if err != nil {
		return notThere(err.Error())
	}
	st.chip, st.channel = p.Chip, p.Channel
	return nil
}

// find returns the folder of the chip: the one whose device has the name.
func (st *settings) find(sys string) (string, error) {
	class := filepath.Join(sys, "class/pwm")
	entries, err := os.ReadDir(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var names []string
	var found []string
	for _, e := range entries {
		device, err := os.Readlink(filepath.Join(class, e.Name(), "device"))
		if err != nil {
			continue
		}
		name := filepath.Base(device)
		names = append(names, name)
		if sources.Glob(st.chip, name) {
			found = append(found, filepath.Join(class, e.Name()))
		}
	}
	switch len(found) {
	case 0:
		return "", notThere(fmt.Sprintf("no PWM chip is called %s%s", st.chip, config.Known(st.chip, names)))
	case 1:
		return found[0], nil
	}
	return "", notThere(fmt.Sprintf("%d PWM chips match %s, %s and %s among them", len(found), st.chip, filepath.Base(found[0]), filepath.Base(found[1])))
}

// export has the kernel show the channel, unless it does already.
func (st *settings) export(chip string) (string, error) {
	folder := filepath.Join(chip, "pwm"+strconv.Itoa(st.channel))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if n, err := readInt(filepath.Join(chip, "npwm")); err == nil && int64(st.channel) >= n {
		return "", notThere(fmt.Sprintf("PWM chip %s has the channels 0 to %d, and no channel %d", st.chip, n-1, st.channel))
	}
	err := sources.WriteAttribute(filepath.Join(chip, "export"), strconv.Itoa(st.channel))
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w: a kernel driver uses the channel", err)
	}
	return folder, err
}

// setUp makes the channel work. The kernel refuses a duty cycle that is longer
// than the period, and another polarity while the channel is enabled.
func setUp(folder string, st *settings, level int) error {
	at := func(name string) string { return filepath.Join(folder, name) }
	period, _ := readInt(at("period"))
	polarity, err := sources.ReadAttribute(at("polarity"), largest)
	inversed := strings.TrimSpace(polarity) == "inversed"
	if err == nil && inversed != (st.polarity == "inversed") {
		if err := sources.WriteAttribute(at("enable"), "0"); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
		if period == 0 { // not valid before there is one
			if err := sources.WriteAttribute(at("period"), strconv.FormatInt(int64(st.period), 10)); err != nil {
				return err
			}
		}
		if err := sources.WriteAttribute(at("polarity"), st.polarity); err != nil {
			return err
		}
	}
	steps := [][2]string{{"period", strconv.FormatInt(int64(st.period), 10)}, {"duty_cycle", dutyOf(st.period, level)}, {"enable", "1"}}
	if period > int64(st.period) { // shorter than the duty cycle, perhaps
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, s := range steps {
		if err := sources.WriteAttribute(at(s[0]), s[1]); err != nil {
			return err
		}
	}
	return nil
}

// largest is more than the bytes of any attribute that is read.
const largest = 64

func readInt(path string) (int64, error) {
	text, err := sources.ReadAttribute(path, largest)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
}

// Examine implements sources.Examiner. Nothing is exported.
func (p *Plan) Examine(x *sources.Report) {
	for _, name := range p.Names() {
		o := p.outputs[name]
		subject := "pwm " + name
		st := o.settings
		err := st.locate(x.Path("/proc"), x.Path("/sys"))
		if err != nil {
			x.Bad(&o.pinAt, subject, err.Error(), "`reflexd board` draws the pins")
			continue
		}
		chip, err := st.find(x.Path("/sys"))
		if err != nil {
			x.Bad(&o.at, subject, err.Error(), "`run` waits for it; on a Raspberry Pi, dtoverlay=pwm in config.txt makes it")
			continue
		}
		export := filepath.Join("/sys/class/pwm", filepath.Base(chip), "export")
		x.Check(&o.at, subject, st.chip+" is "+filepath.Base(chip), sources.PathError("write", export, x.Access(export, unix.W_OK)), "run the agent as root, or in the group of the file")
	}
}
