// SPDX-License-Identifier: MIT

// The actions run and shell: programs.

package action

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reflexd/agent/account"
	"reflexd/agent/expand"
	"reflexd/agent/spawn"
	"reflexd/config"
	"reflexd/sources"
)

// defaultTimeout bounds a program that the configuration does not bound: long
// enough for a hook, short enough that one that hangs is noticed.
const defaultTimeout = time.Minute

var runKind = Kind{
	Key:  "run",
	Also: "exec execute command cmd program start call",
	Doc:  "run a program without a shell, and wait until it ends",
	Late: true,
	New: func() (config.Value, func(*Check) Action) {
		a := newProgram("run")
		argv := a.argvValue()
		long := config.Object(append([]config.Field{
			{Name: "command", Doc: "the program and its arguments", Required: true, Value: argv},
		}, a.fields()...)...)
		return config.Either(argv, long), a.checkRun
	},
}

var shellKind = Kind{
	Key:  "shell",
	Also: "sh bash script system",
	Doc:  "run a script with /bin/sh -c; the event's fields are environment variables",
	Late: true,
	New: func() (config.Value, func(*Check) Action) {
		a := newProgram("shell")
		script := a.scriptValue()
		long := config.Object(append([]config.Field{
			{Name: "script", Doc: "the script, passed on unchanged", Required: true, Value: script},
		}, a.fields()...)...)
		return config.Either(script, long), a.checkShell
	},
}

// program is a run or shell action.
type program struct {
	kind        string
	argv        []expand.Text
	script      string // of shell
	scriptAt    config.Pos
	user, group string
	userAt      config.Pos
	groupAt     config.Pos
	dir         expand.Text
	env         map[string]*variable
	timeout     time.Duration // 0 for none
	stdin       *expand.Text
	discard     bool
	limits      spawn.Limits
	passed      *Passed
	refs        *References
}

// Bound returns after how long the program is killed, 0 for never.
func (a *program) Bound() time.Duration { return a.timeout }

// CommandLines returns what the programs of l are started with: arguments with spaces
// between them, or a script, both as they are written in the configuration.
func (l List) CommandLines() []string {
	var lines []string
	for _, step := range l {
		a, ok := step.Action.(*program)
		if !ok {
			continue
		}
		words := []string{a.script}
		for _, arg := range a.argv {
			words = append(words, arg.String())
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// variable is one entry of env.
type variable struct {
	pos   config.Pos
	value expand.Text
}

func newProgram(kind string) *program {
	return &program{kind: kind, timeout: defaultTimeout}
}

// argvValue reads the program and its arguments. A shell's command line in
// their place is a common slip, so the complaint shows how to mend it.
func (a *program) argvValue() config.Value {
	list := config.ListOf(&a.argv, expand.Value)
	return config.Wrap(list, func(n config.Node, ps *config.Problems) {
		switch {
		case n.Kind == config.Scalar && n.Text != "":
			ps.Errorf(n.Pos, "expected a list such as [%s], or `shell: …` for a command line", strings.Join(strings.Fields(n.Text), ", "))
		case n.Kind == config.List && len(n.Items) == 0:
			ps.Errorf(n.Pos, "the list names no program: [program, argument, …]")
		default:
			list.Read(n, ps)
		}
	})
}

// scriptValue reads the script. A list in its place means `run`.
func (a *program) scriptValue() config.Value {
	script := config.At(&a.scriptAt, config.Word(&a.script, "a script"))
	return config.Wrap(script, func(n config.Node, ps *config.Problems) {
		if n.Kind == config.List {
			ps.Errorf(n.Pos, "expected a script as one string, found a list: use `run` for a program and its arguments")
			return
		}
		script.Read(n, ps)
	})
}

func (a *program) fields() []config.Field {
	at := func(v *variable) *config.Pos { return &v.pos }
	value := func(_ string, v *variable) config.Value { return expand.Value(&v.value) }
	return append([]config.Field{
		{Name: "user", Doc: "run as this user, with its groups and HOME", Value: config.At(&a.userAt, config.Word(&a.user, "a user"))},
		{Name: "group", Doc: "run with this primary group", Value: config.At(&a.groupAt, config.Word(&a.group, "a group"))},
		{Name: "cwd", Doc: "working directory", Default: "/", Value: expand.Value(&a.dir)},
		{Name: "env", Doc: "additional environment variables", Value: config.MapOf(&a.env, at, value)},
		{Name: "timeout", Doc: "after how long to kill it and all that it started, or `none`", Default: "1m",
			Value: config.Parsed(&a.timeout, "duration or none", parseTimeout)},
		{Name: "stdin", Doc: "string for its standard input", Default: "nothing",
			Value: config.Func(config.Shape{Type: "string with ${FIELDS}"}, func(n config.Node, ps *config.Problems) {
				a.stdin = &expand.Text{}
				expand.Value(a.stdin).Read(n, ps)
			})},
		{Name: "output", Doc: "where its output goes: `log` or `none`", Default: "log",
			Value: config.Parsed(&a.discard, "log or none", parseOutput)},
	}, limitFields(&a.limits)...)
}

func parseTimeout(s string) (time.Duration, error) {
	if s == "none" {
		return 0, nil
	}
	d, err := config.ParseDuration(s)
	if err == nil && d == 0 {
		err = fmt.Errorf("timeout must be more than 0; write none for no timeout")
	}
	return d, err
}

func parseOutput(s string) (discard bool, err error) {
	if s != "log" && s != "none" {
		return false, fmt.Errorf("expected log or none, found %q", s)
	}
	return s == "none", nil
}

func (a *program) checkRun(c *Check) Action {
	if len(a.argv) == 0 || a.argv[0].Pos.Line == 0 {
		return a // complained of while reading
	}
	if first := a.argv[0]; !first.HasFields() && first.Expand(&sources.Event{}) == "" {
		c.Problems.Errorf(first.Pos, "the name of the program is empty")
	}
	shell := isShell(a.argv[0].Expand(&sources.Event{}))
	for _, t := range a.argv {
		c.Text(t)
		if shell {
			c.script(t.String(), t.Pos)
		}
	}
	a.warnOfShell(c)
	if !shell {
		a.warnWithoutShell(c)
	}
	a.checkRest(c)
	return a
}

const noShell = "`run` has no shell: the program receives %s as it is; "

// warnWithoutShell warns of what only a shell would understand.
func (a *program) warnWithoutShell(c *Check) {
	if first := a.argv[0]; len(a.argv) == 1 && strings.Contains(first.String(), " ") {
		c.Problems.Warnf(first.Pos, "no program has such a name: write [%s], or `shell: …`", strings.Join(strings.Fields(first.String()), ", "))
	}
	for _, t := range a.argv {
		switch word := t.String(); {
		case len(word) > 2 && word[0] == '$' && sources.ValidField(word[1:]):
			c.Problems.Warnf(t.Pos, noShell+"write ${%s}", word, word[1:])
		case isOperator(word), strings.HasPrefix(word, "$("), strings.HasPrefix(word, "~/"):
			c.Problems.Warnf(t.Pos, noShell+"use `shell: …`", word)
		}
	}
}

// isOperator reports whether word joins commands, or redirects what they print.
func isOperator(word string) bool {
	switch word {
	case "|", "||", "&&", ">", ">>", "2>&1":
		return true
	}
	return false
}

// warnOfShell warns of fields that become part of a shell's program, where a
// device's name can be an attack.
func (a *program) warnOfShell(c *Check) {
	none := &sources.Event{}
	for i, t := range a.argv {
		if i >= 2 && t.HasFields() && a.argv[i-1].Expand(none) == "-c" && isShell(a.argv[0].Expand(none)) {
			c.Problems.Warnf(t.Pos, "${…} becomes part of the script, whatever the field holds; "+
				"use `shell:`, where $FIELD is a variable")
		}
	}
}

func isShell(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return slices.Contains([]string{"sh", "ash", "bash", "dash", "busybox", "zsh", "ksh"}, name)
}

func (a *program) checkShell(c *Check) Action {
	a.argv = []expand.Text{expand.Literal("/bin/sh"), expand.Literal("-c"), expand.Literal(a.script)}
	c.script(a.script, a.scriptAt)
	a.checkRest(c)
	return a
}

func (a *program) checkRest(c *Check) {
	a.passed, a.refs = c.Passed, c.References
	a.passed.runs()
	c.Text(a.dir)
	if a.dir.Relative() {
		c.Problems.Errorf(a.dir.Pos, "cwd must be an absolute path, found %q", a.dir.String())
	}
	if a.stdin != nil {
		c.Text(*a.stdin)
	}
	c.account(a.userAt, a.user, "")
	c.account(a.groupAt, "", a.group)
	for _, name := range slices.Sorted(maps.Keys(a.env)) {
		c.Text(a.env[name].value)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			c.Problems.Errorf(a.env[name].pos, "%q cannot be the name of an environment variable", name)
		}
	}
}

// account warns of a user or group that this machine does not have: a
// configuration may well be checked on another than it is for.
func (c *Check) account(at config.Pos, user, group string) {
	if err := account.Known("", user, group); err != nil {
		c.Problems.WarnOfMachinef(at, "%v on this machine: the action would fail", err)
	}
}

// Describe implements Action.
func (a *program) Describe(e *sources.Event) string {
	if a.kind == "shell" {
		return "shell " + a.script
	}
	var words []string
	for _, t := range a.argv {
		words = append(words, t.Expand(e))
	}
	return "run " + strings.Join(words, " ")
}

// Start implements Action.
func (a *program) Start(r *Run) (Pending, error) {
	spec := spawn.Spec{
		Env:     r.Env.Environ,
		Set:     a.variables(r.Event),
		Dir:     a.dir.Expand(r.Event),
		User:    a.user,
		Group:   a.group,
		Timeout: a.timeout,
		Limits:  a.limits,
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	for _, t := range a.argv {
		spec.Argv = append(spec.Argv, t.Expand(r.Event))
	}
	spec.Shown = shown(r.Event, spec.Argv)
	if a.stdin != nil {
		text := a.stdin.Expand(r.Event)
		spec.Stdin = &text
	}
	running := &running{}
	if !a.discard {
		spec.Output = func(line []byte) {
			r.Env.Log.Info("output", "rule", r.Rule, "pid", running.Pid(), "line", string(line))
		}
	}
	running.Child = r.Env.Spawn.Start(spec, func(result spawn.Result) {
		r.Env.Log.Debug("program ended", "rule", r.Rule, "program", r.Event.Conceal(spec.Argv[0]), "pid", result.Pid,
			"status", result.ExitCode, "ran", result.Ran)
		r.Finish(result.Failure())
	})
	return running, nil
}

// shown returns argv without what is secret of e, nil if nothing is.
func shown(e *sources.Event, argv []string) (list []string) {
	for i, arg := range argv {
		if concealed := e.Conceal(arg); concealed != arg {
			if list == nil {
				list = slices.Clone(argv)
			}
			list[i] = concealed
		}
	}
	return list
}

// running is a program under way.
type running struct{ *spawn.Child }

// Stop implements Pending.
func (p *running) Stop() (gone bool) {
	p.Child.Stop()
	return false
}

// variables returns what the program finds in its environment beside what
// everybody has: the event's fields, values of sources, and what the rule asks
// for.
func (a *program) variables(e *sources.Event) []string {
	const usual = 512
	env := make([]string, 0, len(e.Fields)+len(a.env))
	text := make([]byte, 0, usual) // of them all, rather than one piece of memory for each
	add := func(name string, v sources.Value) {
		if a.env[name] != nil {
			return
		}
		from := len(text)
		if text = v.Append(append(append(text, name...), '=')); bytes.IndexByte(text[from:], 0) < 0 {
			env = append(env, sources.Borrow(text[from:]))
		}
	}
	passes := a.passed.filter()
	for _, f := range e.Fields {
		if passes[f.Name] {
			add(f.Name, f.Value)
		}
	}
	a.passed.each(add)
	for _, name := range slices.Sorted(maps.Keys(a.env)) {
		env = append(env, name+"="+a.env[name].value.Expand(e))
	}
	return env
}
