// SPDX-License-Identifier: MIT

// reflexd reacts to what the kernel reports: GPIO lines, input devices, uevents
// and signals, with the actions that a YAML file asks for.
//
// Here is the table of verbs; each verb has a file of its own.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"reflexd/config"
	"reflexd/sources/signal"
)

// Exit codes, the same for every verb.
const (
	done   = 0
	failed = 1
	wrong  = 2 // usage, or the configuration
)

// verb is one thing that the program can be asked to do.
type verb struct {
	name    string
	args    string // as the usage line shows them
	summary string
	// flags declares the verb's flags on c.flags and returns what runs it.
	flags func(c *command) func(args []string) int
}

func verbs() []verb {
	return []verb{
		{"run", "", "react to events as the configuration defines", runVerb},
		{"check", "[FILE-or-FOLDER ...]", "report the mistakes in the configuration", checkVerb},
		{"test", "[FILE-or-FOLDER ...]", "play tests of rules, without hardware and in virtual time", testVerb},
		{"record", "-o FILE [SOURCE or LINE ...]", "write down what happens, from the running agent or without one, until Ctrl-C", recordVerb},
		{"replay", "FILE", "show what rules make of a recording, and what they did when it was made", replayVerb},
		{"convert", "FILE", "make of a recording a file for PulseView and GTKWave, or a test", convertVerb},
		{"selftest", "[LINE LINE]", "measure what this board does with two lines that a wire joins, and print a report", selftestVerb},
		{"doctor", "", "find what on this machine keeps the configuration from working, and how to fix it", doctorVerb},
		{"monitor", "[SOURCE or LINE ...]", "show events as they happen; needs no configuration", monitorVerb},
		{"board", "[LINE ...]", "draw the pin headers of this board, and who uses their lines", boardVerb},
		{"lines", "[CHIP or LINE ...]", "list the GPIO lines of this board", linesVerb},
		{"inputs", "[NAME, PATH or ID ...]", "list the input devices of this board", inputsVerb},
		{"sensors", "[NAME ...]", "list the sensors of this board, with their values", sensorsVerb},
		{"learn", "[LINE ...]", "press it, turn it, plug it in: print the configuration that reacts to it", learnVerb},
		{"status", "", "print the state of the running agent", statusVerb},
		{"get", "NAME", "print the state of a line, variable or LED of the running agent: door, line/door, var/mode, led/ACT", getVerb},
		{"set", "NAME VALUE", "set an output line or LED to on, off, toggle or, an LED, 40%; or a variable to a value", setVerb},
		{"pulse", "NAME", "switch an output line or LED for a limited time", pulseVerb},
		{"blink", "NAME", "blink an output line or LED until the next action on it", blinkVerb},
		{"why", "[RULE]", "print why a rule of the running agent fired or did not, or the last 20 cases over all", whyVerb},
		{"watch", "[NAME ...]", "show events of the running agent, and what its rules do, as they happen", watchVerb},
		{"rules", "", "list the rules of the running agent: what fires them, how often and when they last fired", rulesVerb},
		{"cancel", "RULE", "end what a rule of the running agent is doing, and drop its waiting firings", cancelVerb},
		{"reload", "", "make the running agent read its configuration again", reloadVerb},
		{"enable", "RULE ...", "enable rules of the running agent", enableVerb},
		{"disable", "RULE ...", "disable rules of the running agent, until they are enabled or it restarts", disableVerb},
		{"emit", "NAME [FIELD=VALUE ...]", "send an event of at most 4096 bytes to the running agent's rules with `event: NAME`", emitVerb},
		{"trigger", "", "fire rules for devices that are present, as if they had just been plugged in", triggerVerb},
		{"unit", "", "print the limits that systemd can put on the agent without breaking this configuration", unitVerb},
		{"schema", "[tests]", "print a JSON Schema of the configuration, or of files of tests, for editors", schemaVerb},
		{"completion", "bash|zsh|fish", "print a script with which the shell completes verbs, flags and declared names", completionVerb},
		{"version", "", "print the version", versionVerb},
		{"help", "[VERB, language or tests]", "explain a verb, the configuration language or files of tests", helpVerb},
	}
}

// command is one invocation.
type command struct {
	flags          *flag.FlagSet
	stdout, stderr io.Writer // they escape what cannot be printed
	screen         io.Writer // standard output as it is
}

// The main thread must be the loop's: a signal that is sent to a thread, as
// drivers do, is sent to the one whose number is the PID.
func init() { runtime.LockOSThread() }

func main() {
	signal.DropNeedless()
	out := &output{File: os.Stdout}
	os.Exit(out.verdict(run(os.Args[1:], out, os.Stderr), os.Stderr))
}

// run does what args ask and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return wrong
	}
	screen := stdout
	stdout, stderr = escaper{stdout}, escaper{stderr}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-v", "-version", "--version":
		name = "version"
	}
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i < 0 {
		fmt.Fprintf(stderr, "reflexd: unknown verb %q%s\n", name, config.Suggest(name, names(all)))
		fmt.Fprintln(stderr, "`reflexd help` lists them")
		return wrong
	}
	return all[i].run(args[1:], screen, stdout, stderr)
}

func names(all []verb) []string {
	var list []string
	for _, v := range all {
		list = append(list, v.name)
	}
	return list
}

func (v verb) run(args []string, screen, stdout, stderr io.Writer) int {
	c := &command{flags: flag.NewFlagSet(v.name, flag.ContinueOnError), screen: screen, stdout: stdout, stderr: stderr}
	c.flags.SetOutput(io.Discard)
	act := v.flags(c)
	rest, err := parse(c.flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		v.help(c, stdout)
		return done
	case err != nil:
		fmt.Fprintf(stderr, "reflexd %s: %s\n", v.name, explained(c.flags, err))
		fmt.Fprintf(stderr, "`reflexd help %s` explains it\n", v.name)
		return wrong
	case v.args == "" && len(rest) > 0:
		fmt.Fprintf(stderr, "reflexd %s: takes no arguments, found %q\n", v.name, rest[0])
		return wrong
	}
	return act(rest)
}

// parse reads flags wherever they stand among the arguments, up to "--".
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		read := args[:len(args)-flags.NArg()]
		args = flags.Args()
		if len(args) == 0 || len(read) > 0 && read[len(read)-1] == "--" {
			return append(rest, args...), nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// explained returns the package flag's complaint with flags as they are typed, and
// the one that is nearest to an unknown one.
func explained(flags *flag.FlagSet, err error) string {
	text := err.Error()
	var all []string
	flags.VisitAll(func(f *flag.Flag) {
		all = append(all, f.Name)
		for _, of := range []string{" for flag ", " for "} {
			text = strings.Replace(text, of+"-"+f.Name+": ", of+dashed(f.Name)+": ", 1)
		}
	})
	if name, unknown := strings.CutPrefix(text, "flag provided but not defined: -"); unknown {
		text = "no flag is called " + dashed(name)
		if near := config.Nearest(name, all); near != "" {
			text += "; did you mean " + dashed(near) + "?"
		}
	}
	if name, bare := strings.CutPrefix(text, "flag needs an argument: -"); bare {
		text = dashed(name) + " needs a value"
	}
	return text
}

// fail prints err and returns the code of failure.
func (c *command) fail(err error) int {
	fmt.Fprintf(c.stderr, "reflexd %s: %v\n", c.flags.Name(), err)
	return failed
}

// counted returns "1 rule", "2 rules" and the like.
func counted[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// pathsFlag is -c, which may be given several times.
type pathsFlag []string

func (p *pathsFlag) String() string { return strings.Join(*p, " ") }

func (p *pathsFlag) Set(s string) error {
	if s == "" {
		return errors.New("the path is empty")
	}
	*p = append(*p, s)
	return nil
}

func (c *command) pathsFlag() *pathsFlag {
	p := &pathsFlag{}
	c.flags.Var(p, "c", "read `path`, a file or folder, instead of "+config.DefaultFile+" and "+config.DefaultDir+"/*.yaml; may be repeated")
	return p
}

// output is standard output. Its methods may be called from any goroutine.
type output struct {
	*os.File
	failure atomic.Pointer[error] // the first one
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.File.Write(b)
	if err != nil {
		o.failure.CompareAndSwap(nil, &err)
	}
	return n, err
}

// WriteString is there lest File's be called.
func (o *output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// verdict returns the exit code of a program that wrote to o and would end
// with code.
func (o *output) verdict(code int, stderr io.Writer) int {
	if err := o.failure.Load(); err != nil && code == done {
		fmt.Fprintf(stderr, "reflexd: write output: %v\n", *err)
		return failed
	}
	return code
}
