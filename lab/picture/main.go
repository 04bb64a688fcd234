// SPDX-License-Identifier: MIT

// Picture draws the pictures of the documents: it boots an emulated Raspberry
// Pi, has reflexd do there what a picture shows, and draws the terminal that a
// person would see.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"reflexd/lab"
)

const (
	program = "/usr/bin/reflexd"
	output  = "/tmp/output"
	button  = 17
)

// rules is what runs while the board is drawn.
const rules = `
lines:
  power: {button: pin 5}
  bell:  {button: pin 13}
  lamp:  {output: pin 11, initial: on}
  busy:  {output: pin 15}
encoders:
  volume: {a: pin 29, b: pin 31}
rules:
  - when: {line: bell, is: pressed}
    do: {set: {line: lamp, to: toggle}}
`

// scene is one picture: the file's name, the command that is seen, and what
// happens outside while it runs.
type scene struct {
	name, command string
	play          func(ctx context.Context, s *stage, log *lab.Log) error
}

var scenes = []scene{
	{"board", "reflexd board", nil},
	{"monitor", "reflexd monitor --bias pull-up GPIO17 inputs", playMonitor},
	{"learn", "reflexd learn", playLearn},
}

func main() {
	reflexd := flag.String("reflexd", "", "the `program`, built for linux/arm64")
	dir := flag.String("o", "docs/pictures", "the `folder` for the pictures")
	flag.Parse()
	if err := draw(context.Background(), *reflexd, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// stage is the board, and what is wired to it.
type stage struct {
	*lab.Board
	header *lab.Chip
	dir    string
}

func draw(ctx context.Context, reflexd, dir string) error {
	b, err := lab.Boot(ctx, lab.Config{Machine: lab.Pi3, Files: map[string]lab.File{
		program: lab.Executable(reflexd), "/etc/reflexd/reflexd.yaml": lab.Text(rules),
	}})
	if err != nil {
		return err
	}
	defer b.Close()
	agent, err := b.Start(ctx, lab.Command{Args: []string{program, "run"}}, "/tmp/log")
	if err != nil {
		return err
	}
	if _, err := agent.Log.Await(ctx, "msg=started"); err != nil {
		return err
	}
	header, err := b.Chip(ctx, lab.Header("header"))
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "picture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	s := &stage{b, header, temp}
	for _, scene := range scenes {
		if err := s.draw(ctx, scene, dir); err != nil {
			return fmt.Errorf("%s: %w", scene.name, err)
		}
	}
	return nil
}

// draw plays one scene and writes its picture.
func (s *stage) draw(ctx context.Context, scene scene, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	p, err := s.Start(ctx, lab.Command{Args: []string{"sh", "-c", "CLICOLOR_FORCE=1 exec " + scene.command}}, output)
	if err != nil {
		return err
	}
	if scene.play != nil {
		if err := scene.play(ctx, s, p.Log); err != nil {
			return err
		}
		if err := p.Signal(ctx, syscall.SIGINT); err != nil {
			return err
		}
	}
	if _, err := p.Wait(ctx); err != nil {
		return err
	}
	text, err := p.Log.Text(ctx)
	if err != nil {
		return err
	}
	text = "pi@raspberrypi:~ $ \x1b[1m" + scene.command + "\x1b[0m\n" + strings.TrimRight(text, "\n") + "\n"
	return os.WriteFile(filepath.Join(dir, scene.name+".svg"), []byte(svg(scene.command, text)), 0o644)
}

// playMonitor presses a button, plugs a keyboard in and types.
func playMonitor(ctx context.Context, s *stage, log *lab.Log) error {
	if err := s.header.Pull(ctx, button, true); err != nil {
		return err
	}
	if _, err := log.Await(ctx, "watching "); err != nil {
		return err
	}
	if err := s.press(ctx); err != nil {
		return err
	}
	if _, err := log.Await(ctx, "EDGE=rising"); err != nil {
		return err
	}
	if err := s.PlugKeyboard(ctx, "keyboard"); err != nil {
		return err
	}
	if _, err := s.AwaitInput(ctx, "QEMU USB Keyboard"); err != nil {
		return err
	}
	return s.typeUntil(ctx, log, "released")
}

// playLearn types on the keyboard that playMonitor left, and plugs a stick in.
func playLearn(ctx context.Context, s *stage, log *lab.Log) error {
	if _, err := log.Await(ctx, "Ctrl-C stops"); err != nil {
		return err
	}
	if err := s.typeUntil(ctx, log, "when: "); err != nil {
		return err
	}
	image := filepath.Join(s.dir, "stick.img")
	if err := lab.StickImage(ctx, image, lab.Volume{Type: "vfat", Label: "PHOTOS"}); err != nil {
		return err
	}
	if err := s.PlugStick(ctx, "stick", image); err != nil {
		return err
	}
	_, err := log.Await(ctx, "mount: ")
	return err
}

// typeUntil types a key until the log says so: a keyboard that was just
// plugged in may not be open yet.
func (s *stage) typeUntil(ctx context.Context, log *lab.Log, pattern string) error {
	for {
		if err := s.Type(ctx, "volumeup"); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(ctx, 3*time.Second)
		_, err := log.Await(soon, pattern)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// press presses the button to ground and lets it go.
func (s *stage) press(ctx context.Context) error {
	return s.header.Play(ctx, lab.Pull{Offset: button}, lab.Pull{After: 180 * time.Millisecond, Offset: button, Up: true})
}
