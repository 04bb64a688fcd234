// SPDX-License-Identifier: MIT

// The verb board: which board this is, its chips, and its headers as they lie
// before one.

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent"
	"reflexd/board"
	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
)

// redrawn is how often --watch looks again.
const redrawn = 500 * time.Millisecond

func boardVerb(c *command) func([]string) int {
	name := c.flags.String("board", "", "assume this `board` instead of detecting it")
	list := c.flags.Bool("list", false, "list the known boards")
	watch := c.flags.Bool("watch", false, "redraw until Ctrl-C")
	asJSON := c.flags.Bool("json", false, "print it as JSON")
	socket := c.socketFlag()
	return func(specs []string) int {
		if *list {
			return listBoards(c.stdout)
		}
		l := &look{socket: *socket}
		var err error
		if *name != "" {
			if l.named, err = gpio.NamedBoard(*name); err != nil {
				fmt.Fprintln(c.stderr, "reflexd board:", err)
				return wrong
			}
		}
		all, _ := l.lines() // what is wrong with it is reported below
		if l.probe, err = gpio.OpenProbe("/dev", "/sys", all.Board, specs); err != nil {
			return c.fail(err)
		}
		defer l.probe.Close()
		if *asJSON {
			report, err := l.look()
			code := done
			if err != nil {
				code = c.fail(err)
			}
			return c.printJSON(report, code)
		}
		return c.drawBoard(l, *watch)
	}
}

// drawBoard draws what l sees, once or until it is interrupted.
func (c *command) drawBoard(l *look, watch bool) int {
	paint := painter{coloured: coloured(c.screen)}
	again := watch && isTerminal(c.screen)
	if again {
		fmt.Fprint(c.screen, "\x1b[2J")
	}
	for {
		report, err := l.look()
		var b strings.Builder
		report.write(&b, paint)
		if again {
			// Drawing over what stands there does not flicker as clearing does.
			fmt.Fprint(c.screen, "\x1b[H"+strings.ReplaceAll(b.String(), "\n", "\x1b[K\n")+"\x1b[J")
		} else {
			fmt.Fprint(c.screen, b.String())
		}
		if err != nil {
			return c.fail(err)
		}
		if !watch {
			return done
		}
		time.Sleep(redrawn)
	}
}

func listBoards(w io.Writer) int {
	for _, b := range board.All() {
		fmt.Fprintf(w, "%-20s %s\n", b.Name, b.Title)
	}
	return done
}

// look is with what one looks.
type look struct {
	named  *board.Board // by the user; nil without
	probe  *gpio.Probe
	socket string
}

// lines returns the lines of this machine, or of the board that the user named.
func (l *look) lines() (*machine.Lines, error) {
	all, err := machine.Look(sources.Machine{})
	all.Board = cmp.Or(l.named, all.Board)
	return all, err
}

// boardReport is a board at one moment.
type boardReport struct {
	Model   string         `json:"model"`
	Board   string         `json:"board,omitempty"` // its name in the tables
	Title   string         `json:"title,omitempty"`
	Note    string         `json:"note,omitempty"`
	Kernel  string         `json:"kernel"`
	Agent   bool           `json:"agent"` // one is running, and answered
	Chips   []gpio.Chip    `json:"chips"`
	Headers []headerReport `json:"headers"`
}

type headerReport struct {
	Name    string      `json:"name"`
	Columns int         `json:"columns"`
	Pins    []pinReport `json:"pins"`
}

// pinReport is one pin of a header. Chip is empty if it is no line, or none
// that is there.
type pinReport struct {
	Pin      int            `json:"pin"`
	Name     string         `json:"name"`
	Function string         `json:"function,omitempty"`
	Others   []string       `json:"others,omitempty"`
	Wired    bool           `json:"line"`
	Chip     string         `json:"chip,omitempty"`
	Info     *gpio.LineInfo `json:"info,omitempty"`
	Level    string         `json:"level,omitempty"`
	HeldFor  string         `json:"held_for,omitempty"` // what the running agent calls it
	Error    string         `json:"error,omitempty"`
}

// look looks once. The report holds what could be seen even if there is an
// error.
func (l *look) look() (boardReport, error) {
	all, err := l.lines()
	r := boardReport{Model: all.Model, Kernel: kernelVersion(), Chips: append([]gpio.Chip{}, all.Chips...), Headers: []headerReport{}}
	s, noAgent := agent.AskStatus(l.socket, patience)
	r.Agent = noAgent == nil
	levels, probeErr := l.probe.Levels()
	if b := all.Board; b != nil {
		r.Board, r.Title, r.Note = b.Name, b.Title, b.Note
		for _, h := range b.Headers {
			r.Headers = append(r.Headers, header(h, all, heldLines(s, levels)))
		}
	}
	return r, cmp.Or(err, probeErr)
}

// held is a line that the running agent or we hold.
type held struct {
	sources.HeldLine
	as string // its name in the agent's configuration
}

func heldLines(s *agent.Status, probed []sources.HeldLine) []held {
	var all []held
	for _, source := range s.Sources {
		for _, state := range source.States {
			for _, line := range state.Lines {
				all = append(all, held{line, state.Name})
			}
		}
	}
	for _, line := range probed {
		all = append(all, held{line, ""})
	}
	return all
}

func header(h board.Header, all *machine.Lines, lines []held) headerReport {
	r := headerReport{Name: h.Name, Columns: h.Columns}
	for _, p := range h.Pins {
		pin := pinReport{Pin: p.Number, Name: p.Name, Function: p.Function(), Others: p.Others, Wired: p.Wired}
		if p.Wired {
			pin.find(all, h.Name, lines)
		}
		r.Pins = append(r.Pins, pin)
	}
	return r
}

// find fills in what is known of the pin's line.
func (p *pinReport) find(all *machine.Lines, header string, lines []held) {
	chip, offset, err := all.Resolve(fmt.Sprintf("%s:%d", header, p.Pin))
	if err != nil {
		p.Error = err.Error()
		return
	}
	p.Chip, p.Info = all.Chips[chip].Name, &all.Chips[chip].Lines[offset]
	i := slices.IndexFunc(lines, func(h held) bool { return h.Chip == p.Chip && h.Offset == offset })
	if i >= 0 {
		p.Level, p.HeldFor = lines[i].Level, lines[i].as
	}
}

// kernelVersion returns "Linux 6.1.0 aarch64".
func kernelVersion() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%s %s %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
}
