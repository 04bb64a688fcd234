// SPDX-License-Identifier: MIT

// The stage: an emulated board with a button, a lamp and USB ports, reflexd on it, and those who watch both.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"reflexd/lab"
)

// What is wired to the header.
const (
	button = 17
	lamp   = 27
	knobA  = 5 // of a rotary encoder
	knobB  = 6
)

const (
	program       = "/usr/bin/reflexd"
	configuration = "/etc/reflexd/reflexd.yaml"
	logFile       = "/var/log/reflexd.log"
)

// patience is how long anything that ought to happen may take; an emulated board on a busy host is slow.
const patience = 30 * time.Second

// A stage is a running board with its surroundings.
type stage struct {
	*journal
	board    *lab.Board
	header   *lab.Chip
	reflexd  *lab.Process
	dir      string // of the stick's image
	stop     context.CancelFunc
	watchers sync.WaitGroup
	stopped  context.Context // of the watchers
	plugged  map[string]bool
}

// newStage boots the board.
func newStage(ctx context.Context, out *journal, reflexd string) (*stage, error) {
	out.say("Booting an emulated Raspberry Pi 3B.")
	ctx, stop := context.WithCancel(ctx)
	s := &stage{journal: out, stop: stop, stopped: ctx, plugged: map[string]bool{}}
	if err := s.set(ctx, reflexd); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) set(ctx context.Context, reflexd string) (err error) {
	if s.dir, err = os.MkdirTemp("", "reflexd-demo-"); err != nil {
		return err
	}
	err = lab.StickImage(ctx, s.stick(), lab.Volume{
		Type: "vfat", Label: "HOLIDAY", Files: map[string][]byte{"DCIM/sea.jpg": []byte("blue")},
	})
	if err != nil {
		return err
	}
	s.board, err = lab.Boot(ctx, lab.Config{
		Machine: lab.Pi3,
		Files:   map[string]lab.File{program: lab.Executable(reflexd), configuration: lab.Text(rules)},
		Log:     os.Stderr,
	})
	if err != nil {
		return err
	}
	if s.header, err = s.board.Chip(ctx, lab.Header("header")); err != nil {
		return err
	}
	for _, line := range []int{button, knobA, knobB} { // open contacts
		if err := s.header.Pull(ctx, line, true); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) stick() string { return filepath.Join(s.dir, "stick.img") }

// startReflexd starts reflexd and those who watch it and its lamp, and returns when it says that it is ready.
func (s *stage) startReflexd(ctx context.Context) error {
	s.say("\n# reflexd run -c %s", configuration)
	var err error
	command := lab.Command{Args: []string{program, "run", "-c", configuration}}
	if s.reflexd, err = s.board.Start(ctx, command, logFile); err != nil {
		return err
	}
	s.watchers.Go(s.watchLog)
	s.watchers.Go(s.watchLamp)
	s.watchers.Go(s.watchEnd)
	return s.expect(ctx, 0, `reflexd: .*\bstarted\b`)
}

// idle is how long a watcher may wait for something to happen: as long as anyone could look on.
const idle = 30 * 24 * time.Hour

// stamp is the beginning of a line of reflexd's log that a reader of the demo can do without.
var stamp = regexp.MustCompile(`^(time=\S+ )?(level=INFO )?`)

// watchLog puts the log's lines into the journal.
func (s *stage) watchLog() {
	ctx, cancel := context.WithTimeout(s.stopped, idle)
	defer cancel()
	for {
		line, err := s.reflexd.Log.Await(ctx, `^.+$`)
		if err != nil {
			s.fail(err)
			return
		}
		s.add("reflexd", stamp.ReplaceAllString(line, ""))
	}
}

// watchLamp puts the lamp's changes into the journal.
func (s *stage) watchLamp() {
	ctx, cancel := context.WithTimeout(s.stopped, idle)
	defer cancel()
	for on := true; ; on = !on {
		if err := s.header.AwaitValue(ctx, lamp, on); err != nil {
			s.fail(err)
			return
		}
		s.add("GPIO27", map[bool]string{true: "the LED is on", false: "the LED is off"}[on])
	}
}

// watchEnd reports when reflexd ends.
func (s *stage) watchEnd() {
	ctx, cancel := context.WithTimeout(s.stopped, idle)
	defer cancel()
	result, err := s.reflexd.Wait(ctx)
	if err == nil {
		err = fmt.Errorf("reflexd has ended, with code %d", result.Code)
	}
	s.fail(err)
}

// expect waits for something to come into the journal, at or after the given place.
func (s *stage) expect(ctx context.Context, from int, pattern string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.await(ctx, from, regexp.MustCompile(pattern))
}

// close ends the board and all who watch it.
func (s *stage) close() error {
	s.stop()
	var err error
	if s.board != nil {
		err = s.board.Close()
	}
	s.watchers.Wait()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
