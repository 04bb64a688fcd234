// SPDX-License-Identifier: MIT

// Source: the values of the variables, over reloads and restarts.

package vars

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"reflexd/sources"
)

// Source holds the variables of the plan in force. It implements
// sources.Source; all its methods are called on the loop's thread.
type Source struct {
	host   sources.Host
	plan   *Plan
	values map[string]sources.Value // texts; secret if they came from what is
	keeper keeper

	others  map[string]string // what else is kept, see KeepAlso
	flushes []func()          // see BeforeSave

	event  sources.Event     // that is being emitted
	fields [3]sources.Field  // its
	called map[string]string // the sources of events, by the variables
}

func open(host sources.Host) *Source {
	return &Source{host: host, plan: &Plan{}, keeper: keeper{host: &host}, called: map[string]string{}, others: map[string]string{}}
}

// Apply implements sources.Source. A variable that the plan before had keeps
// its value; one that is new has the one that was kept, or its initial one. A
// value that is no longer allowed becomes the initial one.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	p.source = s
	p.adoptLatches(s.plan)
	before := s.values
	kept := map[string]string{}
	if p.keeps() {
		kept = s.keeper.use(p.file, p.kept, p.keptErr, s.host.DryRun)
		s.goOn(kept)
	}
	s.plan, s.values = p, map[string]sources.Value{}
	replaced := false
	for _, name := range p.Names() {
		v := p.vars[name]
		value, known := before[name]
		if !known && v.keep {
			value, known = keptOf(kept, name)
		}
		switch err := v.allows(value.String()); {
		case !known:
			s.values[name] = sources.Text(v.initial)
		case err != nil:
			s.host.Log.Warn("a variable falls back to its initial value", "var", name, "value", value.Shown(), "initial", v.initial,
				"error", concealed(err, value))
			s.values[name] = sources.Text(v.initial)
			replaced = true
			if previous, ok := before[name]; ok {
				s.emit(name, previous, sources.Begins, nil)
			}
		default:
			s.values[name] = value
		}
	}
	if before == nil && !replaced {
		s.keeper.agrees(s.kept())
	}
	s.keep(true)
	for _, name := range p.Names() {
		if _, known := before[name]; !known {
			s.emit(name, sources.Text(""), sources.Found, nil)
		}
	}
	for name := range sources.InOrder(before) {
		if p.vars[name] == nil {
			s.host.Emit(&sources.Event{Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "var", Name: name}, Source: "var:" + name, Standing: sources.Vanishes})
		}
	}
}

// Allows returns why the variable cannot be set to value, nil if it can.
func (s *Source) Allows(name, value string) error {
	if err := s.plan.Allows(name, value); err != nil {
		return fmt.Errorf("set variable %s: %w", name, err)
	}
	return nil
}

// concealed returns err without value, if that is secret.
func concealed(err error, value sources.Value) string {
	e := sources.Event{Fields: []sources.Field{{Value: value}}}
	return e.Conceal(err.Error())
}

// Value returns the value of a variable, a text.
func (s *Source) Value(name string) (sources.Value, error) {
	value, ok := s.values[name]
	if !ok {
		return sources.Value{}, undeclared{s.plan, name}
	}
	return value, nil
}

// Set is Put of a text that is not secret.
func (s *Source) Set(name, value string, cause *sources.Chain) error {
	return s.Put(name, sources.Text(value), cause)
}

// Put gives a variable its value, a text. Where that is another one it emits an
// event, with cause as its Chain.
func (s *Source) Put(name string, value sources.Value, cause *sources.Chain) error {
	if err := s.Allows(name, value.String()); err != nil {
		return err
	}
	previous := s.values[name]
	if value == previous {
		return nil
	}
	s.values[name] = value
	if value.String() != previous.String() {
		s.emit(name, previous, sources.Begins, cause)
	}
	if s.plan.vars[name].keep {
		s.keep(!s.keeper.often(name))
	}
	return nil
}

// emit emits the event that a variable has another value, or was found with
// its first one.
func (s *Source) emit(name string, previous sources.Value, standing sources.Standing, cause *sources.Chain) {
	s.fields = [...]sources.Field{
		{Name: "VAR", Value: sources.Text(name)},
		{Name: "VALUE", Value: s.values[name]},
		{Name: "PREVIOUS", Value: previous},
	}
	if s.called[name] == "" {
		s.called[name] = "var:" + name
	}
	s.event = sources.Event{
		Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "var", Name: name, State: "changed"},
		Source: s.called[name], Fields: s.fields[:], Chain: cause, Standing: standing,
	}
	s.host.Emit(&s.event)
}

// goOn remembers what the file held for others.
func (s *Source) goOn(kept map[string]string) {
	for name, value := range kept {
		if _, known := s.others[name]; !known && isOthers(name) && !strings.HasPrefix(name, secretMark) {
			s.others[name] = value
		}
	}
}

// isOthers reports whether name can be none of a variable's.
func isOthers(name string) bool { return strings.HasPrefix(name, "\x00") }

// secretMark and the name of a variable are kept where its value is secret.
const secretMark = "\x00secret/"

// keptOf returns the value of a variable that was kept.
func keptOf(kept map[string]string, name string) (value sources.Value, ok bool) {
	text, ok := kept[name]
	value = sources.Text(text)
	if _, isSecret := kept[secretMark+name]; isSecret {
		value = value.Secret()
	}
	return value, ok
}

// AlsoKept returns what is kept under a name that begins with a NUL, as no
// variable's does, and whether something is.
func (s *Source) AlsoKept(name string) (string, bool) {
	value, ok := s.others[name]
	return value, ok
}

// KeepAlso keeps a value under such a name. The file is written within a minute.
func (s *Source) KeepAlso(name, value string) {
	s.others[name] = value
	s.keep(false)
}

// BeforeSave has flush be called in Save and Close, before the file is written.
func (s *Source) BeforeSave(flush func()) { s.flushes = append(s.flushes, flush) }

// Save has all that is kept be written at once, however short ago that was. done is
// called once, perhaps before it returns, when the disk has it, or with why it has
// not.
func (s *Source) Save(done func(error)) {
	if s.host.DryRun || s.host.Simulated {
		done(nil)
		return
	}
	for _, flush := range s.flushes {
		flush()
	}
	s.keeper.now(done)
}

// kept returns the text of the file that holds what is to be kept.
func (s *Source) kept() string {
	values := maps.Clone(s.others)
	for name, value := range s.values {
		if !s.plan.vars[name].keep {
			continue
		}
		values[name] = value.String()
		if value.IsSecret() {
			values[secretMark+name] = "1"
		}
	}
	return format(values)
}

// keep has the file say what the variables are, soon or within a minute.
func (s *Source) keep(soon bool) {
	if s.plan.keeps() && !s.host.DryRun && !s.host.Simulated {
		s.keeper.put(s.kept(), soon)
	}
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		detail := fmt.Sprintf("%q", s.values[name].Shown())
		if s.plan.vars[name].keep {
			detail += ", kept"
		}
		states = append(states, sources.State{Name: name, Detail: detail, OK: true})
	}
	if s.plan.keeps() {
		states = append(states, s.keeper.state())
	}
	return states
}

// Close implements sources.Source. It waits for what is to be kept to be on
// the disk, but not for ever.
func (s *Source) Close() {
	for _, flush := range s.flushes {
		flush()
	}
	s.keeper.close()
}
