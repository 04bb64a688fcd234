// SPDX-License-Identifier: MIT

// The trigger `file: NAME`.

package file

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// The fields of events: of all, and of those of one kind.
var (
	commonFields = []string{"FILE", "PATH"}
	pollFields   = []string{"BAND", "CODE", "SYNTHETIC"}
	textFields   = []string{"TEXT", "DATA", "TRUNCATED"}
	changeFields = []string{"EVENT", "NAME", "SYNTHETIC"}
)

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key: "file", Doc: "a declared file has data or changed",
		Fields: slices.Concat(commonFields, pollFields, textFields, changeFields),
		// A program's PATH is where programs are.
		Environ: slices.Concat([]string{"FILE"}, pollFields, textFields, changeFields),
		New:     p.newTrigger,
	}}
}

// trigger is one `when: {file: …}`.
type trigger struct {
	plan *Plan
	refs []sources.Ref
	is   []sources.Ref // to a state
}

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	tr := &trigger{plan: p}
	state := func(r *sources.Ref) config.Value { return config.At(&r.At, config.OneOf(&r.Name, states...)) }
	return []config.Field{
		{Name: "file", Required: true, Doc: "the name of a declared file, a pattern of names, or a list of them", Value: config.OneOrMore(&tr.refs, sources.RefValue("the name of a file"))},
		{Name: "is", Default: "readable; changed with priority and changes", Doc: "what happened, one or a list", Value: config.OneOrMore(&tr.is, state)},
	}, tr.compile
}

// declared is what names of files are looked up among.
func (p *Plan) declared() sources.Declared[*File] {
	return sources.Declared[*File]{What: "file", ByName: p.files, Example: "files: {%s: {path: …}}"}
}

func (tr *trigger) compile(t *sources.Trigger, ps *config.Problems) {
	declared := tr.plan.declared()
	names := declared.FindAll(tr.refs, ps)
	if len(tr.is) == 0 {
		for _, name := range names {
			tr.match(t, name, mainState(tr.plan.files[name].watch))
		}
	}
	for _, is := range tr.is {
		tr.matchState(t, names, is, ps)
	}
	if t.Topics != nil {
		t.Fields = tr.fields(t)
	}
}

// matchState makes t match the state on those of the files that can have it.
func (tr *trigger) matchState(t *sources.Trigger, names []string, is sources.Ref, ps *config.Problems) {
	fitting := false
	for _, name := range names {
		if is.Name != "" && fits(tr.plan.files[name].watch, is.Name) {
			fitting = true
			tr.match(t, name, is.Name)
		}
	}
	if !fitting && is.Name != "" && len(names) > 0 {
		f := tr.plan.files[names[0]]
		var known []string
		for _, s := range states {
			if fits(f.watch, s) {
				known = append(known, s)
			}
		}
		ps.Errorf(is.At, "%s never happens: %s has `watch: %s`, which reports %s", is.Name, names[0], f.watch, strings.Join(known, ", "))
	}
}

func (tr *trigger) match(t *sources.Trigger, name, state string) {
	f := tr.plan.files[name]
	f.writable = f.writable || state == writable
	f.urgent = f.urgent || state == urgent
	if f.watch == urgently && state == urgent {
		state = changed // two words for the same
	}
	topic := sources.Topic{Kind: "file", Name: name, State: state}
	if !slices.Contains(t.Topics, topic) {
		t.Topics = append(t.Topics, topic)
	}
}

// fields returns the fields of the events that t matches.
func (tr *trigger) fields(t *sources.Trigger) []string {
	fields := slices.Clone(commonFields)
	for _, topic := range t.Topics {
		f := tr.plan.files[topic.Name]
		if f.watch == changes {
			fields = append(fields, changeFields...)
		} else {
			fields = append(fields, pollFields...)
		}
		if f.read != readNone && (topic.State == readable || topic.State == changed) {
			fields = append(fields, textFields...)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}
