// SPDX-License-Identifier: MIT

// The manual pages in docs/man, written from the declarations of verbs and of
// the language. The writer is a test, so that the program need not hold it:
// `go test ./cmd/reflexd -run TestManPages -update`.

package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reflexd/agent"
	"reflexd/config"
	"reflexd/lab/image"
)

const manFolder = "../../docs/man"

func TestManPages(t *testing.T) {
	pages := manPages()
	if *update {
		writePages(t, pages)
	}
	there, err := filepath.Glob(manFolder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if pages[filepath.Base(path)] == "" {
			t.Errorf("%s is the page of nothing", path)
		}
	}
	for name, want := range pages {
		path := filepath.Join(manFolder, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s is out of date: -update writes it (-declared +page)\n%s", name, diff)
		}
		said, err := image.Command(t.Context(), "mandoc", "-T", "lint", path).CombinedOutput()
		if err != nil {
			t.Errorf("mandoc: %v\n%s", err, said)
		}
	}
}

// TestManPagesFit reads the pages as on a terminal of 80 columns.
func TestManPagesFit(t *testing.T) {
	for name := range manPages() {
		page, err := image.Command(t.Context(), "mandoc", "-T", "ascii", "-O", "width=80", filepath.Join(manFolder, name)).Output()
		if err != nil {
			t.Fatal(name, err)
		}
		for line := range strings.Lines(string(page)) {
			if shown := overstruck(strings.TrimRight(line, "\n")); len(shown) > 80 {
				t.Errorf("%s: a line of %d columns: %s", name, len(shown), shown)
			}
		}
	}
}

// overstruck returns a line without what bold and underlined characters are made of.
func overstruck(line string) string {
	var shown []byte
	for i := 0; i < len(line); i++ {
		if line[i] == '\b' && len(shown) > 0 {
			shown = shown[:len(shown)-1]
			continue
		}
		shown = append(shown, line[i])
	}
	return string(shown)
}

func writePages(t *testing.T, pages map[string]string) {
	t.Helper()
	if err := os.MkdirAll(manFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(manFolder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// manPages returns all pages by the names of their files.
func manPages() map[string]string {
	pages := map[string]string{"reflexd.8": programPage(), "reflexd.yaml.5": languagePage(agent.Language())}
	for _, v := range verbs() {
		pages["reflexd-"+v.name+".8"] = verbPage(v)
	}
	return pages
}

// page is a manual page in the macros of man(7).
type page struct {
	bytes.Buffer
	titled bool // a title was the last
}

func newPage(name, section, what string) *page {
	p := &page{}
	fmt.Fprintln(p, `.\" SPDX-License-Identifier: MIT`)
	fmt.Fprintln(p, `.\" Written from the declarations: see cmd/reflexd/man_test.go`)
	fmt.Fprintf(p, ".TH %s %s 2026-11-26 reflexd\n", roff(strings.ToUpper(name)), section)
	p.section("Name")
	fmt.Fprintln(p, folded(roff(name)+` \- `+roff(strings.TrimSuffix(what, "."))))
	return p
}

func (p *page) section(title string) {
	fmt.Fprintf(p, ".SH %s\n", strings.ToUpper(title))
	p.titled = true
}

func (p *page) subsection(title string) {
	fmt.Fprintf(p, ".SS %s\n", marked(title))
	p.titled = true
}

// text writes a paragraph, in which `…` is bold. The first one below a title has no macro of its own.
func (p *page) text(text string) {
	if !p.titled {
		fmt.Fprintln(p, ".PP")
	}
	fmt.Fprintln(p, folded(marked(text)))
	p.titled = false
}

// item writes an entry of a list.
func (p *page) item(term, text string) {
	fmt.Fprintf(p, ".TP\n%s\n%s\n", term, folded(marked(text)))
	p.titled = false
}

// folded breaks text into lines of at most 79 bytes, as far as its words allow.
func folded(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) < 80:
			b.WriteByte(' ')
			column++
		default:
			b.WriteByte('\n')
			column = 0
			if strings.HasPrefix(word, ".") || strings.HasPrefix(word, "'") {
				word = `\&` + word
			}
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// example writes lines as they are.
func (p *page) example(lines string) {
	fmt.Fprintf(p, ".PP\n.RS 4\n.nf\n%s\n.fi\n.RE\n", roff(strings.Trim(lines, "\n")))
}

// roff escapes what is special to roff.
func roff(text string) string {
	var b strings.Builder
	for line := range strings.SplitAfterSeq(text, "\n") {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			b.WriteString(`\&`)
		}
		for _, r := range line {
			switch {
			case r == '\\':
				b.WriteString(`\e`)
			case r == '-':
				b.WriteString(`\-`)
			case r == '\'':
				b.WriteString(`\(aq`)
			case r == '^':
				b.WriteString(`\(ha`)
			case r == '~':
				b.WriteString(`\(ti`)
			case r > 127:
				fmt.Fprintf(&b, `\[u%04X]`, r)
			default:
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// marked is roff for a text with `…` in it.
func marked(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(strings.ReplaceAll(text, `\|`, "|"), "`") {
		if i%2 == 1 {
			part = `\fB` + roff(part) + `\fR`
		} else {
			part = roff(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

func bold(text string) string { return `\fB` + roff(text) + `\fR` }

func programPage() string {
	p := newPage("reflexd", "8", "reactions to buttons, keys, devices and signals")
	p.section("Synopsis")
	fmt.Fprintln(p, bold("reflexd")+` \fIverb\fR [\fIflags\fR] [\fIarguments\fR]`)
	p.section("Description")
	p.text("`reflexd` runs commands, drives GPIOs and mounts USB drives when a button is pressed, a device is plugged in, a network link changes or a kernel driver reports something. `reflexd run` does that in the foreground, as a service manager wants it. The other verbs write, check and explain its configuration, show events, and control the agent that runs.")
	p.text("Flags may stand before or after arguments.")
	p.section("Verbs")
	for _, v := range verbs() {
		p.item(bold(v.name)+arguments(v), sentence(v.summary)+". See `reflexd-"+v.name+"`(8).")
	}
	p.section("Exit status")
	exitStatus(p)
	p.section("Files")
	p.item(bold(config.DefaultFile), "the configuration: see `reflexd.yaml`(5).")
	p.item(bold(config.DefaultDir+"/*.yaml"), "more of it, read in the order of the names.")
	p.item(bold("/var/lib/reflexd/state"), "variables that survive a restart.")
	p.item(bold("/run/reflexd.sock"), "the control socket. For users other than root it is reflexd.sock in $XDG_RUNTIME_DIR, or /tmp/reflexd-UID.sock.")
	p.item(bold("/usr/share/doc/reflexd"), "the documentation and examples.")
	p.section("Signals")
	p.item(bold("SIGHUP"), "reads the configuration again; a file with mistakes changes nothing.")
	p.item(bold("SIGTERM")+", "+bold("SIGINT"), "stop the agent within a second.")
	p.section("Example")
	p.text("Hold a button between GPIO3 and ground for three seconds to shut the board down:")
	p.example("rules:\n  - when: {button: GPIO3, is: held, for: 3s}\n    do: {run: [poweroff]}")
	seeAlso(p, "reflexd.yaml(5)", "reflexd-run(8)", "reflexd-learn(8)", "reflexd-check(8)", "systemd.service(5)")
	return p.String()
}

func exitStatus(p *page) {
	p.item("0", "Success.")
	p.item("1", "Failure.")
	p.item("2", "Wrong usage or configuration.")
}

func seeAlso(p *page, names ...string) {
	p.section("See also")
	for i, name := range names {
		name, section, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		fmt.Fprintf(p, ".BR %s (%s)%s\n", roff(name), section, end)
	}
}

// arguments is what a usage line shows of a verb's arguments.
func arguments(v verb) string {
	if v.args == "" {
		return ""
	}
	return ` \fI` + roff(v.args) + `\fR`
}

func verbPage(v verb) string {
	c := &command{flags: flag.NewFlagSet(v.name, flag.ContinueOnError), stdout: io.Discard, stderr: io.Discard}
	v.flags(c)
	p := newPage("reflexd-"+v.name, "8", v.summary)
	p.section("Synopsis")
	fmt.Fprintln(p, bold("reflexd "+v.name)+` [\fIflags\fR]`+arguments(v))
	p.section("Description")
	p.text(sentence(v.summary) + ".")
	first := true
	c.flags.VisitAll(func(f *flag.Flag) {
		if first {
			p.section("Flags")
		}
		first = false
		value, about := flag.UnquoteUsage(f)
		if value != "" {
			value = ` \fI` + roff(value) + `\fR`
		}
		if f.DefValue != "" && f.DefValue != "false" && f.Name != "socket" { // whose default depends on the user
			about += " (default: " + f.DefValue + ")"
		}
		p.item(bold(dashed(f.Name))+value, sentence(about)+".")
	})
	p.section("Exit status")
	exitStatus(p)
	seeAlso(p, "reflexd(8)", "reflexd.yaml(5)")
	return p.String()
}

func languagePage(root config.Shape) string {
	p := newPage("reflexd.yaml", "5", "configuration of reflexd")
	p.section("Description")
	p.text("The configuration of `reflexd`(8) is a YAML file. It declares lines, devices and other things by names, and has rules: `when` something happens, and `if` some conditions hold, `do` some actions.")
	p.example("lines:\n  bell: {button: pin 13}\n  lamp: {output: GPIO17}\nrules:\n  - name: the lamp follows the bell\n    when: {line: bell, is: pressed}\n    do: {set: {line: lamp, to: toggle}}")
	p.text("Durations have a unit: `200ms`, `3s`, `1h30m`. On and off may also be written as true and false. In strings, `${FIELD}` stands for a field of the event. After a change, run `reflexd check`, then `reflexd reload`.")
	p.section("Top level")
	p.fields(root.Fields)
	for _, f := range root.Fields {
		entry := f.Value.Shape()
		if entry.Elem == nil {
			continue
		}
		p.section("An entry of " + f.Name)
		for _, v := range entry.Elem.Variants {
			p.subsection("`" + v.Key + "`")
			p.text(sentence(v.Doc) + ".")
			p.fields(append(v.Fields(), entry.Elem.Fields...))
		}
		if len(entry.Elem.Variants) > 0 {
			continue
		}
		p.fields(entry.Elem.Fields)
		for _, inner := range entry.Elem.Fields {
			p.variants(inner)
		}
	}
	seeAlso(p, "reflexd(8)", "reflexd-check(8)", "reflexd-learn(8)", "reflexd-schema(8)")
	return p.String()
}

// variants writes a section of what a field can be, if it can be several things.
func (p *page) variants(f config.Field) {
	shape := f.Value.Shape()
	if shape.Elem == nil || len(shape.Elem.Variants) == 0 || f.Name == "on_failure" {
		return
	}
	p.section("What " + f.Name + " can be")
	for _, v := range shape.Elem.Variants {
		p.subsection("`" + v.Key + "`")
		p.text(sentence(v.Doc) + ".")
		fields := v.Fields()
		p.fields(fields)
		for _, inner := range fields {
			if long := longForm(inner.Value.Shape()); len(long) > 0 {
				p.text("Keys of `" + inner.Name + "`:")
				p.fields(long)
			}
		}
	}
	if len(shape.Elem.Fields) > 0 {
		p.subsection("With every " + shape.Elem.Type)
		p.fields(shape.Elem.Fields)
	}
}

func (p *page) fields(fields []config.Field) {
	for _, f := range fields {
		about := sentence(f.Doc)
		if about != "" {
			about += ". "
		}
		about += "Value: " + strings.ReplaceAll(typeOf(f.Value.Shape()), "` `", "`, `") + "."
		switch {
		case f.Required:
			about += " Required."
		case f.Default != "":
			about += " Default: `" + f.Default + "`."
		}
		p.item(bold(f.Name), about)
	}
}

// TestManPageIsRoff has the characters that roff takes for its own.
func TestManPageIsRoff(t *testing.T) {
	got := marked(".a `b-c` \\d 'e'\n'f … ~^")
	want := `\&.a \fBb\-c\fR \ed \(aqe\(aq` + "\n" + `\&\(aqf \[u2026] \(ti\(ha`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
