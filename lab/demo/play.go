// SPDX-License-Identifier: MIT

// The play: what is done to the board, and what must come of it.

package main

import (
	"context"
	"fmt"
	"syscall"
)

// A scene is one thing that is done and all that must come of it, in any order.
type scene struct {
	title  string
	do     func(*stage, context.Context) error
	expect []string // regular expressions, of the journal's entries
}

// scenes is the play.
var scenes = []scene{
	{"a finger presses the button on GPIO17", (*stage).press, []string{"the LED is on", "ding dong"}},
	{"the finger lets go", (*stage).release, []string{"the LED is off", "bell released"}},
	{"a USB keyboard is plugged in", (*stage).plugKeyboard, nil},
	{"someone presses volume up", (*stage).typeVolumeUp, []string{"line=louder|output.*louder"}},
	{"a USB drive is plugged in", (*stage).plugStick, []string{"USB drive: /dev/sda1"}},
	{"the USB drive is removed", (*stage).yankStick, []string{"gone: /dev/sda1"}},
	{"kill -USR1", (*stage).signal, []string{`asked by \d+`}},
}

// play plays all scenes, up to the first that goes wrong.
func play(ctx context.Context, s *stage) error {
	for _, scene := range scenes {
		s.say("\n> %s", scene.title)
		if err := perform(ctx, s, scene); err != nil {
			return fmt.Errorf("%s: %w%s", scene.title, err, s.wholeLog(ctx))
		}
	}
	s.say("\nAll %d scenes went as they should.", len(scenes))
	return nil
}

func perform(ctx context.Context, s *stage, scene scene) error {
	from := s.now()
	if err := scene.do(s, ctx); err != nil {
		return err
	}
	for _, pattern := range scene.expect {
		if err := s.expect(ctx, from, pattern); err != nil {
			return err
		}
	}
	return nil
}

// wholeLog is reflexd's log, in a form to append to an error.
func (s *stage) wholeLog(ctx context.Context) string {
	text, err := s.reflexd.Log.Text(ctx)
	if err != nil {
		return ""
	}
	return "\n--- reflexd's log:\n" + text
}

// press and release work the button, which leads to ground.
func (s *stage) press(ctx context.Context) error   { return s.header.Pull(ctx, button, false) }
func (s *stage) release(ctx context.Context) error { return s.header.Pull(ctx, button, true) }

// plugKeyboard plugs a keyboard in and waits until the kernel, and whoever reads it, have it.
func (s *stage) plugKeyboard(ctx context.Context) error {
	if err := s.board.PlugKeyboard(ctx, "keyboard"); err != nil {
		return err
	}
	device, err := s.board.AwaitInput(ctx, "Keyboard")
	if err != nil {
		return err
	}
	s.add("kernel", "the keyboard is "+device)
	return s.awaitReader(ctx, device)
}

// awaitReader waits until some process has opened a device: a key that is pressed earlier goes unheard.
func (s *stage) awaitReader(ctx context.Context, device string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.board.Shell(ctx, "until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q ' "+device+"$'; do :; done")
	if err != nil {
		return fmt.Errorf("nobody opens %s: %w", device, err)
	}
	return nil
}

func (s *stage) typeVolumeUp(ctx context.Context) error {
	return s.board.Type(ctx, "volumeup")
}

func (s *stage) plugStick(ctx context.Context) error {
	return s.board.PlugStick(ctx, "stick", s.stick())
}

func (s *stage) yankStick(ctx context.Context) error {
	return s.board.Unplug(ctx, "stick")
}

func (s *stage) signal(ctx context.Context) error {
	return s.reflexd.Signal(ctx, syscall.SIGUSR1)
}
