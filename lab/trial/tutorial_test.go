// SPDX-License-Identifier: MIT

//go:build lab

// The tutorial, followed to the letter by somebody with an emulated board.

package trial

import (
	"context"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

// reader is somebody who follows the tutorial.
type reader struct {
	t     *testing.T
	board *board
	dir   string
	// running is the program that was started last and did not end at once.
	running *lab.Process
}

var fence = regexp.MustCompile("(?ms)^```(yaml|console)(?: title=\"(.*?)\")?\n(.*?)^```$")

// hands is what the reader does beside typing.
var hands = map[string]func(r *reader){
	"# press the button":                       func(r *reader) { r.hold(100 * time.Millisecond) },
	"# hold the button for two seconds":        func(r *reader) { r.hold(2 * time.Second) },
	"# turn the knob clockwise by three steps": func(r *reader) { r.turn(3) },
}

func TestTutorial(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial/README.md")
	if err != nil {
		t.Fatal(err)
	}
	b := on(t, lab.Pi3)
	for _, line := range []int{17, 5, 6} { // open contacts
		b.pull(t, line, true)
	}
	r := &reader{t: t, board: b, dir: "/tmp/tutorial"}
	b.shell(t, "mkdir -p "+r.dir)
	t.Cleanup(r.stop)
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		kind, name, text := m[1], m[2], m[3]
		if kind == "console" {
			r.follow(strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
			continue
		}
		if name == "" {
			name = "reflexd.yaml"
		}
		if err := b.WriteFile(t.Context(), r.dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// follow types the commands of a block, and compares what it sees.
func (r *reader) follow(lines []string) {
	r.t.Helper()
	var seen []string // what a command printed that has ended
	skip := false     // after "…"
	for _, line := range lines {
		command, typed := strings.CutPrefix(line, "$ ")
		act := hands[line]
		switch {
		case typed:
			seen, skip = r.enter(strings.TrimPrefix(command, "sudo ")), false
		case act != nil:
			act(r)
		case line == "…":
			skip = true
		case seen == nil: // of the program that runs
			if _, err := r.running.Log.Await(r.t.Context(), "^"+pattern(line)+"$"); err != nil {
				r.t.Fatal(err)
			}
		default:
			seen, skip = r.find(seen, line, skip), false
		}
	}
}

// find returns what follows line, which must come next, or sometime if skip.
func (r *reader) find(seen []string, line string, skip bool) []string {
	r.t.Helper()
	want := regexp.MustCompile("^" + pattern(line) + "$")
	for i, s := range seen {
		if want.MatchString(strings.TrimRight(s, " ")) {
			return seen[i+1:]
		}
		if !skip {
			break
		}
	}
	r.t.Errorf("the tutorial has\n%s\nand the board printed\n%s", line, strings.Join(seen, "\n"))
	return seen
}

// enter runs a command. If it does not end by itself, it returns nil.
func (r *reader) enter(command string) []string {
	r.t.Helper()
	script := lab.Command{Args: []string{"/bin/sh", "-c", "cd " + r.dir + " && exec " + command}}
	if strings.HasPrefix(command, "reflexd run ") || strings.HasPrefix(command, "reflexd learn ") {
		var err error
		if r.running, err = r.board.Start(r.t.Context(), script, r.dir+"/log"); err != nil {
			r.t.Fatal(err)
		}
		return nil
	}
	result, err := r.board.Run(r.t.Context(), script)
	if err != nil && result.Stdout+result.Stderr == "" {
		r.t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(result.Stdout+result.Stderr, "\n"), "\n")
}

// differs is what each reader sees another value of; a trial before this one
// may have left a line as an output.
var differs = regexp.MustCompile(`^ +(?:in|out) |time=\S+|version=\S+|pid=\d+|pid \d+|\(\d+ now\)|\S+ ago|in \S+s;`)

// pattern matches line, whatever a reader sees another value of.
func pattern(line string) string {
	var parts []string
	for _, same := range differs.Split(line, -1) {
		parts = append(parts, strings.ReplaceAll(regexp.QuoteMeta(same), "  ", " +"))
	}
	return strings.Join(parts, ".*")
}

// typing is how long a hand needs from the button to the keyboard.
const typing = 300 * time.Millisecond

func (r *reader) hold(d time.Duration) {
	r.t.Helper()
	r.board.play(r.t, []lab.Pull{{Offset: 17}, {After: d, Offset: 17, Up: true}, {After: typing, Offset: 17, Up: true}})
}

func (r *reader) turn(steps int) {
	r.t.Helper()
	const edge = slowly
	var pulls []lab.Pull
	for range steps {
		pulls = append(pulls, lab.Pull{After: edge, Offset: 5}, lab.Pull{After: edge, Offset: 6}, lab.Pull{After: edge, Offset: 5, Up: true}, lab.Pull{After: edge, Offset: 6, Up: true})
	}
	r.board.play(r.t, append(pulls, lab.Pull{After: typing, Offset: 5, Up: true}))
}

// stop ends the agent, as with Ctrl-C: the lamp goes out.
func (r *reader) stop() {
	if r.running == nil {
		return
	}
	ctx := context.Background()
	if err := r.running.Signal(ctx, syscall.SIGINT); err != nil {
		r.t.Error(err)
	}
	if result, err := r.running.Wait(ctx); err != nil || result.Code != 0 {
		r.t.Errorf("ended with %+v, %v", result, err)
	}
}
