// SPDX-License-Identifier: MIT

// Spec: a rule as it is read, and how it becomes a Rule when all files are
// read.

package rule

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// Spec is one entry of `rules`.
type Spec struct {
	pos       config.Pos
	name      string
	namePos   config.Pos
	triggers  []*triggerSpec
	ifs       []*ifSpec
	do        action.Spec
	onFailure action.Spec
	mode      string
	max       int
	maxPos    config.Pos
	cooldown  time.Duration
	limit     Limit
	logLevel  string
	enabled   bool
}

// triggerSpec is one `when`.
type triggerSpec struct {
	pos     config.Pos
	node    config.Node // as it was written
	kind    *sources.TriggerKind
	where   sources.Where
	compile func(*sources.Trigger, *config.Problems)
}

// The words of the keys mode and log_level.
var (
	modes  = []string{string(Queued), string(Single), string(Restart), string(Parallel), string(Coalesce)}
	levels = []string{"off", "debug", "info", "warn"}
)

// NewSpecs returns what reads Specs, for config.ListOf.
func NewSpecs(kinds *Kinds) func(**Spec) config.Value {
	s := &Spec{mode: string(Queued), enabled: true, logLevel: "info"}
	blank := *s
	return config.Taken(s.value(kinds), func() *Spec {
		read := *s
		*s = blank
		return &read
	})
}

// value returns the Value that reads s.
func (s *Spec) value(kinds *Kinds) config.Value {
	t := &triggerSpec{}
	when := config.Taken(t.value(kinds), func() *triggerSpec {
		read := *t
		*t = triggerSpec{}
		return &read
	})
	return config.At(&s.pos, config.Object(
		config.Field{Name: "name", Also: "alias id title", Doc: "unique; default: the place of the rule, FILE:LINE, with :COLUMN if a line has several", Value: config.At(&s.namePos, config.Word(&s.name, "a name"))},
		config.Field{Name: "when", Also: "on trigger triggers event events", Doc: "what fires the rule: a trigger, or a list of which any one fires it", Required: true, Value: config.OneOrMore(&s.triggers, when)},
		config.Field{Name: "if", Also: "condition conditions unless", Doc: "what else must hold: a condition, or a list that must all hold", Value: ifValue(&s.ifs, kinds)},
		config.Field{Name: "do", Also: "then action actions run", Doc: "an action, or a list that runs in order", Required: true, Value: s.do.Value(kinds.actions)},
		config.Field{Name: "on_failure", Also: "on_error catch finally", Doc: "actions for when one fails; the rest of `do` is skipped. ${ERROR} has the reason", Value: s.onFailure.Value(kinds.actions)},
		config.Field{Name: "mode", Doc: "what happens when the rule fires while it is still running: queued: the firing waits; single: it is dropped; restart: the run is stopped; parallel: both run; coalesce: only the newest firing waits", Default: string(Queued),
			Value: config.OneOf(&s.mode, modes...)},
		config.Field{Name: "max", Doc: "maximum number of firings that wait (queued) or run (parallel)", Default: strconv.Itoa(DefaultMax),
			Value: config.At(&s.maxPos, config.Int(&s.max, 1, 1000))},
		config.Field{Name: "cooldown", Also: "debounce throttle", Doc: "after a firing, drop further ones for this time", Value: config.Duration(&s.cooldown)},
		config.Field{Name: "limit", Doc: "maximum rate: `10/1m`", Value: config.Parsed(&s.limit, "number/duration", ParseLimit)},
		config.Field{Name: "log_level", Also: "log level loglevel verbose quiet", Doc: "at which level its firings are logged; off: not at all. Many firings in a row are logged in bulk, with their count", Default: "info",
			Value: config.OneOf(&s.logLevel, levels...)},
		config.Field{Name: "enabled", Also: "disabled enable active", Doc: "off: the rule is checked but never fires", Default: "on", Value: config.Bool(&s.enabled)},
	))
}

func (t *triggerSpec) value(kinds *Kinds) config.Value {
	where := config.Field{Name: "where", Doc: "conditions on the event's fields", Value: sources.ReferringWhere(&t.where)}
	choice := config.Choice("trigger", kinds.variants, []config.Field{where}, func(key string, at config.Pos) []config.Field {
		t.pos, t.kind = at, &kinds.triggers[kinds.trigger(key)]
		var fields []config.Field
		fields, t.compile = t.kind.New()
		return fields
	})
	return config.Wrap(choice, func(n config.Node, ps *config.Problems) {
		t.node = n
		choice.Read(kinds.withoutLasting(n, ps), ps)
	})
}

// Words returns the triggers and conditions as they are written.
func (s *Spec) Words() (whens, ifs []config.Node) {
	for _, t := range s.triggers {
		whens = append(whens, t.node)
	}
	for _, i := range s.ifs {
		ifs = append(ifs, i.node)
	}
	return whens, ifs
}

// Compiler turns Specs into Rules.
type Compiler struct {
	Problems *config.Problems
	Known    action.Known
	names    map[string]config.Pos
	unnamed  map[config.Pos]int // how many rules without a name begin in a line
	topics   int                // of all triggers
	// questions are those of the rule that is being compiled.
	questions []*sources.Question
}

// mostTopics bounds what the patterns of many triggers match in all, which is
// their number times that of the names: far above what any board has lines for.
const mostTopics = 100_000

// Names returns the names that specs have; those that are called by their
// place are not among them.
func Names(specs []*Spec) []string {
	var names []string
	for _, s := range specs {
		if s.name != "" {
			names = append(names, s.name)
		}
	}
	return names
}

// Triggers compiles the triggers of s. It comes before Rule for all rules,
// since a trigger may declare what another rule's actions name.
func (c *Compiler) Triggers(s *Spec) []sources.Trigger {
	if c.unnamed == nil {
		c.unnamed = map[config.Pos]int{}
	}
	if s.name == "" {
		c.unnamed[s.line()]++
	}
	var all []sources.Trigger
	for _, spec := range s.triggers {
		if spec.kind == nil || c.topics > mostTopics {
			continue // complained of
		}
		t := sources.Trigger{Pos: spec.pos, Text: spec.node.String(), Kind: spec.kind.Key, Fields: spec.kind.Fields, Environ: spec.kind.Environ, Where: spec.where}
		spec.compile(&t, c.Problems)
		t.Where.Bind(c.Known.Resolver(t.Fields, t.Named, c.Problems))
		c.checkWhere(&t)
		if c.topics += len(t.Topics); c.topics > mostTopics {
			c.Problems.Errorf(t.Pos, "the triggers up to here match more than %d states of lines and other things, counting what patterns match", mostTopics)
		}
		all = append(all, t)
	}
	return all
}

func (c *Compiler) checkWhere(t *sources.Trigger) {
	for _, name := range t.Where.Fields() {
		if t.Fields != nil && !slices.Contains(t.Fields, name) {
			c.Problems.Errorf(t.Pos, "events of %q have no field %s%s", t.Kind, name, config.Known(name, t.Fields))
		}
	}
}

// Rule makes the rule of s and its compiled triggers.
func (c *Compiler) Rule(s *Spec, triggers []sources.Trigger) *Rule {
	check := &action.Check{Problems: c.Problems, Known: c.Known, Fields: fieldsOf(triggers),
		Named: namedBy(triggers), Passed: passedBy(triggers)}
	if s.max != 0 && s.mode != string(Queued) && s.mode != string(Parallel) {
		c.Problems.Errorf(s.maxPos, "max goes with the modes queued and parallel")
	}
	if s.max == 0 {
		s.max = DefaultMax
	}
	c.questions = nil
	r := &Rule{
		Name:      c.nameOf(s),
		Pos:       s.pos,
		Triggers:  triggers,
		If:        compileAll(s.ifs, c, triggers),
		Do:        s.do.Build(check),
		OnFailure: s.onFailure.BuildOnFailure(check),
		Mode:      Mode(s.mode),
		Max:       s.max,
		Cooldown:  s.cooldown,
		Limit:     s.limit,
		LogLevel:  logLevels[s.logLevel],
		Disabled:  !s.enabled,
		bothWays:  bothWays(triggers),
	}
	r.Questions, r.asks = c.questions, check.Passed.Asks()
	check.Passed.Check(c.Known.References, c.Problems)
	return r
}

// namedBy tells the triggers that want to know which fields the rule's texts
// name.
func namedBy(triggers []sources.Trigger) func(field string) {
	return func(field string) {
		for i := range triggers {
			if named := triggers[i].Named; named != nil {
				named(field)
			}
		}
	}
}

// passedBy returns the fields that programs find in their environment, as far
// as the triggers say.
func passedBy(triggers []sources.Trigger) *action.Passed {
	p := &action.Passed{}
	for _, t := range triggers {
		declared := t.Environ
		if declared == nil {
			declared = t.Fields
		}
		p.Declare(declared)
		if t.Fields == nil {
			p.AnyField()
		}
	}
	return p
}

// line returns the line in which s begins.
func (s *Spec) line() config.Pos { return config.Pos{File: s.pos.File, Line: s.pos.Line} }

// nameOf returns what s is called, and complains if another rule is too.
func (c *Compiler) nameOf(s *Spec) string {
	name, at := s.name, s.namePos
	if name == "" {
		name, at = c.placeOf(s), s.pos
	} else if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.Problems.Errorf(at, "the name %+q holds unprintable characters", name)
	}
	if first, ok := c.names[name]; ok {
		c.Problems.Errorf(at, "a rule named %q is already declared at %s", name, first)
	}
	if c.names == nil {
		c.names = map[string]config.Pos{}
	}
	c.names[name] = at
	return name
}

// placeOf returns the file and line of s, by which it is called if it has no
// name, with the column where that line has more such rules.
func (c *Compiler) placeOf(s *Spec) string {
	if c.unnamed[s.line()] > 1 {
		return s.pos.String()
	}
	return s.line().String()
}

// fieldsOf returns the fields that some trigger's events have, nil if one of
// them may have any, or if no trigger could be read.
func fieldsOf(triggers []sources.Trigger) []string {
	var all []string
	for _, t := range triggers {
		if t.Fields == nil {
			return nil
		}
		all = append(all, t.Fields...)
	}
	if len(triggers) > 0 && all == nil {
		return []string{} // triggers without fields of their own
	}
	return all
}

// Kinds are the triggers and conditions that rules can have.
type Kinds struct {
	triggers   []sources.TriggerKind
	variants   []config.Variant // of triggers
	actions    *action.Language
	questions  []sources.ConditionKind
	conditions []config.Variant // the questions, and what can be asked without a source
}

// NewKinds returns the kinds that the sources have: their triggers, and the
// questions that they answer.
func NewKinds(triggers []sources.TriggerKind, questions []sources.ConditionKind) *Kinds {
	k := &Kinds{triggers: triggers, questions: questions, actions: action.NewLanguage(questions), conditions: []config.Variant{
		{Key: "where", Doc: "conditions on the event's fields", Fields: func() []config.Field { return whereFields(new(sources.Where)) }},
		{Key: "any", Doc: "one of several conditions must hold", Fields: func() []config.Field { return nestedFields("any", nil) }},
		{Key: "not", Doc: "a condition must not hold; if its state is unknown, `not` fails too", Fields: func() []config.Field { return nestedFields("not", nil) }},
	}}
	for _, t := range triggers {
		k.variants = append(k.variants, config.Variant{Key: t.Key, Doc: t.Doc, Fields: func() []config.Field {
			fields, _ := t.New()
			return fields
		}})
	}
	for _, q := range questions {
		k.conditions = append(k.conditions, config.Variant{Key: q.Key, Doc: q.Doc, Fields: func() []config.Field {
			fields, _ := q.New()
			return fields
		}})
	}
	return k
}
