// SPDX-License-Identifier: MIT

// The interactive demo: a line typed is a thing done.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"reflexd/lab"
)

// A verb is something that can be typed.
type verb struct {
	name, argument, help string
	do                   func(ctx context.Context, s *stage, argument string) error
}

// verbs lists them all; a function, since help prints it.
func verbs() []verb {
	return []verb{
		{"press", "", "press the button on GPIO17 for a moment", pressVerb},
		{"hold", "[SECONDS]", "hold it down, for 2 seconds by default", holdVerb},
		{"turn", "STEPS", "turn the knob on GPIO5 and GPIO6: 3 is clockwise, -3 counter-clockwise", turnVerb},
		{"plug", "", "plug in a USB drive", plugVerb},
		{"yank", "", "remove it", yankVerb},
		{"keyboard", "", "plug in a USB keyboard, or remove it", keyboardVerb},
		{"type", "KEY", "press a key on it: KEY_VOLUMEUP, a, ret", typeVerb},
		{"signal", "", "send reflexd SIGUSR1", func(ctx context.Context, s *stage, _ string) error { return s.signal(ctx) }},
		{"put", "FILE", "make a file of yours the configuration; `sh reflexd reload` applies it", putVerb},
		{"log", "", "print reflexd's whole log", logVerb},
		{"sh", "COMMAND", "run a command on the board", shellVerb},
		{"help", "", "print this list", helpVerb},
		{"quit", "", "switch the board off", nil},
	}
}

// converse does what is typed until `quit` or the input ends.
func converse(ctx context.Context, s *stage, stdin io.Reader) error {
	_ = helpVerb(ctx, s, "")
	lines, quit := readLines(stdin)
	defer quit()
	for {
		select {
		case line, ok := <-lines:
			if name, _, _ := strings.Cut(line, " "); !ok || name == "quit" {
				return nil
			}
			err := obey(ctx, s, line)
			if errors.Is(err, lab.ErrEnded) && ctx.Err() == nil {
				return err
			}
			if err != nil && ctx.Err() == nil {
				s.say("%v", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// readLines reads lines in a goroutine, so that an interrupt need not wait for a last one. A read that is under way
// when quit is called goes on until the program ends: nothing can wake it.
func readLines(r io.Reader) (lines <-chan string, quit func()) {
	out, done := make(chan string), make(chan struct{})
	go func() {
		defer close(out)
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			select {
			case out <- strings.TrimSpace(scanner.Text()):
			case <-done:
				return
			}
		}
	}()
	return out, func() { close(done) }
}

func obey(ctx context.Context, s *stage, line string) error {
	name, argument, _ := strings.Cut(line, " ")
	if name == "" {
		return nil
	}
	for _, v := range verbs() {
		if v.name == name {
			return v.do(ctx, s, strings.TrimSpace(argument))
		}
	}
	return fmt.Errorf("unknown command %q; help lists them", name)
}

func helpVerb(_ context.Context, s *stage, _ string) error {
	s.say("")
	for _, v := range verbs() {
		s.say("  %-16s %s", v.name+" "+v.argument, v.help)
	}
	return nil
}

// moment is how long a button is down that is just pressed.
const moment = 150 * time.Millisecond

func pressVerb(ctx context.Context, s *stage, _ string) error {
	return s.holdFor(ctx, moment)
}

func holdVerb(ctx context.Context, s *stage, argument string) error {
	seconds := 2.0
	if argument != "" {
		var err error
		if seconds, err = strconv.ParseFloat(argument, 64); err != nil || !(seconds >= 0 && seconds <= 60) {
			return fmt.Errorf("hold: expected seconds, at most 60, found %q", argument)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience+time.Minute)
	defer cancel()
	return s.holdFor(ctx, time.Duration(seconds*float64(time.Second)))
}

// holdFor presses the button for a while, by the guest's clock.
func (s *stage) holdFor(ctx context.Context, d time.Duration) error {
	return s.header.Play(ctx, lab.Pull{Offset: button}, lab.Pull{After: d, Offset: button, Up: true})
}

// detent is the time from one edge of a knob that is turned to the next.
const detent = 5 * time.Millisecond

func turnVerb(ctx context.Context, s *stage, argument string) error {
	steps, err := strconv.Atoi(argument)
	if err != nil || steps == 0 || steps < -20 || steps > 20 {
		return fmt.Errorf("turn: expected steps, at most 20 or -20, found %q", argument)
	}
	first, second := knobA, knobB
	if steps < 0 {
		first, second, steps = knobB, knobA, -steps
	}
	var pulls []lab.Pull
	for range steps {
		for _, closed := range []bool{true, false} {
			pulls = append(pulls, lab.Pull{After: detent, Offset: first, Up: !closed}, lab.Pull{After: detent, Offset: second, Up: !closed})
		}
	}
	return s.header.Play(ctx, pulls...)
}

func putVerb(ctx context.Context, s *stage, argument string) error {
	text, err := os.ReadFile(argument)
	if err != nil {
		return err
	}
	return s.board.WriteFile(ctx, configuration, text, 0o644)
}

func plugVerb(ctx context.Context, s *stage, _ string) error {
	if s.plugged["stick"] {
		return errors.New("the USB drive is already plugged in")
	}
	s.plugged["stick"] = true
	return s.plugStick(ctx)
}

func yankVerb(ctx context.Context, s *stage, _ string) error {
	if !s.plugged["stick"] {
		return errors.New("no USB drive is plugged in")
	}
	s.plugged["stick"] = false
	return s.yankStick(ctx)
}

func keyboardVerb(ctx context.Context, s *stage, _ string) error {
	if s.plugged["keyboard"] {
		s.plugged["keyboard"] = false
		return s.board.Unplug(ctx, "keyboard")
	}
	s.plugged["keyboard"] = true
	return s.plugKeyboard(ctx)
}

func typeVerb(ctx context.Context, s *stage, argument string) error {
	if !s.plugged["keyboard"] {
		return errors.New("no keyboard is plugged in")
	}
	return s.board.Type(ctx, keyName(argument))
}

// keyName turns Linux's name of a key into QEMU's; they differ little.
func keyName(name string) string {
	name = strings.ToLower(strings.TrimPrefix(strings.ToUpper(name), "KEY_"))
	if qemu, ok := map[string]string{
		"enter": "ret", "mute": "audiomute", "leftshift": "shift", "leftctrl": "ctrl", "leftalt": "alt", "space": "spc",
	}[name]; ok {
		return qemu
	}
	return name
}

func logVerb(ctx context.Context, s *stage, _ string) error {
	text, err := s.reflexd.Log.Text(ctx)
	s.say("%s", strings.TrimRight(text, "\n"))
	return err
}

func shellVerb(ctx context.Context, s *stage, argument string) error {
	result, err := s.board.Run(ctx, lab.Command{Args: []string{"/bin/sh", "-c", argument}})
	if text := strings.TrimRight(result.Stdout+result.Stderr, "\n"); text != "" {
		s.say("%s", text)
	}
	return err
}
