// SPDX-License-Identifier: MIT

// Runner: run modes, cooldown and limit; what is running and what waits.

package rule

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"reflexd/agent/action"
	"reflexd/sources"
)

// Runner runs rules. It outlives configurations: what a rule is doing, its
// cooldown and its limit go on over a reload, found by the rule's name.
type Runner struct {
	env     *action.Env
	world   *World
	dryRun  bool
	perRule map[string]*progress
	index   *Index  // of the rules
	due     []*Rule // scratch
	missed  []miss  // scratch
	view    view
	idle    []*pass // for the next runs
	// Observe is shown what becomes of events, on the loop's thread; nil for
	// nobody. The event is good until it returns.
	Observe func(rule string, e *sources.Event, o Outcome, why string)
	// Remember has the last events of each rule be kept, for History.
	Remember bool
	copies   copies
}

// pass is a run with what is called at its end. It is used again if the run
// was over at once, so that most events take no memory before their outputs are
// set: now and then it would be a new page.
type pass struct {
	run action.Run
	p   *progress
	end func(error)
}

// Outcome is what a rule made of an event that it hears.
type Outcome string

// The outcomes. A rule that fired is done, failed or stopped later on.
const (
	Fired   Outcome = "fired"
	Unmet   Outcome = "unmet"   // a condition does not hold, the one at the place why
	Dropped Outcome = "dropped" // why: by cooldown, limit or mode
	Done    Outcome = "done"
	Failed  Outcome = "failed"  // why: the error that ended its actions
	Stopped Outcome = "stopped" // by a newer firing, a client, or the agent's end
)

func (r *Runner) observe(rule string, e *sources.Event, o Outcome, why string) {
	if r.Observe != nil {
		r.Observe(rule, e, o, why)
	}
}

// progress is what there is to know of one rule at run time.
type progress struct {
	rule    *Rule // as the newest configuration has it; nil if it has none
	runs    []*action.Run
	waiting []*sources.Event
	recent  []time.Duration // when it fired, the last Limit.Count times
	last    time.Duration   // when it fired last; 0 never
	first   *sources.Chain  // of what its runs cause, if nothing led to them
	log     journal
	switched
	brake
	Counts
	history history
	settled uint64 // how many events were noted when it was settled
}

// Counts is what happened to a rule since the start.
type Counts struct {
	Fired   int `json:"fired"`
	Dropped int `json:"dropped"` // by cooldown, limit, mode, or a full queue
	Failed  int `json:"failed"`
	Unmet   int `json:"unmet"` // an event came, but a condition did not hold
	// Braked is how many of the dropped were stopped because the rule sets
	// itself off.
	Braked int `json:"braked"`
}

// NewRunner returns a Runner without rules, whose conditions look at world.
// With dryRun it only tells what it would do.
func NewRunner(env *action.Env, world *World, dryRun bool) *Runner {
	return &Runner{env: env, world: world, dryRun: dryRun, perRule: map[string]*progress{}}
}

// Adopt makes the rules of b the ones that run. Rules that are gone finish what
// they are doing, but begin nothing that was waiting.
func (r *Runner) Adopt(b *Index) {
	for _, p := range r.perRule {
		r.settle(p)
		p.rule = nil
	}
	if r.index = b; r.Remember {
		b.runner = r
	}
	for _, rule := range b.Rules {
		rule.progress = nil // it may be another Runner's
		p := r.of(rule)
		p.rule = rule
		p.log.level = rule.LogLevel
		p.follow(rule)
		if p.off {
			p.forget()
		}
	}
	for name, p := range sources.InOrder(r.perRule) { // so that the log has one order
		if p.rule != nil {
			continue
		}
		p.waiting = nil
		if len(p.runs) == 0 {
			p.log.flush()
			delete(r.perRule, name)
		}
	}
}

// forget drops what waits.
func (p *progress) forget() {
	p.Dropped += len(p.waiting)
	p.waiting = nil
}

func (r *Runner) of(rule *Rule) *progress {
	if rule.progress != nil {
		return rule.progress
	}
	p := r.perRule[rule.Name]
	if p == nil {
		p = &progress{rule: rule, switched: switched{rule.Disabled, rule.Disabled},
			log: journal{env: r.env, rule: rule.Name, level: rule.LogLevel, whole: r.dryRun}}
		r.perRule[rule.Name] = p
	}
	rule.progress = p
	return p
}

// Fire is called with the rules that hear e. Those fire that are enabled and
// whose conditions hold, as things are before the first of them acts: of two
// rules that toggle a variable, one for each of its values, one fires. e is
// copied where it is kept.
func (r *Runner) Fire(rules []*Rule, e *sources.Event) {
	r.due = r.due[:0]
	for _, rule := range rules {
		if r.may(rule, r.view.of(rule, e)) {
			r.due = append(r.due, rule)
		}
	}
	for _, rule := range r.due {
		r.fire(rule, r.view.of(rule, e))
	}
}

// may reports whether the rule is enabled and its conditions hold.
func (r *Runner) may(rule *Rule, e *sources.Event) bool {
	p := r.of(rule)
	r.ask(p, rule, e)
	switch {
	case p.off:
		r.keep(p, rule, e, Disabled, "")
		return false
	case len(rule.If) == 0 || rule.If.holds(r.world, e) == sources.Yes:
		return true
	}
	p.Unmet++
	r.keep(p, rule, e, Unmet, "")
	r.logUnmet(rule, e)
	if r.Observe != nil {
		r.Observe(rule.Name, e, Unmet, rule.If.unmet(r.world, e))
	}
	return false
}

// logUnmet logs what kept a rule from firing: in a dry run, where that is
// what the reader wants to know, more loudly.
func (r *Runner) logUnmet(rule *Rule, e *sources.Event) {
	level, message := slog.LevelDebug, "condition does not hold"
	if r.dryRun {
		level, message = slog.LevelInfo, "would not fire: a condition does not hold"
	}
	if log := r.env.Log; log.Enabled(context.Background(), level) {
		log.Log(context.Background(), level, message, "rule", rule.Name, "event", e.Describe(), "if", rule.If.unmet(r.world, e))
	}
}

func (r *Runner) fire(rule *Rule, e *sources.Event) {
	p := r.of(rule)
	if why := p.refuses(rule, e.Time); why != "" {
		r.drop(p, e, why)
		return
	}
	if why := p.full(rule); why != "" {
		r.drop(p, e, why)
		if rule.Mode != Single {
			p.log.allows(drops)
		}
		return
	}
	if r.braked(p, e) {
		return
	}
	p.fired(rule, e.Time)
	rec := r.begins(p, rule, e, Fired, "")
	r.observe(rule.Name, e, Fired, "")
	if len(p.runs) == 0 || rule.Mode == Parallel {
		r.begin(p, e, rec, true)
		r.copies.give(rec, e) // when the outputs are set
		return
	}
	r.copies.give(rec, e)
	p.log.Fired(e)
	switch {
	case rule.Mode == Queued:
		p.waiting = append(p.waiting, e.Clone())
	default: // Restart and Coalesce keep the newest
		p.Dropped += len(p.waiting)
		newest := e.Clone()
		if rule.Mode == Coalesce && len(p.waiting) > 0 {
			newest = gather(newest, p.waiting[0])
		}
		p.waiting = p.waiting[:0]
		if newest != nil {
			p.waiting = append(p.waiting, newest)
		}
		if rule.Mode == Restart {
			for _, run := range slices.Clone(p.runs) {
				run.Stop()
			}
		}
	}
}

// full returns why the mode has no place for another firing.
func (p *progress) full(rule *Rule) string {
	switch {
	case len(p.runs) == 0:
	case rule.Mode == Single:
		return "still running"
	case rule.Mode == Parallel && len(p.runs) >= rule.Max:
		return "max: too many runs in progress"
	case rule.Mode == Queued && len(p.waiting) >= rule.Max:
		return "max: too many firings waiting"
	}
	return ""
}

func (r *Runner) drop(p *progress, e *sources.Event, why string) {
	p.Dropped++
	r.env.Log.Debug("dropped", "rule", p.rule.Name, "event", e.Describe(), "why", why)
	r.keep(p, p.rule, e, Dropped, why)
	r.observe(p.rule.Name, e, Dropped, why)
}

// braked drops the firing if it is one too many of a circle of rules.
func (r *Runner) braked(p *progress, e *sources.Event) bool {
	if e.Chain == nil {
		return false
	}
	stop, first := p.brake.stops(p.rule.Name, e.Chain, e.Time)
	if stop {
		p.Braked++
		r.drop(p, e, "circle")
	}
	if first {
		r.env.Log.Warn("rules fire each other in a cycle: stopped", "rule", p.rule.Name, "circle", p.way,
			"firings", mostRounds, "for", brakeFor,
			"hint", "a `wait` before what sends the event, or a `cooldown` or `limit` for a rule of the cycle")
	}
	return stop
}

// refuses returns why the rule may not fire at the time now.
func (p *progress) refuses(rule *Rule, now time.Duration) string {
	if rule.Cooldown > 0 && p.Fired > 0 && now-p.last < rule.Cooldown {
		return "cooldown"
	}
	n := rule.Limit.Count
	if n == 0 {
		return ""
	}
	if len(p.recent) >= n && now-p.recent[len(p.recent)-n] < rule.Limit.Per {
		return "limit"
	}
	return ""
}

// fired notes a firing for the counts, the cooldown and the limit.
func (p *progress) fired(rule *Rule, now time.Duration) {
	p.Fired++
	p.last = now
	n := rule.Limit.Count
	if n == 0 {
		return
	}
	if len(p.recent) >= n {
		p.recent = slices.Delete(p.recent, 0, len(p.recent)-n+1)
	}
	p.recent = append(p.recent, now)
}

// begin begins a run, of which rec is the record; nil for none. A fresh event is its
// sender's, and was not logged.
func (r *Runner) begin(p *progress, e *sources.Event, rec *Record, fresh bool) {
	if p.first == nil || p.first.Rule != p.rule.Name {
		p.first = &sources.Chain{Rule: p.rule.Name}
	}
	next := r.pass()
	next.p = p
	run := &next.run // field by field: as a whole it would be copied
	run.Env, run.Rule, run.Event, run.Fresh, run.DryRun = r.env, p.rule.Name, e, fresh, r.dryRun
	run.Journal, run.Asks, run.First = &p.log, p.rule.asks, p.first
	p.runs = append(p.runs, run)
	if rec != nil {
		rec.run = run
	}
	run.Start(p.rule.Do, p.rule.OnFailure, next.end)
	if run.Over() {
		p.release(run)
		next.p, next.run = nil, action.Run{}
		r.idle = append(r.idle, next)
	}
}

// pass returns one that is not in use, with the zero value of a run.
func (r *Runner) pass() *pass {
	if n := len(r.idle) - 1; n >= 0 {
		last := r.idle[n]
		r.idle = r.idle[:n]
		return last
	}
	next := &pass{}
	next.end = func(err error) { r.ended(next.p, &next.run, err) }
	return next
}

func (r *Runner) ended(p *progress, run *action.Run, err error) {
	p.runs = slices.DeleteFunc(p.runs, func(other *action.Run) bool { return other == run })
	o, why := Done, ""
	switch {
	case err != nil:
		p.Failed++
		o, why = Failed, run.Shown(err).Error()
	case run.Stopped():
		o = Stopped
	}
	p.over(run, o, why)
	r.observe(run.Rule, run.Event, o, why)
	switch {
	case p.rule == nil && len(p.runs) == 0:
		for name, other := range r.perRule {
			if other == p {
				delete(r.perRule, name)
			}
		}
	case len(p.waiting) > 0 && len(p.runs) == 0:
		next := p.waiting[0]
		p.waiting = slices.Delete(p.waiting, 0, 1)
		r.begin(p, next, p.waiter(next), false)
	}
}

// Running is the number of runs under way.
func (r *Runner) Running() int {
	n := 0
	for _, p := range r.perRule {
		n += len(p.runs)
	}
	return n
}

// Stop stops all runs and forgets what waits. Rules may fire again after it.
func (r *Runner) Stop() {
	for _, p := range sources.InOrder(r.perRule) {
		p.waiting = nil
		p.log.flush()
		for _, run := range slices.Clone(p.runs) {
			run.Stop()
		}
	}
}

// Status is the state of one rule.
type Status struct {
	Name    string   `json:"name"`
	At      string   `json:"at"`
	Enabled bool     `json:"enabled"`
	Running []string `json:"running,omitempty"` // what each run is doing
	Waiting int      `json:"waiting"`
	Circle  string   `json:"circle,omitempty"` // by which it set itself off when it was braked last: "a -> b -> a"
	Counts
}

// Status returns the state of each of rules.
func (r *Runner) Status(rules []*Rule) []Status {
	var all []Status
	for _, rule := range rules {
		p := r.of(rule)
		s := Status{Name: rule.Name, At: rule.Pos.String(), Enabled: !p.off, Waiting: len(p.waiting), Circle: p.way, Counts: p.Counts}
		for _, run := range p.runs {
			s.Running = append(s.Running, run.Doing())
		}
		all = append(all, s)
	}
	return all
}
