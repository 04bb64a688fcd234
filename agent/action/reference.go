// SPDX-License-Identifier: MIT

// References: values of sources that the strings of rules name, and the
// environment variables that programs find them in.

package action

import (
	"fmt"
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/sources"
)

// References are the values that strings may refer to, as ${var.mode}.
type References struct {
	spaces  []sources.Namespace
	environ map[string][]reference // by the environment variable; nil before it is needed
}

// reference is one of them.
type reference struct {
	space *sources.Namespace
	name  string
}

// String returns r as a string of the configuration has it.
func (r reference) String() string { return "${" + r.space.Key + "." + r.name + "}" }

// Add adds the namespaces of a plan.
func (r *References) Add(spaces ...sources.Namespace) { r.spaces = append(r.spaces, spaces...) }

// find returns the value that is called name in space.
func (r *References) find(space, name string) (reference, error) {
	var keys []string
	for i := range r.spaces {
		s := &r.spaces[i]
		switch keys = append(keys, s.Key); {
		case s.Key != space:
		case s.Has(name):
			return reference{s, name}, nil
		default:
			return reference{}, fmt.Errorf("no %s %q is declared%s", s.What, name, config.Unknown(name, s.Names, fmt.Sprintf(s.Example, name)))
		}
	}
	return reference{}, fmt.Errorf("${%s.%s}: there are no values called %s%s", space, name, space, config.Known(space, keys))
}

// inEnviron returns the values that an environment variable of that name may have.
func (r *References) inEnviron(name string) []reference {
	if r.environ == nil {
		r.environ = map[string][]reference{}
		for i := range r.spaces {
			s := &r.spaces[i]
			for _, n := range s.Names() {
				env := s.Environ(n)
				r.environ[env] = append(r.environ[env], reference{s, n})
			}
		}
	}
	return r.environ[name]
}

// use tells the source that the value is asked for.
func (r reference) use() expand.Reader {
	if r.space.Asked != nil {
		r.space.Asked(r.name)
	}
	read, name := r.space.Value, r.name
	return func() (sources.Value, bool) { return read(name) }
}

// bind has t read the values that it refers to. It complains of what nothing
// declares, and calls also, if not nil, for each of the others.
func (k *Known) bind(t expand.Text, ps *config.Problems, also func(reference, expand.Reader)) {
	t.Bind(func(space, name string, _ bool) expand.Reader {
		r, err := k.References.find(space, name)
		if err != nil {
			ps.Errorf(t.Pos, "%v", err)
			return nil
		}
		read := r.use()
		if also != nil {
			also(r, read)
		}
		return read
	})
}

// Fill returns text with its fields and references filled in, as an action upon
// e has it now; what cannot be read so it returns as it is.
func (r *References) Fill(text string, e *sources.Event) string {
	t, err := expand.Parse(text)
	if err != nil {
		return text
	}
	t.Bind(func(space, name string, _ bool) expand.Reader {
		if found, err := r.find(space, name); err == nil {
			return func() (sources.Value, bool) { return found.space.Value(found.name) }
		}
		return nil
	})
	return t.Expand(e)
}

// Resolver returns what resolves the references of tests. fields are those that
// the events which it is asked about have, nil for any; where names no field at
// all, such as a condition that looks at no event, it is empty. named, if not nil,
// is called with those that are named.
func (k *Known) Resolver(fields []string, named func(field string), ps *config.Problems) sources.Resolver {
	return func(text string, at config.Pos) sources.Operand {
		t, err := expand.Parse(text)
		if err != nil {
			ps.Errorf(at, "%v", err)
			return nil
		}
		t.Pos = at
		t.Each(func(name string, hasDefault bool) {
			switch {
			case fields != nil && len(fields) == 0:
				ps.Errorf(at, "${%s}: fields of the event can stand in `where`, not here", name)
			case fields != nil && !hasDefault && !slices.Contains(fields, name):
				ps.Errorf(at, "no event of this rule has a field %s%s", name, config.Known(name, fields))
			case named != nil:
				named(name)
			}
		})
		k.bind(t, ps, nil)
		return t.Value
	}
}

// given is a value that programs find in their environment.
type given struct {
	reference
	name string // of the environment variable
	read expand.Reader
	at   config.Pos // where the rule names it
}

// refer has programs find r in their environment.
func (p *Passed) refer(r reference, read expand.Reader, at config.Pos) {
	env := r.space.Environ(r.name)
	if p != nil && !slices.ContainsFunc(p.given, func(g given) bool { return g.reference == r }) {
		p.given = append(p.given, given{r, env, read, at})
	}
}

// gives reports whether programs find a value of a source under that name.
func (p *Passed) gives(name string) bool {
	return p != nil && slices.ContainsFunc(p.given, func(g given) bool { return g.name == name })
}

// each calls f with each value that programs find, as it is now: empty if that is
// not known.
func (p *Passed) each(f func(name string, v sources.Value)) {
	if p == nil {
		return
	}
	for _, g := range p.given {
		v, ok := g.read()
		if !ok {
			v = sources.Text("")
		}
		f(g.name, v)
	}
}

// runs notes that the rule runs a program.
func (p *Passed) runs() {
	if p != nil {
		p.programs = true
	}
}

// Check complains of values that would have the same environment variable as
// another, if the rule runs programs.
func (p *Passed) Check(refs *References, ps *config.Problems) {
	if !p.programs {
		return
	}
	complained := map[string]bool{}
	for _, g := range p.given {
		all := refs.inEnviron(g.name)
		if len(all) < 2 || complained[g.name] {
			continue
		}
		complained[g.name] = true
		var names []string
		for _, r := range all {
			names = append(names, r.String())
		}
		slices.Sort(names)
		ps.Errorf(g.at, "%s would all be the environment variable %s of the rule's programs: rename all but one", strings.Join(names, ", "), g.name)
	}
}
