// SPDX-License-Identifier: MIT

// Drawing a board: its chips as a table, its headers as they lie.

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// write draws the board.
func (r *boardReport) write(w io.Writer, paint painter) {
	title := r.Title
	switch {
	case title == "" && r.Model == "":
		title = "unknown board"
	case title == "":
		title = printable(r.Model) + ": not in the board tables; name its lines as the kernel does, or by CHIP:OFFSET"
	case r.Model != "" && !strings.HasPrefix(r.Model, title):
		title += fmt.Sprintf(" [%s], detected as %s", r.Board, printable(r.Model))
	default:
		title += fmt.Sprintf(" [%s]", r.Board)
	}
	fmt.Fprintf(w, "%s\n%s\n", title, r.Kernel)
	if r.Note != "" {
		fmt.Fprintln(w, r.Note)
	}
	r.writeChips(w)
	for _, h := range r.Headers {
		fmt.Fprintf(w, "\nheader %s\n", h.Name)
		h.write(w, paint)
	}
	if len(r.Headers) > 0 && !r.Agent {
		fmt.Fprintln(w, "\nno agent is running: levels are shown only of lines that you name")
	}
}

func (r *boardReport) writeChips(w io.Writer) {
	if len(r.Chips) == 0 {
		fmt.Fprintln(w, "\nno GPIO chip (/dev/gpiochip*)")
		return
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Chips {
		used := 0
		for _, l := range c.Lines {
			if l.Used {
				used++
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s, %d in use\n", c.Name, printable(c.Label), counted(len(c.Lines), "line"), used)
	}
	table.Flush()
}

// write draws the header: one column of pins has its words at the right, the
// left one of two has them at the left, in reverse.
func (h *headerReport) write(w io.Writer, paint painter) {
	var left, right grid
	for i := range h.Pins {
		cells := h.Pins[i].cells(paint)
		if h.Columns == 2 && i%2 == 0 {
			left = append(left, mirrored(cells))
		} else {
			right = append(right, cells)
		}
	}
	leftWidths, rightWidths := left.widths(), right.widths()
	for i, cells := range right {
		var b strings.Builder
		if left != nil {
			for j, c := range left[i] {
				b.WriteString(c.padded(leftWidths[j], true) + "  ")
			}
			b.WriteString("|")
		}
		for j, c := range cells {
			b.WriteString("  " + c.padded(rightWidths[j], j == 0))
		}
		fmt.Fprintln(w, "  "+strings.TrimRight(b.String(), " "))
	}
}

// cells returns the words about a pin: number, name, function, direction and
// level, who uses it.
func (p *pinReport) cells(paint painter) []cell {
	number, name := plain(fmt.Sprint(p.Pin)), cell{p.Name, paint.of(kindOfPin(p))}
	function, state, use := plain(p.Function), plain(""), plain("")
	switch {
	case p.Error != "":
		state = plain("not there")
	case p.Info != nil:
		state = cell{strings.TrimSpace(strings.TrimSuffix(p.Info.Direction, "put") + " " + p.Level), paint.of(p.Level)}
		use = cell{p.user(), paint.of("used")}
	}
	return []cell{number, name, function, state, use}
}

// user says who uses the pin's line, "" for nobody.
func (p *pinReport) user() string {
	switch {
	case p.HeldFor != "":
		return "reflexd: " + printable(p.HeldFor)
	case !p.Info.Used, p.Level != "": // by nobody but this look
		return ""
	case p.Info.Consumer == "":
		return "used"
	}
	return printable(p.Info.Consumer)
}

func kindOfPin(p *pinReport) string {
	switch {
	case p.Wired:
		return "line"
	case p.Name == "GND":
		return "ground"
	}
	return "power"
}

// cell is a word of a drawing, and the colour that it is painted with.
type cell struct{ text, colour string }

func plain(text string) cell { return cell{text, ""} }

// padded returns the word in width columns, painted.
func (c cell) padded(width int, toTheRight bool) string {
	space := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(c.text)))
	text := c.text
	if c.colour != "" && text != "" {
		text = c.colour + text + "\x1b[0m"
	}
	if toTheRight {
		return space + text
	}
	return text + space
}

func mirrored(cells []cell) []cell {
	var m []cell
	for i := range cells {
		m = append(m, cells[len(cells)-1-i])
	}
	return m
}

// grid is rows of as many words each.
type grid [][]cell

func (g grid) widths() []int {
	if len(g) == 0 {
		return nil
	}
	widths := make([]int, len(g[0]))
	for _, row := range g {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	return widths
}

// painter knows the colours of a drawing.
type painter struct{ coloured bool }

// of returns the escape sequence that begins a colour (ECMA-48, SGR), "" for
// none.
func (p painter) of(what string) string {
	if !p.coloured {
		return ""
	}
	switch what {
	case "power":
		return "\x1b[31m"
	case "ground":
		return "\x1b[2m"
	case "line":
		return "\x1b[1m"
	case "high":
		return "\x1b[32m"
	case "low":
		return "\x1b[36m"
	case "used":
		return "\x1b[33m"
	}
	return ""
}

// coloured reports whether what is written to w is to be painted: for a person,
// as no-color.org and bixense.com/clicolors have it.
func coloured(w io.Writer) bool {
	switch {
	case os.Getenv("NO_COLOR") != "":
		return false
	case os.Getenv("CLICOLOR_FORCE") != "":
		return true
	}
	return isTerminal(w) && os.Getenv("TERM") != "dumb"
}

// isTerminal reports whether f, a file for reading or writing, is a terminal.
func isTerminal(f any) bool {
	file, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}
