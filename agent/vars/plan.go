// SPDX-License-Identifier: MIT

// Package vars holds the variables that rules set and ask for. It has the
// form of a source, since it owns a section of the configuration, outlives
// reloads and emits events: a change of a variable is one.
//
// Variables declared with keep survive a restart in a small file, which is
// written beside the loop and replaced as a whole: see file.go.
package vars

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is this source.
var Kind = sources.Kind{
	Name: "vars",
	Plan: func() sources.Plan { return &Plan{file: DefaultFile} },
	Open: func(host sources.Host) (sources.Source, error) { return open(host), nil },

	Simulates: true,
}

// DefaultFile is where kept variables are if the configuration names no file.
const DefaultFile = "/var/lib/reflexd/state"

// maxValue is the length in bytes of the longest value: what an event brings
// may be long, and all values are written whenever one changes.
const maxValue = 4096

// Plan is what one configuration says of variables. The zero value has none.
type Plan struct {
	vars    map[string]*variable
	file    string
	kept    map[string]string // what the file held when Prepare read it
	keptErr error             // why Prepare could not
	source  *Source           // that serves it, once it is applied
	resolve sources.Resolver  // of references in tests

	crossings []*crossing // that triggers ask for
	alsoKept  *config.Pos // what else the file is to hold, see KeepMore
}

// StateFile returns the file of the variables that are kept, "" if there is none.
func (p *Plan) StateFile() string {
	if !p.keeps() {
		return ""
	}
	return p.file
}

// Prepare implements sources.Preparer.
func (p *Plan) Prepare() {
	if p.keeps() {
		p.kept, p.keptErr = read(p.file)
	}
}

// variable is one declared variable.
type variable struct {
	at        config.Pos
	values    []string // that it may have; nil for any text
	initial   string
	initialAt config.Pos // without a line if it was left out
	keep      bool
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	elem := func(_ string, v *variable) config.Value { return config.Object(v.fields()...) }
	return []config.Field{
		{Name: "vars", Doc: "variables, which rules set and test",
			Value: config.MapOf(&p.vars, func(v *variable) *config.Pos { return &v.at }, elem)},
		{Name: "state_file", Doc: "file where variables with `keep` survive a restart; created when needed", Default: DefaultFile,
			Value: config.Parsed(&p.file, "a path", parsePath)},
	}
}

func parsePath(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") {
		return "", fmt.Errorf("expected the absolute path of a file, found %q", s)
	}
	return s, nil
}

func (v *variable) fields() []config.Field {
	return []config.Field{
		{Name: "values", Doc: "the allowed values; default: any string", Value: config.ListOf(&v.values, config.Text)},
		{Name: "initial", Also: "default value", Doc: "the initial value; default: the first of `values`, or empty",
			Value: config.At(&v.initialAt, config.Text(&v.initial))},
		{Name: "keep", Doc: "it survives a restart, in `state_file`", Default: "off", Value: config.Bool(&v.keep)},
	}
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras {
	return sources.Extras{Conditional: p, Namespaced: p, Referrer: p, Preparer: p, Examiner: p}
}

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, name := range p.Names() {
		v := p.vars[name]
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			ps.Errorf(v.at, "%+q cannot name a variable: letters, digits, - and _ can", name)
		}
		v.resolve(ps)
	}
}

// resolve completes v, and complains of what contradicts itself.
func (v *variable) resolve(ps *config.Problems) {
	for i, value := range v.values {
		if slices.Contains(v.values[:i], value) {
			ps.Errorf(v.at, "the value %q is twice in `values`", value)
		}
		if len(value) > maxValue {
			ps.Errorf(v.at, "a value is longer than %d bytes", maxValue)
		}
	}
	switch {
	case v.initialAt.Line != 0:
		if err := v.allows(v.initial); err != nil {
			ps.Errorf(v.initialAt, "%v", err)
		}
	case len(v.values) > 0:
		v.initial = v.values[0]
	}
}

// allows returns why v cannot have the value, nil if it can.
func (v *variable) allows(value string) error {
	switch {
	case v.values != nil && !slices.Contains(v.values, value):
		return fmt.Errorf("%q is not one of its values%s", value, v.suggest(value))
	case len(value) > maxValue:
		return fmt.Errorf("a value of %d bytes is too long: %d are allowed", len(value), maxValue)
	}
	return nil
}

func (v *variable) suggest(value string) string {
	if s := config.Suggest(value, v.values); s != "" {
		return s
	}
	return ": " + strings.Join(v.values, ", ")
}

// Begin makes value the initial value of a variable.
func (p *Plan) Begin(name, value string) error {
	if err := p.Allows(name, value); err != nil {
		return err
	}
	p.vars[name].initial = value
	return nil
}

// Names returns the names of the declared variables, sorted.
func (p *Plan) Names() []string { return slices.Sorted(maps.Keys(p.vars)) }

// Allows returns why the variable cannot be set to value: it is not declared,
// or that is none of its values.
func (p *Plan) Allows(name, value string) error {
	if err := p.Declares(name); err != nil {
		return err
	}
	return p.vars[name].allows(value)
}

// Lists reports whether the variable is declared with the values that it may
// have.
func (p *Plan) Lists(name string) bool { return p.vars[name] != nil && p.vars[name].values != nil }

// Values returns the values that the variable may have, nil for any.
func (p *Plan) Values(name string) []string {
	if v := p.vars[name]; v != nil {
		return v.values
	}
	return nil
}

// Declares returns an error unless there is a variable of that name.
func (p *Plan) Declares(name string) error {
	if p.vars[name] != nil {
		return nil
	}
	return undeclared{p, name}
}

// undeclared is the error for a name that is no variable's. What was meant is
// worked out only where it is printed.
type undeclared struct {
	plan *Plan
	name string
}

func (u undeclared) Error() string {
	return fmt.Sprintf("no variable %q is declared%s", u.name, config.Unknown(u.name, u.plan.Names, "vars: {"+u.name+": {}}"))
}

// KeepMore has the file be kept for others too, the first of which is declared at a
// place; nil for nobody.
func (p *Plan) KeepMore(at *config.Pos) { p.alsoKept = at }

// keeps reports whether something survives a restart.
func (p *Plan) keeps() bool {
	if p.alsoKept != nil {
		return true
	}
	for _, v := range p.vars {
		if v.keep {
			return true
		}
	}
	return false
}

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) {
	if !p.keeps() {
		return
	}
	at := p.keptAt()
	const subject = "state_file"
	_, err := read(x.Path(p.file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		advice := "`run` renames it and begins with the initial values; restore a copy, or remove it"
		if errors.As(err, new(*fs.PathError)) { // the way there, not what it holds
			advice = "set `state_file:` to a path that the agent can read and write"
		}
		x.Bad(at, subject, p.file+": cannot use the state file: "+err.Error(), advice)
		return
	}
	x.Check(at, subject, p.file+" can be written", x.Creatable(p.file), "a restart would lose variables: set `state_file:` to a writable file")
}

// keptAt is where the first of what is to be kept is declared.
func (p *Plan) keptAt() *config.Pos {
	var first *variable
	for _, v := range p.vars {
		if v.keep && (first == nil || v.at.File == first.at.File && v.at.Line < first.at.Line) {
			first = v
		}
	}
	if first == nil {
		return p.alsoKept
	}
	return &first.at
}
