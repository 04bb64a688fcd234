// SPDX-License-Identifier: MIT

// The verb completion: scripts for shells, and the answers to what these ask.
// What can follow comes from the verbs' declarations: their flags, and the
// words by which their usage lines name their arguments.

package main

import (
	"cmp"
	"embed"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"reflexd/agent"
	"reflexd/board"
	"reflexd/client"
	"reflexd/config"
	"reflexd/machine"
	"reflexd/sources"
)

//go:embed completion/reflexd.bash completion/_reflexd completion/reflexd.fish
var completionScripts embed.FS

// shells has the file of each shell's script, by the name under which the shell
// looks for it.
var shells = map[string]string{"bash": "reflexd.bash", "zsh": "_reflexd", "fish": "reflexd.fish"}

func completionVerb(c *command) func([]string) int {
	return func(args []string) int {
		switch {
		case len(args) == 0 || shells[args[0]] == "" || len(args) > 2:
			fmt.Fprintf(c.stderr, "reflexd %s: expected bash, zsh or fish\n", c.flags.Name())
			return wrong
		case len(args) == 1:
			script, err := completionScripts.ReadFile("completion/" + shells[args[0]])
			if err != nil {
				return c.fail(err)
			}
			_, err = c.stdout.Write(script)
			if err != nil {
				return c.fail(err)
			}
			return done
		}
		for _, line := range answer(args[0], args[1]) {
			fmt.Fprintln(c.stdout, line)
		}
		return done
	}
}

// word is one that may come next.
type word struct{ text, about string }

// files stands for the names of files, which shells complete better.
const files = ":files"

// answer returns what may stand where the command line ends, as the script of
// the shell expects it. The script for bash passes the line as it is typed; the
// others pass a word a line.
func answer(shell, line string) []string {
	typed := strings.Split(line, "\n")
	if shell == "bash" {
		typed = splitLine(line)
	}
	if len(typed) < 2 {
		return nil
	}
	last := typed[len(typed)-1]
	before, start := typed[1:len(typed)-1], last
	if shell == "bash" {
		for i := range before {
			before[i] = unquote(before[i])
		}
	}
	if shell != "zsh" { // which does it itself
		start = unquote(last)
	}
	var lines []string
	for _, w := range following(before, start) {
		switch {
		case w.text == files:
			lines = append(lines, files)
		case !strings.HasPrefix(w.text, start):
		case shell == "bash":
			lines = append(lines, quoteLike(last, w.text))
		case shell == "zsh":
			lines = append(lines, strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(w.text)+":"+w.about)
		default:
			lines = append(lines, w.text+"\t"+w.about)
		}
	}
	return lines
}

// following returns what may come after the words before, where the word that
// begins with start is being typed.
func following(before []string, start string) []word {
	all := verbs()
	if len(before) == 0 {
		return verbWords(all)
	}
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == before[0] })
	if i < 0 {
		return nil
	}
	c := &command{flags: flag.NewFlagSet(before[0], flag.ContinueOnError)}
	all[i].flags(c)
	if flagName, ok := strings.CutPrefix(before[len(before)-1], "-"); ok {
		if f := c.flags.Lookup(strings.TrimPrefix(flagName, "-")); f != nil && !isSwitch(f) {
			return valuesOf(f)
		}
	}
	if strings.HasPrefix(start, "-") {
		return flagsOf(c.flags)
	}
	return argumentsOf(all[i], before)
}

func verbWords(all []verb) []word {
	var words []word
	for _, v := range all {
		words = append(words, word{v.name, v.summary})
	}
	return words
}

// isSwitch reports whether a flag has no value.
func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

func flagsOf(flags *flag.FlagSet) []word {
	var all []word
	flags.VisitAll(func(f *flag.Flag) {
		_, about := flag.UnquoteUsage(f)
		all = append(all, word{dashed(f.Name), about})
	})
	return append(all, word{"--help", "explain the verb"})
}

// valuesOf returns the values of a flag that its usage names: "`format` of the log: text, json".
func valuesOf(f *flag.Flag) []word {
	name, about := flag.UnquoteUsage(f)
	switch name {
	case "path":
		return []word{{files, ""}}
	case "board":
		return boards()
	case "line":
		return boardLines("LINE")
	}
	_, list, found := strings.Cut(about, ": ")
	if !found {
		return nil
	}
	return plainWords(strings.Split(strings.ReplaceAll(list, " or ", ", "), ", "))
}

func plainWords(texts []string) []word {
	var all []word
	for _, text := range texts {
		if text != "" && !slices.Contains(all, word{text, ""}) {
			all = append(all, word{text, ""})
		}
	}
	return all
}

// argumentsOf returns what the usage line of a verb asks for, after the words
// before: RULE stands for the names of rules, and language for itself.
func argumentsOf(v verb, before []string) []word {
	var all []word
	for _, name := range strings.FieldsFunc(v.args, func(r rune) bool { return !unicode.IsLetter(r) }) {
		switch name {
		case "FILE", "FOLDER", "PATH":
			all = append(slices.DeleteFunc(all, func(w word) bool { return w.text == files }), word{files, ""})
		case "RULE":
			all = append(all, plainWords(declared(before).rules)...)
		case "LINE", "CHIP":
			all = append(all, boardLines(name)...)
		case "SOURCE":
			all = append(all, plainWords(agent.SourceNames())...)
		case "VERB":
			all = append(all, verbWords(verbs())...)
		case "NAME":
			if v.name == "emit" {
				all = append(all, plainWords(declared(before).events)...)
			} else {
				all = append(all, plainWords(declared(before).names)...)
			}
		case "or":
		default:
			if name == strings.ToLower(name) {
				all = append(all, word{name, ""})
			}
		}
	}
	return all
}

func boards() []word {
	var all []word
	for _, b := range board.All() {
		all = append(all, plainWords(b.Names())...)
	}
	return all
}

// boardLines returns the names of this machine's lines, or of its chips.
func boardLines(what string) []word {
	lines, _ := machine.Look(sources.Machine{}) // without them there is nothing to offer
	var names []string
	for _, chip := range lines.Chips {
		if what == "CHIP" {
			names = append(names, chip.Name, chip.Label)
			continue
		}
		for _, line := range chip.Lines {
			names = append(append(names, line.Name), lines.NamesOfBoard(&chip, &line)...)
		}
	}
	return plainWords(names)
}

// valueOf returns what stands after a flag, the last time; "" without.
func valueOf(flag string, words []string) string {
	value := ""
	for i, w := range words[:max(0, len(words)-1)] {
		if strings.TrimLeft(w, "-") == flag && w != flag {
			value = words[i+1]
		}
	}
	return value
}

// declarations are the names that a configuration declares.
type declarations struct{ rules, names, events []string }

// declared returns the names that the files of the running agent declare, or
// those that an agent would read, whatever is wrong with these. before are the
// words of the command line, which may name a socket.
func declared(before []string) declarations {
	const patience = time.Second // somebody waits at the keyboard
	var all declarations
	files, _ := config.Files(nil)
	status, err := agent.AskStatus(cmp.Or(valueOf("socket", before), client.DefaultPath()), patience)
	if err == nil {
		files = status.Files
	}
	for _, rule := range status.Rules {
		all.rules = append(all.rules, rule.Name)
	}
	for _, file := range files {
		all.add(config.Peek(file))
	}
	return all
}

func (d *declarations) add(file config.Node) {
	for _, section := range file.Entries {
		switch section.Key {
		case "rules":
			for _, rule := range section.Value.Items {
				d.addRule(rule)
			}
		case "lines", "encoders", "vars":
			for _, e := range section.Value.Entries {
				d.names = append(d.names, e.Key)
			}
		}
	}
}

func (d *declarations) addRule(rule config.Node) {
	for _, field := range rule.Entries {
		switch field.Key {
		case "name":
			d.rules = append(d.rules, field.Value.Text)
		case "when":
			for _, trigger := range append([]config.Node{field.Value}, field.Value.Items...) {
				for _, e := range trigger.Entries {
					if e.Key == "event" {
						d.events = append(d.events, e.Value.Text)
					}
				}
			}
		}
	}
}
