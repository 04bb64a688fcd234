// SPDX-License-Identifier: MIT

// Scripts: which variables they name.

package action

import (
	"os"
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// eachVariable calls f for the names in upper case that a shell's script seems
// to take for variables: $FIELD, ${FIELD…}, and FIELD in $((…)).
func eachVariable(script string, f func(name string)) {
	for _, rest, found := strings.Cut(script, "$"); found; _, rest, found = strings.Cut(rest, "$") {
		if sum, ok := strings.CutPrefix(rest, "(("); ok {
			sum, _, _ = strings.Cut(sum, "))")
			other := func(r rune) bool { return !sources.ValidField("A" + string(r)) }
			for word := range strings.FieldsFuncSeq(sum, other) {
				eachVariable("$"+word, f)
			}
		}
		rest = strings.TrimPrefix(rest, "{")
		n := 0
		for n < len(rest) && sources.ValidField(rest[:n+1]) {
			n++
		}
		if n > 0 {
			f(rest[:n])
		}
	}
}

// ofShells are variables that a shell sets itself.
var ofShells = []string{"PWD", "OLDPWD", "PPID", "UID", "EUID", "GROUPS", "RANDOM", "SRANDOM", "SECONDS", "LINENO", "HOSTNAME", "HOSTTYPE",
	"OSTYPE", "MACHTYPE", "SHLVL", "OPTARG", "OPTIND", "OPTERR", "REPLY", "FUNCNAME", "PIPESTATUS", "COLUMNS", "LINES", "EPOCHSECONDS", "EPOCHREALTIME"}

// examineScript tells of variables that a shell script in a file of its own
// names, and that nobody sets: values of sources, or fields of events, perhaps,
// which it finds only if the rule names them.
func (a *program) examineScript(x *sources.Report, at *config.Pos, subject, file string) {
	text, err := os.ReadFile(x.Path(file))
	interpreter, _, _ := strings.Cut(string(text), "\n")
	if err != nil || !strings.HasPrefix(interpreter, "#!") || !slices.ContainsFunc(strings.Fields(interpreter[len("#!"):]), isShell) {
		return
	}
	var unset []string
	eachVariable(string(text), func(name string) {
		if !slices.Contains(unset, name) && !a.isSet(name, string(text), x.Environ) {
			unset = append(unset, name)
		}
	})
	for _, name := range unset {
		advice := "env: {" + name + ": \"${" + name + ":-}\"} adds it, if it is a field of the event"
		switch refs := a.refs.inEnviron(name); {
		case len(refs) > 0:
			advice = "env: {" + name + ": \"" + refs[0].String() + "\"} adds it"
		case !a.passed.any():
			continue
		}
		x.Note(at, subject, "the script uses $"+name+", which its environment does not have", advice)
	}
}

// isSet reports whether a script finds a variable in its environment or seems
// to set it.
func (a *program) isSet(name, script string, environ []string) bool {
	inherited := func(entry string) bool { return strings.HasPrefix(entry, name+"=") }
	return a.passed.has(name) || a.env[name] != nil || dangerous(name) || slices.Contains(ofShells, name) ||
		slices.ContainsFunc(environ, inherited) || standsAlone(name, script)
}

// standsAlone reports whether a name occurs without a dollar, as where it is
// set: NAME=…, read NAME, for NAME in ….
func standsAlone(name, script string) bool {
	before := byte(0)
	for {
		head, rest, found := strings.Cut(script, name)
		if !found {
			return false
		}
		if head != "" {
			before = head[len(head)-1]
		}
		if !strings.ContainsRune("${_", rune(before)) && !sources.ValidField(string(rune(before))) && (rest == "" || !sources.ValidField("A"+rest[:1])) {
			return true
		}
		before, script = name[len(name)-1], rest
	}
}
