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
		Key: "file", Doc: "a declared file announced itself",
		Fields: slices.Concat(commonFields, pollFields, textFields, changeFields),
		// A program's PATH is where programs are.
		Environ: slices.Concat([]string{"FILE"}, pollFields, textFields, changeFields),
		New:     p.newTrigger,
	}}
}

// trigger is one `when: {file: …}`.
type trigger struct {
	plan *Plan
	refs []ref
	is   []ref
}

// ref is a word with its place.
type ref struct {
	word string
	at   config.Pos
}

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	tr := &trigger{plan: p}
	name := func(r *ref) config.Value { return config.At(&r.at, config.Word(&r.word, "the name of a file")) }
	state := func(r *ref) config.Value { return config.At(&r.at, config.OneOf(&r.word, states...)) }
	return []config.Field{
		{Name: "file", Required: true, Doc: "the name of a declared file, a pattern of names, or a list of them", Value: config.OneOrMore(&tr.refs, name)},
		{Name: "is", Default: "readable; changed with priority and changes", Doc: "what must happen, one or a list", Value: config.OneOrMore(&tr.is, state)},
	}, tr.compile
}

func (tr *trigger) compile(t *sources.Trigger, ps *config.Problems) {
	var names []string
	for _, r := range tr.refs {
		names = append(names, tr.find(r, ps)...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(tr.is) == 0 {
		for _, name := range names {
			tr.hear(t, name, mainState(tr.plan.files[name].watch))
		}
	}
	for _, is := range tr.is {
		tr.hearState(t, names, is, ps)
	}
	if t.Topics != nil {
		t.Fields = tr.fields(t)
	}
}

// find returns the names that r means.
func (tr *trigger) find(r ref, ps *config.Problems) []string {
	if r.word == "" || tr.plan.files[r.word] != nil {
		return slices.DeleteFunc([]string{r.word}, func(s string) bool { return s == "" })
	}
	var names []string
	if strings.ContainsAny(r.word, "*?[") {
		names = slices.DeleteFunc(tr.plan.names(), func(name string) bool { return !sources.Glob(r.word, name) })
	}
	if len(names) == 0 {
		ps.Errorf(r.at, "no file is called %q%s", r.word, config.Unknown(r.word, tr.plan.names, "files: {"+r.word+": {path: …}}"))
	}
	return names
}

// hearState makes t hear of the state from those of the files that come to it.
func (tr *trigger) hearState(t *sources.Trigger, names []string, is ref, ps *config.Problems) {
	fitting := false
	for _, name := range names {
		if is.word != "" && fits(tr.plan.files[name].watch, is.word) {
			fitting = true
			tr.hear(t, name, is.word)
		}
	}
	if !fitting && is.word != "" && len(names) > 0 {
		f := tr.plan.files[names[0]]
		var known []string
		for _, s := range states {
			if fits(f.watch, s) {
				known = append(known, s)
			}
		}
		ps.Errorf(is.at, "%s can never be: %s is watched for `%s`, which brings %s", is.word, names[0], f.watch, strings.Join(known, ", "))
	}
}

func (tr *trigger) hear(t *sources.Trigger, name, state string) {
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

// fields returns the fields of the events that t hears.
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
