// SPDX-License-Identifier: MIT

// Measuring on the emulated board.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strconv"

	"reflexd/lab"
)

// noSleep lets the board's time jump to its next timer whenever it has nothing to do: waiting costs the host nothing, so
// there can be a pause before each event, and many events.
var noSleep = []string{"-icount", "shift=1,sleep=off"}

// onBoard measures on the emulated board, where there are lines and inputs.
func onBoard(ctx context.Context, build, dir string, progress io.Writer) (p printer, err error) {
	b, err := bootBench(ctx, build, dir, lab.Config{Udev: true, Peers: true}, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return b.measure(ctx)
}

// bootBench boots a board with the programs, reflexd, and what c has besides.
func bootBench(ctx context.Context, build, dir string, c lab.Config, progress io.Writer) (*boardBench, error) {
	dir = filepath.Join(dir, "board")
	if err := boardCompiler.compile(ctx, dir); err != nil {
		return nil, err
	}
	p := place{what: "board", dir: "/bench", reflexd: "/bench/reflexd"}
	files := map[string]lab.File{p.reflexd: lab.Executable(filepath.Join(build, "arm64", "reflexd"))}
	maps.Copy(files, c.Files)
	for name := range programFlags {
		files[p.file(name)] = lab.Executable(filepath.Join(dir, name))
	}
	fmt.Fprintln(progress, "bench: booting the board")
	c.Machine, c.Icount, c.QEMU, c.Files, c.Log = lab.Virt, true, noSleep, files, progress
	board, err := lab.Boot(ctx, c)
	if err != nil {
		return nil, err
	}
	return &boardBench{board, p, progress}, nil
}

// A boardBench is an emulated board and what is measured on it.
type boardBench struct {
	*lab.Board
	place
	progress io.Writer
}

func (b *boardBench) measure(ctx context.Context) (printer, error) {
	pull, err := b.narrow(ctx)
	if err != nil {
		return nil, err
	}
	wide, err := b.Chip(ctx, lab.ChipSpec{Name: "wide", Lines: make([]string, wideLines)}) // for the question of memory
	if err != nil {
		return nil, err
	}
	if err := b.configure(ctx, wide); err != nil {
		return nil, err
	}
	all, err := takeTurns(ctx, b.place, b.Output, triggers{"-o", pull, "-u", nullUevent, "-s", rtSignal}, b.progress)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(b.underConditions(ctx, pull, all), b.startAgain(ctx, all)); err != nil {
		return nil, err
	}
	idle, err := watchIdlers(ctx, b.place, b.Output, b.idlers(), b.progress)
	if err != nil {
		return nil, err
	}
	races, err := b.comparePeers(ctx, pull)
	if err != nil {
		return nil, err
	}
	return &report{b.title(), all, idle, races}, nil
}

func (b *boardBench) title() string {
	return fmt.Sprintf("Emulated board (%s, Linux %s), instruction-counted time", b.Hello.Model, b.Hello.Kernel)
}

// narrow makes the chip for what is measured, and returns the file by which its input line is pulled from outside.
func (b *boardBench) narrow(ctx context.Context) (pull string, err error) {
	chip, err := b.Chip(ctx, lab.ChipSpec{Name: "narrow", Lines: make([]string, outputLine+1)})
	if err != nil {
		return "", err
	}
	b.chip = chip.Device
	return b.Shell(ctx, fmt.Sprintf("printf %%s /sys/devices/platform/gpio-sim.*/%s/sim_gpio%d/pull", filepath.Base(chip.Device), inputLine))
}

// configure writes reflexd's configurations.
func (b *boardBench) configure(ctx context.Context, wide *lab.Chip) error {
	if err := b.WriteFile(ctx, b.file("rules.yaml"), []byte(b.rules()), 0o644); err != nil {
		return err
	}
	return b.WriteFile(ctx, b.file("wide.yaml"), []byte(wideRules(wide.Device)), 0o644)
}

// wideName is what the report calls reflexd with many lines and inputs.
var wideName = fmt.Sprintf("reflexd, %d lines, %d inputs", wideLines, wideInputs)

// startAgain measures more starts than the turns have, alone on the board, and those of reflexd with the large
// configuration: one takes a tenth longer than another, as Go's monitoring thread looks more or less often.
func (b *boardBench) startAgain(ctx context.Context, all figures) error {
	const starts, wideStarts, second = 24, 12, "1"
	fmt.Fprintf(b.progress, "bench: board, %d starts of each, %d of %s\n", starts, wideStarts, wideName)
	start := func(name string, args ...string) error {
		f := figures{}
		err := f.measure(ctx, b.place, b.Output, name, append([]string{"-l", b.file("start.log"), "-i", second}, args...))
		all.merge(figures{"start": f["start"]})
		return err
	}
	for range starts {
		for _, r := range rivals {
			if err := start(r.name, r.args(b.place)...); err != nil {
				return err
			}
		}
	}
	for range wideStarts {
		if err := start(wideName, append([]string{"-k", strconv.Itoa(wideInputs)}, b.run("wide.yaml")...)...); err != nil {
			return err
		}
	}
	return nil
}

// idlers are the C loop and reflexd, which cannot both have the chip's lines, so the loop goes without, and reflexd with
// the large configuration.
func (b *boardBench) idlers() []idler {
	without := b.place
	without.chip = ""
	return []idler{
		{rivals[0].name, rivals[0].args(without)},
		{rivals[1].name, rivals[1].args(b.place)},
		{wideName, append([]string{"-k", strconv.Itoa(wideInputs)}, b.run("wide.yaml")...)},
	}
}
