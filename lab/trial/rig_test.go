// SPDX-License-Identifier: MIT

//go:build lab

// Package trial tries the program on the emulated boards, as its user would.
package trial

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

// board is a booted machine that the tests share, with a simulated header.
type board struct {
	*lab.Board
	header *lab.Chip
}

// boards boots each machine once.
var boards = map[string]func() (*board, error){
	lab.Pi3.String():  sync.OnceValues(func() (*board, error) { return boot(lab.Config{Machine: lab.Pi3}) }),
	lab.Virt.String(): sync.OnceValues(func() (*board, error) { return boot(lab.Config{Machine: lab.Virt}) }),
}

// oneBoard is the machine to which this run is confined, where there is one: as
// the boards have no part in each other's tests, each can have runs of its own
// beside the other's.
var oneBoard = os.Getenv("REFLEXD_BOARD")

// wants skips a test that wants a board which is not in this run, and one that
// another run has taken.
func wants(t *testing.T, m lab.Machine) {
	t.Helper()
	if turns != "" {
		mark(t, turn(t, m)+wantedMark)
	}
	switch {
	case oneBoard != "" && boards[oneBoard] == nil:
		t.Fatalf("REFLEXD_BOARD: no board is called %q", oneBoard)
	case oneBoard != "" && oneBoard != m.String():
		t.Skipf("REFLEXD_BOARD=%s: not on %s", oneBoard, m)
	case !takesTurn(t, m):
		t.Skipf("another run has taken it on %s", m)
	}
}

// on returns the shared board of the machine, all lines of whose header are down: a
// request with a bias, of a test before, leaves a line of gpio-sim where the bias pulled it.
func on(t *testing.T, m lab.Machine) *board {
	t.Helper()
	wants(t, m)
	b, err := boards[m.String()]()
	if err != nil {
		t.Fatal(err)
	}
	const lines = 28 // that lead to pins
	var down []lab.Pull
	for offset := range lines {
		down = append(down, lab.Pull{Offset: offset})
	}
	if err := b.header.Play(t.Context(), down...); err != nil {
		t.Fatal(err)
	}
	return b
}

// everywhere runs a test on all machines, at the same time.
func everywhere(t *testing.T, test func(t *testing.T, b *board)) {
	for _, m := range []lab.Machine{lab.Pi3, lab.Virt} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			test(t, on(t, m))
		})
	}
}

// boot boots a board with what the tests need, beside what c has already.
func boot(c lab.Config) (*board, error) {
	build := os.Getenv("REFLEXD_BUILD")
	if build == "" {
		return nil, errors.New("REFLEXD_BUILD must name the folder with arm64/reflexd and armv6/reflexd; `make lab-test` sets it")
	}
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "trial")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	probe := filepath.Join(dir, "probe")
	if err := lab.Build(ctx, "arm64", "reflexd/lab/probe", probe); err != nil {
		return nil, err
	}
	files := map[string]lab.File{
		"/usr/bin/reflexd":  lab.Executable(filepath.Join(build, "arm64", "reflexd")),
		"/usr/bin/reflexd6": lab.Executable(filepath.Join(build, "armv6", "reflexd")),
		"/usr/bin/probe":    lab.Executable(probe),
		// What the examples call, recorded in a file of calls.
		"/usr/bin/amixer":        recorder,
		"/usr/bin/aplay":         recorder,
		"/usr/bin/brightnessctl": recorder,
		"/usr/bin/logger":        recorder,
		"/usr/bin/mpc":           recorder,
		"/usr/bin/poweroff":      recorder,
	}
	for arch, path := range inputTests {
		program := filepath.Join(dir, "inputs."+arch)
		if err := lab.BuildTests(ctx, arch, "reflexd/sources/input", program); err != nil {
			return nil, err
		}
		files[path] = lab.Executable(program)
	}
	if err := addDrivers(ctx, files); err != nil {
		return nil, err
	}
	maps.Copy(files, c.Files)
	c.Files, c.Saved, c.Log = files, true, os.Stderr
	b, err := lab.Boot(ctx, c)
	if err != nil {
		return nil, err
	}
	header, err := b.Chip(ctx, lab.Header("header"))
	if err != nil {
		return nil, err
	}
	return &board{b, header}, nil
}

var recorder = lab.File{Data: []byte("#!/bin/sh\necho \"${0##*/} $*\" >> /tmp/calls\n"), Perm: 0o755}

// agent is a reflexd that runs on a board.
type agent struct {
	t     *testing.T
	board *board
	dir   string
	proc  *lab.Process
	ended bool
}

// start runs reflexd with the configuration until the test ends.
func (b *board) start(t *testing.T, yaml string) *agent {
	t.Helper()
	return b.startProgram(t, "/usr/bin/reflexd", yaml)
}

var instances atomic.Int32

func (b *board) startProgram(t *testing.T, program, yaml string) *agent {
	t.Helper()
	a := &agent{t: t, board: b, dir: fmt.Sprintf("/tmp/%d", instances.Add(1))}
	if _, err := b.Shell(t.Context(), "mkdir -p "+a.dir); err != nil {
		t.Fatal(err)
	}
	a.configure(yaml)
	var err error
	a.proc, err = b.Start(t.Context(), lab.Command{
		Args: []string{program, "run", "-c", a.file(), "--socket", a.dir + "/socket", "--log-level", "debug"},
	}, a.dir+"/log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.finish)
	// What it says of its start stays to be awaited.
	if _, err := b.AwaitMatch(t.Context(), a.dir+"/log", "msg=started"); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *agent) file() string { return a.dir + "/reflexd.yaml" }

func (a *agent) configure(yaml string) {
	a.t.Helper()
	if err := a.board.WriteFile(a.t.Context(), a.file(), []byte(yaml), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// expect waits for a line of the log after the last one that was waited for.
func (a *agent) expect(pattern string) string {
	a.t.Helper()
	line, err := a.proc.Log.Await(a.t.Context(), pattern)
	if err != nil {
		a.t.Fatalf("no %q: %v", pattern, err)
	}
	return line
}

// log returns all that was logged.
func (a *agent) log() string {
	a.t.Helper()
	text, err := a.proc.Log.Text(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// finish stops the agent, which must end well.
func (a *agent) finish() {
	a.t.Helper()
	if a.ended {
		return
	}
	a.ended = true
	ctx := context.Background()
	if err := a.proc.Signal(ctx, syscall.SIGTERM); err != nil {
		a.t.Error(err)
		return
	}
	if result, err := a.proc.Wait(ctx); err != nil || result.Code != 0 {
		a.t.Errorf("ended with %+v, %v", result, err)
	}
	if a.t.Failed() {
		a.t.Log(a.log())
	}
}

// verb runs a verb that talks to the agent and returns what it prints.
func (a *agent) verb(args ...string) string {
	a.t.Helper()
	out, err := a.board.Output(a.t.Context(), append(append([]string{"reflexd"}, args...), "--socket", a.dir+"/socket")...)
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

// pull pulls a line from outside. At the test's end, all lines are pulled down
// as they were at first.
func (b *board) pull(t *testing.T, offset int, up bool) {
	t.Helper()
	if err := b.header.Pull(t.Context(), offset, up); err != nil {
		t.Fatal(err)
	}
	if up {
		t.Cleanup(func() { _ = b.header.Pull(context.Background(), offset, false) })
	}
}

// press presses buttons to ground and releases them, one after the other and
// for longer than any debounce.
func (b *board) press(t *testing.T, offsets ...int) {
	t.Helper()
	const moment = 100 * time.Millisecond
	var pulls []lab.Pull
	for _, offset := range offsets {
		pulls = append(pulls, lab.Pull{After: moment, Offset: offset}, lab.Pull{After: moment, Offset: offset, Up: true})
	}
	b.play(t, pulls)
}

// play pulls lines at given times of the board's own clock.
func (b *board) play(t *testing.T, parts ...[]lab.Pull) {
	t.Helper()
	all := slices.Concat(parts...)
	if err := b.header.Play(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	pulled := map[int]bool{}
	for _, p := range all {
		pulled[p.Offset] = true
	}
	t.Cleanup(func() {
		for offset := range pulled {
			_ = b.header.Pull(context.Background(), offset, false)
		}
	})
}

func (b *board) awaitLine(t *testing.T, offset int, high bool) {
	t.Helper()
	if err := b.header.AwaitValue(t.Context(), offset, high); err != nil {
		t.Fatal(err)
	}
}

// keyboard plugs one in and returns its device node; it is unplugged at the
// test's end.
func (b *board) keyboard(t *testing.T, id string) string {
	t.Helper()
	if err := b.PlugKeyboard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	node, err := b.AwaitInput(t.Context(), "QEMU USB Keyboard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.unplugKeyboard(t, id) })
	return node
}

func (b *board) unplugKeyboard(t *testing.T, id string) {
	t.Helper()
	ctx := context.Background()
	_ = b.Unplug(ctx, id) // perhaps it is unplugged already
	if err := b.AwaitNoInput(ctx, "QEMU USB Keyboard"); err != nil {
		t.Error(err)
	}
}

func (b *board) key(t *testing.T, qcode string, down bool) {
	t.Helper()
	if err := b.Key(t.Context(), qcode, down); err != nil {
		t.Fatal(err)
	}
}

// holdKey presses a key and waits until the log says that it arrived. Now and then
// QEMU's controller sits on the first report of a keyboard that was just
// plugged in; then the finger tries again.
func (b *board) holdKey(t *testing.T, log *lab.Log, qcode, pattern string) {
	t.Helper()
	for try := range 3 {
		b.key(t, qcode, true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := log.Await(ctx, pattern)
		cancel()
		if err == nil {
			return
		}
		t.Logf("try %d: %v", try+1, err)
		b.key(t, qcode, false)
	}
	t.Fatalf("%s was not heard", qcode)
}

func (b *board) plugStick(t *testing.T, id string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "stick.img")
	if err := lab.StickImage(t.Context(), image, lab.Volume{Type: "vfat", Label: "PHOTOS"}); err != nil {
		t.Fatal(err)
	}
	b.plugImage(t, id, image)
}

func (b *board) unplug(t *testing.T, id string) {
	t.Helper()
	if err := b.Unplug(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func count(text, word string) int { return strings.Count(text, word) }
