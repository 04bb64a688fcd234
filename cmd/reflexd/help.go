// SPDX-License-Identifier: MIT

// The verbs help and version.

package main

import (
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"slices"

	"reflexd/agent"
	"reflexd/agent/scenario"
	"reflexd/config"
)

// version is set by the linker (-X main.version=…).
var version string

func versionVerb(c *command) func([]string) int {
	return func([]string) int {
		fmt.Fprintln(c.stdout, "reflexd", versionString())
		return done
	}
}

// versionString is what the linker was given, else what Go knows of the
// checkout that it was built from.
func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

func helpVerb(c *command) func([]string) int {
	return func(args []string) int {
		if len(args) == 0 {
			usage(c.stdout)
			return done
		}
		if len(args) > 1 {
			return c.usage("name one verb, `language` or `tests`")
		}
		switch args[0] {
		case "language":
			writeLanguage(c.stdout, agent.Language())
			return done
		case "tests":
			writeTests(c.stdout, scenario.Shape())
			return done
		}
		all := verbs()
		i := slices.IndexFunc(all, func(v verb) bool { return v.name == args[0] })
		if i < 0 {
			fmt.Fprintf(c.stderr, "reflexd help: unknown verb %q%s\n", args[0], config.Suggest(args[0], append(names(all), "language", "tests")))
			return wrong
		}
		about := &command{flags: flag.NewFlagSet(all[i].name, flag.ContinueOnError)}
		all[i].flags(about)
		all[i].help(about, c.stdout)
		return done
	}
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "reflexd runs actions on events of GPIO lines, input devices, uevents, network links and signals, as a YAML file defines.")
	fmt.Fprintln(w, "\nUsage: reflexd VERB [flags] [arguments]")
	fmt.Fprintln(w, "\nVerbs:")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-10s %s\n", v.name, v.summary)
	}
	fmt.Fprintln(w, "\n`reflexd help VERB` explains a verb, `reflexd help language` the configuration, `reflexd help tests` files of tests.")
	fmt.Fprintln(w, "Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, 3 (get -q) off.")
}

func (v verb) help(c *command, w io.Writer) {
	args := v.args
	if args != "" {
		args = " " + args
	}
	fmt.Fprintf(w, "Usage: reflexd %s [flags]%s\n\n%s.\n", v.name, args, sentence(v.summary))
	first := true
	c.flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprintln(w, "\nFlags:")
		}
		first = false
		name, text := flag.UnquoteUsage(f)
		name = dashed(f.Name) + " " + name
		if f.DefValue != "" && f.DefValue != "false" {
			text += " (" + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-22s %s\n", name, text)
	})
}

// dashed returns a flag as it is typed.
func dashed(name string) string {
	if len(name) > 1 {
		return "--" + name
	}
	return "-" + name
}
