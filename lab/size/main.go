// SPDX-License-Identifier: MIT

// Size prints what each package costs in the stripped program, from a build of
// it that has its symbols, and fails if one costs more than its budget. See
// docs/decisions/005-size-limit.md.
package main

import (
	"bufio"
	"debug/elf"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	budget := flag.String("budget", "", "a file with a line `BYTES PART` for each part")
	update := flag.Bool("update", false, "write the budget again, with some room for each part")
	flag.Parse()
	if err := run(flag.Arg(0), *budget, *update); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(program, budget string, update bool) error {
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return fmt.Errorf("read the symbols of %s: %w", program, err)
	}
	costs := measure(f, symbols)
	if update {
		return os.WriteFile(budget, costs.budget(), 0o644)
	}
	allowed, err := readBudget(budget)
	if err != nil {
		return err
	}
	return costs.print(allowed)
}

// costs are what the parts of the program take in the file, in bytes.
type costs map[string]uint64

// measure adds up the symbols of each part. Go's tables of functions and lines
// are not symbols of packages: each takes its share by the size of its code.
func measure(f *elf.File, symbols []elf.Symbol) costs {
	c, code, all := costs{}, costs{}, uint64(0)
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) || s.Section == elf.SHN_UNDEF || elf.ST_TYPE(s.Info) == elf.STT_SECTION {
			continue
		}
		section := f.Sections[s.Section]
		switch part := part(s.Name); {
		case section.Type == elf.SHT_NOBITS || section.Flags&elf.SHF_ALLOC == 0 || part == "":
		case section.Name == ".text":
			c[part] += s.Size
			code[part] += s.Size
			all += s.Size
		default:
			c[part] += s.Size
		}
	}
	tables := f.Section(".gopclntab").Size
	for part, n := range code {
		c[part] += tables * n / all
	}
	known := uint64(0)
	for _, n := range c {
		known += n
	}
	c["types, strings, rest"] = allocated(f) - min(known, allocated(f))
	return c
}

// allocated is the size of what is loaded from the file.
func allocated(f *elf.File) uint64 {
	n := uint64(0)
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS {
			n += s.Size
		}
	}
	return n
}

// part returns to which part of the program a symbol belongs: a package that is
// not of the standard library, or a group of those that are; "" for none, which
// is what the linker makes for all packages, and what Go's tables have.
func part(symbol string) string {
	name, _, _ := strings.Cut(strings.ReplaceAll(symbol, "%2e", "."), "[")
	if strings.HasPrefix(name, "type:") || strings.HasPrefix(name, "go:") {
		return ""
	}
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	if strings.HasPrefix(name, "gopkg.in/yaml.v3") {
		return "gopkg.in/yaml.v3"
	}
	if dot < 0 {
		return ""
	}
	switch path := name[:slash+dot]; {
	case path == "main":
		return "reflexd/cmd/reflexd"
	case strings.HasPrefix(path, "runtime"), strings.HasPrefix(path, "internal/"), strings.HasPrefix(path, "sync"):
		return "runtime"
	case strings.HasPrefix(path, "regexp"), strings.HasPrefix(path, "unicode"):
		return "regexp"
	case strings.HasPrefix(path, "encoding/"):
		return "encoding"
	case path == "fmt", path == "time", path == "slices", path == "reflect", strings.HasPrefix(path, "log"),
		strings.HasPrefix(path, "reflexd/"), strings.Contains(path, "."):
		return path
	}
	return "other std"
}

// print prints all parts, the biggest first, and complains of those that cost
// more than they may.
func (c costs) print(allowed costs) error {
	var over []string
	total := uint64(0)
	fmt.Printf("%9s %9s  %s\n", "bytes", "budget", "")
	for _, part := range c.parts() {
		limit, ok := allowed[part]
		mark := ""
		if c[part] > limit {
			mark = "  over"
			over = append(over, part)
		}
		if !ok {
			mark = "  has no budget"
		}
		total += c[part]
		fmt.Printf("%9d %9d  %s%s\n", c[part], limit, part, mark)
	}
	fmt.Printf("%9d            in all\n", total)
	if len(over) > 0 {
		return fmt.Errorf("over their budget: %s: make them smaller, or raise their lines in lab/size/budget", strings.Join(over, ", "))
	}
	return nil
}

func (c costs) parts() []string {
	var names []string
	for name := range c {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if c[a] != c[b] {
			return int(c[b]) - int(c[a])
		}
		return strings.Compare(a, b)
	})
	return names
}

// budget returns a budget that c keeps: each part may grow by a tenth and 2 KB.
func (c costs) budget() []byte {
	names := c.parts()
	slices.Sort(names)
	text := []byte("# What each part of the armv6 program may cost, in bytes: see docs/decisions/005-size-limit.md.\n")
	for _, name := range names {
		text = fmt.Appendf(text, "%d %s\n", (c[name]*11/10+2500)/1000*1000, name)
	}
	return text
}

func readBudget(path string) (costs, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := costs{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		number, name, ok := strings.Cut(lines.Text(), " ")
		if number == "#" {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: expected BYTES PART, found %q", path, lines.Text())
		}
		all[name] = n
	}
	return all, lines.Err()
}
