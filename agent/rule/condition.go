// SPDX-License-Identifier: MIT

// Conditions: the `if` of rules, as it is read and as it is asked.

package rule

import (
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// World is what conditions look at beside the event and the sources.
type World struct {
	// States answers what is asked of states.
	States interface {
		Ask(q *sources.Question, now time.Duration) sources.Truth
	}
	// Seen returns the value of what has that kind and name, for History; nil if
	// nobody asks. It allocates nothing.
	Seen func(kind, name string) string
}

// condition is one `if`. Asking it allocates nothing.
type condition interface {
	holds(w *World, e *sources.Event) sources.Truth
}

// allOf holds if all of it does: the zero value does.
type allOf []condition

func (all allOf) holds(w *World, e *sources.Event) sources.Truth {
	least := sources.Yes
	for _, c := range all {
		least = min(least, c.holds(w, e))
	}
	return least
}

type anyOf []condition

func (all anyOf) holds(w *World, e *sources.Event) sources.Truth {
	most := sources.No
	for _, c := range all {
		most = max(most, c.holds(w, e))
	}
	return most
}

type not struct{ condition }

func (n not) holds(w *World, e *sources.Event) sources.Truth { return -n.condition.holds(w, e) }

// where asks for fields of the event.
type where struct{ sources.Where }

func (c where) holds(_ *World, e *sources.Event) sources.Truth { return sources.Whether(c.Match(e)) }

// question asks a source, or for a state.
type question struct{ *sources.Question }

func (q question) holds(w *World, e *sources.Event) sources.Truth {
	switch {
	case q.Ask != nil:
		return q.Ask()
	case w.States == nil:
		return sources.Unknown
	}
	return w.States.Ask(q.Question, e.Time)
}

// ifSpec is a condition as it is read, before names can be resolved.
type ifSpec struct {
	pos     config.Pos
	node    config.Node // as it was written
	compile func(c *Compiler, triggers []sources.Trigger) condition
}

// value returns the Value that reads s.
func (s *ifSpec) value(kinds *Kinds) config.Value {
	choice := config.Choice("condition", kinds.conditions, nil, func(key string, at config.Pos) []config.Field {
		s.pos = at
		return s.begin(key, kinds)
	})
	return config.Wrap(choice, func(n config.Node, ps *config.Problems) {
		if len(n.Entries) == 1 && (n.Entries[0].Key == "all" || n.Entries[0].Key == "and") {
			ps.Errorf(n.Entries[0].At, "%q is not needed: all conditions of a list must hold, if: [{…}, {…}]", n.Entries[0].Key)
			return
		}
		s.node = n
		choice.Read(n, ps)
	})
}

// begin returns the fields of the kind of condition that key tells, and has s
// compile it.
func (s *ifSpec) begin(key string, kinds *Kinds) []config.Field {
	switch key {
	case "where":
		var w sources.Where
		s.compile = func(c *Compiler, triggers []sources.Trigger) condition {
			fields, named := fieldsOf(triggers), namedBy(triggers)
			checkFields(c.Problems, s.pos, w, fields)
			w.Bind(c.Known.Resolver(fields, named, c.Problems))
			for _, name := range w.Fields() {
				named(name)
			}
			return where{w}
		}
		return whereFields(&w)
	case "any", "not":
		return s.nested(key, kinds)
	}
	for _, k := range kinds.questions {
		if k.Key == key {
			fields, compile := k.New()
			s.compile = func(c *Compiler, _ []sources.Trigger) condition {
				q := compile(c.Problems)
				q.Text = s.node.String()
				c.questions = append(c.questions, &q)
				return question{&q}
			}
			return fields
		}
	}
	return nil
}

// nested is begin for the conditions that hold others.
func (s *ifSpec) nested(key string, kinds *Kinds) []config.Field {
	var inner []*ifSpec
	s.compile = func(c *Compiler, triggers []sources.Trigger) condition {
		parts := compileAll(inner, c, triggers)
		if key == "any" {
			return anyOf(parts)
		}
		return not{parts}
	}
	return nestedFields(key, func(n config.Node, ps *config.Problems) {
		switch isList := n.Kind == config.List; {
		case key == "any" && !isList:
			ps.Errorf(n.Pos, "expected a list of conditions, found %s", n.Found())
		case key == "not" && isList:
			ps.Errorf(n.Pos, "expected one condition; for none of a list, write not: {any: […]}")
		default:
			ifValue(&inner, kinds).Read(n, ps)
		}
	})
}

// ifValue returns the Value that reads one condition or a list of them.
func ifValue(all *[]*ifSpec, kinds *Kinds) config.Value {
	return config.OneOrMore(all, func(p **ifSpec) config.Value {
		*p = &ifSpec{}
		return (*p).value(kinds)
	})
}

// nestedFields returns the key of a condition that holds others. Its Shape
// does not go on: it would never end.
func nestedFields(key string, read func(config.Node, *config.Problems)) []config.Field {
	shape, also := "condition", ""
	if key == "any" {
		shape, also = "list of conditions", "or"
	}
	return []config.Field{{Name: key, Also: also, Doc: "as in `if`", Required: true, Value: config.Func(config.Shape{Type: shape}, read)}}
}

func whereFields(w *sources.Where) []config.Field {
	return []config.Field{{Name: "where", Doc: "conditions on fields, as in `when`", Required: true, Value: sources.ReferringWhere(w)}}
}

// compileAll makes the conditions of specs, all of which must hold.
func compileAll(specs []*ifSpec, c *Compiler, triggers []sources.Trigger) allOf {
	var all allOf
	for _, s := range specs {
		if s.compile != nil { // else complained of while reading
			all = append(all, placed{s.compile(c, triggers), s.pos, s.node.String(), "", ""}.named(s.node))
		}
	}
	return all
}

// placed is a condition that knows where it stands.
type placed struct {
	condition
	at   config.Pos
	text string // as it was written, in one line
	// what it asks of, if that is one thing with a name
	kind, name string
}

// named returns p with what it asks of: in {var: n, is: 5}, the variable n.
func (p placed) named(n config.Node) placed {
	if len(n.Entries) > 0 && n.Entries[0].Value.Kind == config.Scalar {
		p.kind, p.name = n.Entries[0].Key, n.Entries[0].Value.Text
	}
	return p
}

// unmet returns where the first of all stands that does not hold, for the log.
func (all allOf) unmet(w *World, e *sources.Event) string {
	for _, c := range all {
		if p, ok := c.(placed); ok && p.holds(w, e) != sources.Yes {
			return p.at.String()
		}
	}
	return ""
}

// checkFields complains of fields in w that are not among the known ones, nil
// if any may occur.
func checkFields(ps *config.Problems, at config.Pos, w sources.Where, known []string) {
	for _, name := range w.Fields() {
		if known != nil && !slices.Contains(known, name) {
			ps.Errorf(at, "no event of this rule has a field %s%s", name, config.Known(name, known))
		}
	}
}
