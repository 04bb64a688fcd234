// SPDX-License-Identifier: MIT

// Complaints about a configuration: where they are, how they read, and what
// the writer may have meant.

package config

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Pos is a place in a configuration file. Line and Col count from 1, Col in
// bytes; a Col of 0 says that the YAML parser knows the line only, a Line of 0
// that the whole file is meant.
type Pos struct {
	File      string
	Line, Col int
}

// String returns file:line:col, as far as known.
func (p Pos) String() string {
	text := p.File
	for _, n := range []int{p.Line, p.Col} {
		if n == 0 {
			break
		}
		text += ":" + strconv.Itoa(n)
	}
	return text
}

// Problem is one complaint. A warning does not keep the configuration from
// being used.
type Problem struct {
	Pos     Pos
	Message string
	Warning bool
	// OfMachine says that the warning is not about the configuration, but
	// about the machine that it is checked on.
	OfMachine bool
}

// String returns the complaint as one line: file:line:col: message.
func (p Problem) String() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	return fmt.Sprintf("%s: %s%s", p.Pos, kind, p.Message)
}

// mostProblems is how many errors, and how many warnings, are worked out: more
// than anyone mends before he asks again, and few enough for a file of nothing
// but mistakes to be answered at once.
const mostProblems = 200

// Problems collects complaints, so that all of them are reported at once, or the
// first of very many. The zero value is ready for use.
type Problems struct {
	list     []Problem
	files    []string
	calls    int // for Whole: how often there was something to complain of
	errors   int // in list; the rest are warnings
	told     map[complaint]bool
	withheld int // complaints that are not worked out
}

// complaint tells complaints apart that are not worked out.
type complaint struct {
	at     Pos
	format string
}

// Errorf adds a complaint that makes the configuration unusable. Of very many
// only the first are kept, and args not made into text for the others.
func (ps *Problems) Errorf(at Pos, format string, args ...any) {
	ps.addf(Problem{Pos: at}, format, args)
}

// Warnf adds a complaint that does not.
func (ps *Problems) Warnf(at Pos, format string, args ...any) {
	ps.addf(Problem{Pos: at, Warning: true}, format, args)
}

// WarnOfMachinef adds a warning that another machine would not give.
func (ps *Problems) WarnOfMachinef(at Pos, format string, args ...any) {
	ps.addf(Problem{Pos: at, Warning: true, OfMachine: true}, format, args)
}

func (ps *Problems) addf(p Problem, format string, args []any) {
	ps.calls++
	kept := ps.errors
	if p.Warning {
		kept = len(ps.list) - ps.errors
	}
	key := complaint{p.Pos, format}
	switch {
	case kept < mostProblems:
		p.Message = fmt.Sprintf(format, args...)
		ps.add(p)
	case !ps.told[key]:
		ps.withheld++
	}
	if ps.told == nil {
		ps.told = map[complaint]bool{}
	}
	ps.told[key] = true
}

// shortened leaves out the middle of a message that quotes more than anyone
// reads: what it says is at its ends.
func shortened(message string) string {
	const most, head, tail = 2000, 800, 400
	if len(message) <= most {
		return message
	}
	begin, end := message[:head], message[len(message)-tail:]
	return fmt.Sprintf("%s… (%d bytes) …%s", strings.ToValidUTF8(begin, ""), len(message)-head-tail, strings.ToValidUTF8(end, ""))
}

func (ps *Problems) add(p Problem) {
	p.Message = shortened(p.Message)
	if !slices.Contains(ps.files, p.Pos.File) {
		ps.files = append(ps.files, p.Pos.File)
	}
	if slices.Contains(ps.list, p) {
		return
	}
	ps.list = append(ps.list, p)
	if !p.Warning {
		ps.errors++
	}
}

// Failed reports whether there is a complaint that is more than a warning.
func (ps *Problems) Failed() bool { return ps.errors > 0 }

// All returns the complaints by file, in the order in which the files were
// first complained about, and within a file by place. Of very many the last
// says how many more there are.
func (ps *Problems) All() []Problem {
	sort.Stable((*byPlace)(ps))
	if ps.withheld > 0 {
		last := ps.list[len(ps.list)-1]
		return append(slices.Clip(ps.list), Problem{
			Pos: Pos{File: last.Pos.File}, Warning: !ps.Failed(),
			Message: fmt.Sprintf("and %d more problems", ps.withheld),
		})
	}
	return ps.list
}

// byPlace sorts complaints by file, line and column.
type byPlace Problems

func (ps *byPlace) Len() int      { return len(ps.list) }
func (ps *byPlace) Swap(i, j int) { ps.list[i], ps.list[j] = ps.list[j], ps.list[i] }

func (ps *byPlace) Less(i, j int) bool {
	a, b := ps.list[i].Pos, ps.list[j].Pos
	return cmp.Or(
		cmp.Compare(slices.Index(ps.files, a.File), slices.Index(ps.files, b.File)),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Col, b.Col)) < 0
}

// Error returns all complaints, a line each.
func (ps *Problems) Error() string {
	return ps.Summary(len(ps.list) + 1)
}

// Summary returns the first complaints, at most n of them, a line each, and
// how many more there are.
func (ps *Problems) Summary(n int) string {
	var lines []string
	all := ps.All()
	for _, p := range all[:min(n, len(all))] {
		lines = append(lines, p.String())
	}
	if more := len(all) - n; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Suggest returns `; did you mean "x"?` for the word of known that is nearest
// to word, or nothing if none is near.
func Suggest(word string, known []string) string {
	if best := Nearest(word, known); best != "" {
		return didYouMean(best)
	}
	return ""
}

// Known is Suggest for words of which there may be few: where none is near and
// they are not too many to be read, it lists them. Since there may be very many
// too, it is worked out only where it is printed.
func Known(word string, known []string) fmt.Stringer {
	return later(func() string { return orList(word, known, "known") })
}

// Unknown is Known for names that the configuration declares. If there are none
// it says, by an example, how one is declared.
func Unknown(word string, declared func() []string, example string) fmt.Stringer {
	return later(func() string {
		names := slices.Sorted(slices.Values(declared()))
		if len(names) == 0 {
			return "; declare it: " + example
		}
		return orList(word, names, "declared")
	})
}

// later is text that is worked out where it is printed.
type later func() string

func (l later) String() string { return l() }

func orList(word string, known []string, what string) string {
	const most = 12
	if s := Suggest(word, known); s != "" || len(known) == 0 || len(known) > most {
		return s
	}
	return "; " + what + ": " + strings.Join(known, ", ")
}

func didYouMean(word string) string { return fmt.Sprintf("; did you mean %q?", word) }

// Nearest returns the word of known that is nearest to word, or "": the one
// with the fewest letters to change and among those the one that begins most
// alike, else the only one that begins alike at all.
func Nearest(word string, known []string) string {
	best, bestDistance, bestPrefix := "", 1+max(1, min(mostChanges-1, len(word)/3)), 0
	if len(word) < 2 {
		bestDistance = 0 // another letter is another word
	}
	alike, count := "", 0
	lower := strings.ToLower(word)
	for _, k := range known {
		d, prefix := distance(lower, strings.ToLower(k)), commonPrefix(word, k)
		if d < bestDistance || d == bestDistance && best != "" && prefix > bestPrefix {
			best, bestDistance, bestPrefix = k, d, prefix
		}
		if prefix >= 3 && prefix*2 > len(word)-1 {
			alike, count = k, count+1
		}
	}
	if best == "" && count == 1 {
		return alike
	}
	return best
}

// commonPrefix is how many letters a and b begin with alike.
func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n]|0x20 == b[n]|0x20 {
		n++
	}
	return n
}

// mostChanges is how many changed letters are told apart: as many or more make
// another word.
const mostChanges = 4

// distance is the number of letters to insert, remove, replace or swap with
// the next to come from a to b (optimal string alignment), up to mostChanges.
// Words longer than a name ever is are far from everything.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest || max(len(a), len(b))-min(len(a), len(b)) >= mostChanges {
		return mostChanges
	}
	var rows [3][longest + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		// Further from the diagonal, it is mostChanges or more.
		from, to := max(1, i-mostChanges), min(len(b), i+mostChanges)
		if from > 1 {
			row[from-1] = mostChanges
		}
		for j := from; j <= to; j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		if to < len(b) {
			row[to+1] = mostChanges
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], mostChanges)
}
