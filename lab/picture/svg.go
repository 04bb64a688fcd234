// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The measures of a picture, in pixels. A monospaced font of 14 pixels is 8.4
// wide almost everywhere; textLength makes it so where it is not.
const (
	fontSize   = 14
	charWidth  = 8.4
	lineHeight = 18
	margin     = 16
	columns    = 112 // longer lines are cut
)

// fills are the colours of SGR codes (ECMA-48) on a dark ground.
var fills = map[string]string{
	"0": "#d8dee9", "1": "#ffffff", "2": "#7b8494", "31": "#e06c75", "32": "#98c379", "33": "#e5c07b", "36": "#56b6c2",
}

var sgr = regexp.MustCompile("\x1b\\[([0-9]*)m")

// svg draws what a terminal shows.
func svg(title, text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	width := 0
	for i := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimRight(lines[i], "\r "), "\t", "    ")
		width = max(width, min(columns, utf8.RuneCountInString(sgr.ReplaceAllString(lines[i], ""))))
	}
	w, h := 2*margin+charWidth*float64(width), 2*margin+lineHeight*len(lines)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" role="img">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="#1e222a"/>`+"\n")
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="%d" xml:space="preserve">`+"\n", fontSize)
	for i, line := range lines {
		drawLine(&b, line, margin+fontSize+i*lineHeight)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// drawLine draws one line, a piece for each colour.
func drawLine(b *strings.Builder, line string, y int) {
	column, fill := 0, fills["0"]
	piece := func(text string) {
		if room := columns - column; utf8.RuneCountInString(text) > room {
			text = string([]rune(text)[:max(0, room-1)]) + "…"
		}
		n := utf8.RuneCountInString(text)
		if strings.TrimSpace(text) != "" && column < columns {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s" textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
				margin+charWidth*float64(column), y, fill, charWidth*float64(n), html.EscapeString(text))
		}
		column += n
	}
	at := 0
	for _, m := range sgr.FindAllStringSubmatchIndex(line, -1) {
		piece(line[at:m[0]])
		if f := fills[line[m[2]:m[3]]]; f != "" {
			fill = f
		}
		at = m[1]
	}
	piece(line[at:])
}
