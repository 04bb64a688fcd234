// SPDX-License-Identifier: MIT

// Package action holds what a rule does: a file a kind of action, and the list
// of them below.
package action

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/bridge"
	"reflexd/agent/expand"
	"reflexd/agent/output"
	"reflexd/agent/spawn"
	"reflexd/agent/vars"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/counter"
	"reflexd/sources/netlink"
)

// kinds is the list of all actions.
var kinds = []*Kind{
	&runKind,
	&shellKind,
	&setKind,
	&fadeKind,
	&pulseKind,
	&blinkKind,
	&keyKind,
	&logKind,
	&writeKind,
	&emitKind,
	&waitKind,
	&signalKind,
	&varKind,
	&counterKind,
	&saveKind,
	&ruleKind,
	&sourceKind,
	&mountKind,
	&unmountKind,
	&ejectKind,
	&sendKind,
	&publishKind,
}

// Kind declares one kind of action.
type Kind struct {
	Key string // the telling key: "run"
	Doc string
	// New returns the YAML field that the key is, and what makes the action
	// of it when all files are read.
	New func() (value config.Value, build func(*Check) Action)
	// NewAsking is set instead of New for an action that asks for states, of
	// which there are these kinds of questions.
	NewAsking func(questions []sources.ConditionKind) (value config.Value, build func(*Check) Action)
	// Plain is set if the action does not look at the event.
	Plain bool
	// Brief is set if the action has no use for the run and its event once Start
	// has returned without a Pending.
	Brief bool
	// Late is set if the firing may be logged when Start has returned, since what
	// it begins takes long and logs nothing before.
	Late bool
	// Also are words that people write for Key.
	Also string
}

// Kinds returns the telling keys of all actions.
func Kinds() []string {
	var keys []string
	for _, k := range kinds {
		keys = append(keys, k.Key)
	}
	return keys
}

// Action is one thing to do, as the configuration asks for it. It is not
// changed by being done, and may be under way several times at once.
type Action interface {
	// Start begins it, on the loop's thread, and does not block. It returns
	// nil, nil or nil, err if it is over already. Otherwise r.Finish will be
	// called, later and once, unless the Pending is stopped before.
	Start(r *Run) (Pending, error)
	// Describe says what it does upon e, in the words of the configuration.
	Describe(e *sources.Event) string
}

// Pending is an action under way.
type Pending interface {
	// Stop ends it early. r.Finish may still be called, and then must be
	// called as soon as what was started is gone.
	Stop() (gone bool)
}

// Env is what actions work with. It outlives configurations.
type Env struct {
	Loop    sources.Loop
	Log     *slog.Logger
	Spawn   *spawn.Starter
	Outputs *output.Outputs
	Mounts  Mounts
	Netlink *netlink.Source
	Files   Files
	Keys    Keys
	Vars    *vars.Source
	Bridge  *bridge.Source
	// Counters sets the totals of counters.
	Counters *counter.Source
	Emit     func(*sources.Event)
	// EnableRule has the rule of that name fire, or not.
	EnableRule func(name string, on bool) error
	// Switch opens or closes a file or socket of that name.
	Switch func(name string, open bool) error
	// Until calls done when q is answered with Yes, unless it is so now, and
	// then reports false: see state.Table.
	Until func(q *sources.Question, done func()) (stop func(), waits bool)
	// Act, if not nil, is asked to carry out each action: if it is handled,
	// nothing else is done.
	Act func(*Run, *Step) (p Pending, err error, handled bool)
	// Ended, if not nil, is shown each action that is over: how long it took, and
	// its failure.
	Ended func(r *Run, step *Step, took time.Duration, err error)
	// Environ is what programs inherit.
	Environ []string
	Proc    string // where /proc is
	// Wall returns what the clock showed at a time of CLOCK_MONOTONIC, as
	// people write it; "" while the clock is not set. nil for no clock.
	Wall func(time.Duration) string
	// Durations counts how long actions took that were waited for; nil for nobody.
	Durations Durations

	lanes lanes
}

// Check is what actions are checked against while they are built.
type Check struct {
	Problems *config.Problems
	Known
	// Fields are the names that the rule's events have, nil if that cannot
	// be known.
	Fields []string
	// Named, if not nil, is told of each field that a text names.
	Named func(field string)
	// Passed are the fields that programs find in their environment; each that
	// a text names is added. nil for none.
	Passed *Passed

	refers bool // a text of the action that is being built refers to values
}

// Known is what a configuration declares, by the names that actions use.
type Known struct {
	// Outputs are the output lines.
	Outputs *Outputs
	// PWMs are the PWM outputs.
	PWMs     *Outputs
	Vars     *vars.Plan
	Counters *counter.Plan
	Netlink  *netlink.Plan // the declared sockets
	Files    Lines         // the declared files
	Bridge   *bridge.Plan  // nil where nothing is published
	// References are the values that texts may refer to.
	References *References
	Rules      []string // the names that rules were given
	// Switchable are the names of files and sockets that can be closed.
	Switchable []string
	// Uses is what is noted for those who must know beforehand.
	Uses *Uses
	// KeepsText has actions keep how they were written.
	KeepsText bool
}

// Outputs are the declared output lines, of which only the names count here.
type Outputs = sources.Declared[*struct{}]

// Uses is what the actions of a configuration will use that nothing declares.
type Uses struct {
	LEDs []string // names and patterns
	// AnyLED is set if an event may name a LED.
	AnyLED bool
	Keys   map[string][]uint16 // the keys that each virtual device must have
	// Mounts is set if something is mounted, and so may be pulled.
	Mounts  bool
	targets int // that actions on outputs have, counting what patterns match
}

// everyEvent are the fields that every event has.
var everyEvent = []string{"REFLEXD_RULE", "REFLEXD_SOURCE", "REFLEXD_EVENT", "REFLEXD_TIME", "REFLEXD_WALL"}

// failureFields are those that only the actions of on_failure see.
var failureFields = []string{"ERROR"}

// Text complains of fields that no event of the rule has, and of values that
// nothing declares. The others t reads from then on.
func (c *Check) Text(t expand.Text) {
	c.bind(t, c.Problems, func(r reference, read expand.Reader) {
		c.refers = true
		c.Passed.refer(r, read, t.Pos)
	})
	t.Each(func(name string, hasDefault bool) {
		c.name(name)
		if c.Fields != nil && !hasDefault && !slices.Contains(c.Fields, name) && !slices.Contains(everyEvent, name) {
			c.Problems.Errorf(t.Pos, "no event of this rule has a field %s%s", name, c.suggestField(name))
		}
	})
}

func (c *Check) suggestField(name string) string {
	switch refs := c.References.inEnviron(name); {
	case slices.Contains(failureFields, name):
		return "; only on_failure has it"
	case len(refs) > 0:
		return fmt.Sprintf("; did you mean %s?", refs[0])
	case config.Suggest(name, everyEvent) != "":
		return config.Suggest(name, everyEvent)
	}
	return config.Known(name, c.Fields).String()
}

// name notes that a text or a script of the rule names a field.
func (c *Check) name(field string) {
	if c.Named != nil {
		c.Named(field)
	}
	c.Passed.name(field)
	if c.Passed != nil && slices.Contains(everyEvent, field) {
		c.Passed.asks = true
	}
}

// script tells of the fields and values that a shell's script seems to name.
func (c *Check) script(script string, at config.Pos) {
	eachVariable(script, func(name string) {
		c.name(name)
		for _, r := range c.References.inEnviron(name) {
			c.Passed.refer(r, r.use(), at)
		}
	})
}

// Step is one action of a list.
type Step struct {
	Action
	Kind          string
	Pos           config.Pos
	IgnoreFailure bool
	Plain, Brief  bool // as in Kind
	Late          bool // likewise
	// Refers says that its words depend on values that change, ${var.mode}, and not
	// on the event alone.
	Refers bool
	// Text is the action as it was written, where Known.KeepsText.
	Text config.Node
}

// List is what is done in order.
type List []Step

// Spec is a List as it is read, before names can be resolved.
type Spec struct {
	steps []*stepSpec
}

type stepSpec struct {
	kind          string
	pos           config.Pos
	ignoreFailure bool
	of            *Kind
	text          config.Node
	build         func(*Check) Action
}

// Language is the kinds of actions, with the questions that they may ask.
type Language struct {
	questions []sources.ConditionKind
	variants  []config.Variant
}

// NewLanguage returns the kinds of actions where there are these questions.
func NewLanguage(questions []sources.ConditionKind) *Language {
	l := &Language{questions: questions}
	for _, k := range kinds {
		l.variants = append(l.variants, config.Variant{Key: k.Key, Doc: k.Doc, Fields: func() []config.Field {
			value, _ := k.begin(questions)
			return []config.Field{{Name: k.Key, Doc: k.Doc, Required: true, Also: k.Also, Value: value}}
		}})
	}
	return l
}

// Variants describes the kinds, for what reads how actions are written.
func (l *Language) Variants() []config.Variant { return l.variants }

// begin returns a new action of the kind.
func (k *Kind) begin(questions []sources.ConditionKind) (config.Value, func(*Check) Action) {
	if k.NewAsking != nil {
		return k.NewAsking(questions)
	}
	return k.New()
}

// Value returns the Value that reads s: one action or a list of them.
func (s *Spec) Value(l *Language) config.Value {
	step := &stepSpec{}
	steps := config.OneOrMore(&s.steps, config.Taken(step.value(l), func() *stepSpec {
		read := *step
		*step = stepSpec{}
		return &read
	}))
	return config.Wrap(steps, func(n config.Node, ps *config.Problems) {
		if words := wordsOf(n); len(words) > 0 {
			ps.Errorf(n.Pos, "expected an action; to run a program: {run: [%s]}", strings.Join(words, ", "))
			return
		}
		steps.Read(n, ps)
	})
}

// wordsOf returns a command line in the place of actions, nil if something else is there.
func wordsOf(n config.Node) (words []string) {
	if n.Kind == config.Scalar && !n.Null {
		return strings.Fields(n.Text)
	}
	for _, item := range n.Items {
		if item.Kind != config.Scalar || item.Null {
			return nil
		}
		words = append(words, item.Text)
	}
	return words
}

func (s *stepSpec) value(l *Language) config.Value {
	common := []config.Field{{Name: "ignore_failure", Doc: "go on with the list if it fails", Default: "off",
		Value: config.Bool(&s.ignoreFailure)}}
	choice := config.Choice("action", l.variants, common, func(key string, at config.Pos) []config.Field {
		i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.Key == key })
		value, build := kinds[i].begin(l.questions)
		s.kind, s.pos, s.build, s.of = key, at, build, kinds[i]
		return append(make([]config.Field, 0, 1+len(common)), config.Field{Name: key, Required: true, Value: value})
	})
	return config.Wrap(choice, func(n config.Node, ps *config.Problems) {
		s.text = n
		choice.Read(n, ps)
	})
}

// Build makes the list, complaining of names that nothing declares.
func (s *Spec) Build(c *Check) List {
	var list List
	for _, step := range s.steps {
		if step.build == nil {
			continue // complained of while reading
		}
		c.refers = false
		s := Step{Action: step.build(c), Kind: step.kind, Pos: step.pos, IgnoreFailure: step.ignoreFailure, Plain: step.of.Plain, Brief: step.of.Brief, Late: step.of.Late}
		s.Refers = c.refers
		if c.KeepsText {
			s.Text = step.text
		}
		list = append(list, s)
	}
	return list
}

// BuildOnFailure is Build for a rule's on_failure list, whose actions see the
// field ERROR too.
func (s *Spec) BuildOnFailure(c *Check) List {
	with := *c
	if with.Fields != nil {
		with.Fields = append(slices.Clone(with.Fields), failureFields...)
	}
	return s.Build(&with)
}

// Journal is what a rule's runs log, each call a line or less: what repeats is
// counted instead.
type Journal interface {
	Fired(e *sources.Event)
	// Failed logs that an action of that kind, declared at that place, failed.
	Failed(kind string, err error, at string)
}

// Run is one pass through a rule's actions. Its methods are for the loop's
// thread.
type Run struct {
	Env   *Env
	Rule  string // "" for the order of a client, which learns of its failure itself
	Event *sources.Event
	// Fresh is set for an event that is its sender's as long as Start does not
	// return, and of whose firing the log does not know yet. The run copies it
	// and logs the firing when the first action looks at the event: so an
	// output that a rule sets is set before anything else is done.
	Fresh bool
	// DryRun logs what would be done instead of doing it.
	DryRun bool
	// Asks is set if an action looks at the fields that every event has.
	Asks bool
	// First is what Chain returns as long as nothing led to the event and the
	// run has not waited; nil for a new one each time.
	First *sources.Chain
	// Journal logs the firing and what fails; nil if the run is of no rule.
	Journal Journal

	list      List
	onFailure List
	step      int
	pending   Pending
	stopped   bool
	waited    bool          // for an action
	logged    bool          // that it fired
	shared    bool          // an action may have kept it
	waiting   time.Duration // CLOCK_MONOTONIC when the wait for the pending one began
	failure   error
	done      func(error)
}

// Start carries out list and, if an action fails, onFailure. done is called
// once, perhaps before Start returns, with the first failure that ended a
// list. A run that was stopped ends without failure.
func (r *Run) Start(list, onFailure List, done func(error)) {
	r.list, r.onFailure, r.done, r.logged = list, onFailure, done, !r.Fresh
	if !r.Fresh {
		r.describe()
	}
	r.advance()
}

// own makes the event ours, if it is not.
func (r *Run) own() {
	if !r.Fresh {
		return
	}
	r.Fresh = false
	r.Event = r.Event.Clone()
	r.describe()
}

// announce logs the firing, once.
func (r *Run) announce() {
	if r.logged {
		return
	}
	r.logged = true
	if r.Journal != nil {
		r.Journal.Fired(r.Event)
	}
}

// shown is Wall, and "" without a clock.
func (env *Env) shown(at time.Duration) string {
	if env.Wall == nil {
		return ""
	}
	return env.Wall(at)
}

// describe adds the fields that every event has, if something asks for them:
// what plays tests may.
func (r *Run) describe() {
	if !r.Asks && r.Env.Act == nil {
		return
	}
	e := r.Event
	e.Fields = append(e.Fields,
		sources.Field{Name: "REFLEXD_RULE", Value: sources.Text(r.Rule)},
		sources.Field{Name: "REFLEXD_SOURCE", Value: sources.Text(e.Source)},
		sources.Field{Name: "REFLEXD_EVENT", Value: sources.Text(e.Describe())},
		sources.Field{Name: "REFLEXD_TIME", Value: sources.Text(seconds(e.Time))},
		sources.Field{Name: "REFLEXD_WALL", Value: sources.Text(r.Env.shown(e.Time))})
}

// Chain implements sources.Cause.
func (r *Run) Chain() *sources.Chain {
	if r.First != nil && r.Event.Chain == nil && !r.waited {
		return r.First
	}
	return &sources.Chain{Rule: r.Rule, Before: r.Event.Chain, Waited: r.waited}
}

// seconds writes a CLOCK_MONOTONIC time as dmesg does, in full.
func seconds(t time.Duration) string {
	const point = "."
	b := strconv.AppendInt(make([]byte, 0, 32), int64(t/time.Second), 10)
	from := len(b)
	b = strconv.AppendInt(b, int64(time.Second+t%time.Second), 10) // a 1 and nine digits
	copy(b[from:], point)
	return string(b)
}

// Stop ends the run: what is under way is told to stop, what is left is not
// begun. done is called when nothing of it is running any more.
func (r *Run) Stop() {
	if r.stopped {
		return
	}
	r.stopped = true
	if r.pending == nil || r.pending.Stop() {
		r.pending = nil
		r.end()
	}
}

// Stopped reports whether r was stopped before its end.
func (r *Run) Stopped() bool { return r.stopped }

// Doing returns the action that is under way, or "".
func (r *Run) Doing() string {
	if r.pending == nil {
		return ""
	}
	return r.Event.Conceal(r.list[r.step].Describe(r.Event))
}

// Finish tells that the action under way is over.
func (r *Run) Finish(err error) {
	r.pending = nil
	if r.stopped {
		r.end()
		return
	}
	took := r.Env.Loop.Now() - r.waiting
	if r.Env.Durations != nil {
		r.Env.Durations.Add(r.list[r.step].Kind, took)
	}
	r.ended(err, took)
	if r.endStep(err) {
		r.step++
	}
	r.advance()
}

// ended shows that the current action is over.
func (r *Run) ended(err error, took time.Duration) {
	if r.Env.Ended != nil {
		r.Env.Ended(r, &r.list[r.step], took, err)
	}
}

// await turns a call that tells what came of it now or later into what Start
// returns.
func (r *Run) await(call func(done func(error))) (Pending, error) {
	returned, over := false, false
	var failure error
	call(func(err error) {
		if returned {
			r.Finish(err)
			return
		}
		over, failure = true, err
	})
	returned = true
	if over {
		return nil, failure
	}
	return unstoppable{}, nil
}

func (r *Run) advance() {
	for r.step < len(r.list) {
		step := &r.list[r.step]
		switch {
		case r.DryRun || r.Env.Act != nil || !step.Plain && (!step.Brief || r.Asks):
			r.own()
			if !step.Late || r.DryRun || r.Env.Act != nil {
				r.announce()
			}
		case !step.Plain:
			r.announce()
		}
		if r.DryRun {
			r.Env.Log.Info("would "+r.Event.Conceal(step.Describe(r.Event)), "rule", r.Rule, "event", r.Event.Describe())
			r.step++
			continue
		}
		r.shared = r.shared || !step.Brief || r.Env.Act != nil
		pending, err := r.start(step)
		if pending != nil {
			r.pending, r.waited, r.waiting = pending, true, r.Env.Loop.Now()
			r.announce()
			r.own()
			return
		}
		r.ended(err, 0)
		if r.endStep(err) {
			r.step++
		}
	}
	r.end()
}

// start begins one action.
func (r *Run) start(step *Step) (Pending, error) {
	if r.Env.Act != nil {
		if p, err, handled := r.Env.Act(r, step); handled {
			return p, err
		}
	}
	return step.Start(r)
}

// Shown returns err without what must not be shown.
func (r *Run) Shown(err error) error {
	if text := r.Event.Conceal(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// endStep deals with the end of the current action. It reports false if a
// failure made r go over to the other list.
func (r *Run) endStep(err error) bool {
	if err == nil {
		return true
	}
	r.announce()
	r.own()
	step := r.list[r.step]
	if r.Journal == nil { // of no rule: whoever asked is told
		r.Env.Log.Debug("action failed", "action", step.Kind, "error", r.Shown(err), "at", step.Pos.String())
	} else {
		r.Journal.Failed(step.Kind, r.Shown(err), step.Pos.String())
	}
	if step.IgnoreFailure {
		return true
	}
	if r.failure == nil {
		r.failure = err
		r.Event.Fields = append(r.Event.Fields, sources.Field{Name: "ERROR", Value: sources.Text(r.Shown(err).Error())})
		r.list, r.onFailure = r.onFailure, nil
	} else {
		r.list = nil // on_failure failed too
	}
	r.step = 0
	return false
}

// Over reports whether r has ended and nobody can have kept it, as what blinks
// keeps its cause.
func (r *Run) Over() bool { return r.done == nil && !r.waited && !r.shared && r.pending == nil }

func (r *Run) end() {
	r.announce()
	if done := r.done; done != nil {
		r.done = nil
		done(r.failure)
	}
}
