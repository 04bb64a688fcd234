// SPDX-License-Identifier: MIT

// Package sources holds what all kernel interfaces share: the events that
// they send, what they offer to the configuration, and the small part of the
// loop that they see. Each source is a package below this one; none knows of
// rules, actions or the others' insides.
//
// A source reads from descriptors of its own in the loop that it was handed,
// rather than offering one descriptor or a channel: it may watch several, none
// as long as its device is missing, and a channel would cost a thread switch
// for each event.
package sources

import (
	"log/slog"
	"time"

	"reflexd/config"
)

// Kind is one kernel interface, as the agent's list of sources holds it.
type Kind struct {
	Name string // "gpio", "input", ...: first part of Event.Source, and what `loss:` names
	// Plan returns an empty plan, to be filled by reading a configuration.
	Plan func() Plan
	// Open returns a source that does nothing until a plan is applied. It
	// fails only if the kernel lacks the interface altogether.
	Open func(Host) (Source, error)
	// Simulates says that its source can be Simulated, see Host. Of others, a
	// simulation makes the events itself.
	Simulates bool
}

// Plan is what one configuration asks of one source. Reading and checking it
// touches no device.
type Plan interface {
	// Sections are the top-level keys of the configuration that belong to
	// this source.
	Sections() []config.Field
	// Triggers are the kinds of `when` that this source serves.
	Triggers() []TriggerKind
	// Extras returns what else the plan offers.
	Extras() Extras
	// Resolve is called when all files are read, before any trigger is
	// compiled. It completes what the sections left out, and complains of what
	// they hold.
	Resolve(ps *config.Problems)
}

// Extras are what not every Plan offers; nil for what it does not. A type assertion
// would find out as much, but the runtime works out each type's answer when it is
// first asked, and at the start all are.
type Extras struct {
	Conditional Conditional
	Namespaced  Namespaced
	Referrer    Referrer
	Preparer    Preparer
	Subscriber  SubscriberPlan
	Switch      SwitchPlan
	Examiner    Examiner
}

// Preparer is a Plan that reads files of its own before it is applied.
type Preparer interface {
	// Prepare reads them. It may block, and is called once, on no loop.
	Prepare()
}

// TriggerKind declares one kind of `when`.
type TriggerKind struct {
	Key string // the key that says the kind: "line", "uevent"
	Doc string
	// Fields are the event fields that a rule may name; nil if any name may
	// occur. The fields that every event has are not among them.
	Fields []string
	// Environ are the fields that programs find in their environment; nil for
	// all of Fields. Where any name may occur, it holds those that the
	// reference lists: a name that somebody outside chose could change what a
	// program does.
	Environ []string
	// New returns the YAML fields of one trigger, `where` excepted, and what
	// turns them into Topics and Match when all files are read.
	New func() (fields []config.Field, compile func(t *Trigger, ps *config.Problems))
}

// Trigger is one compiled `when`.
type Trigger struct {
	Pos    config.Pos
	Text   string   // as it was written, in one line
	Kind   string   // the key that says the kind
	Fields []string // as TriggerKind.Fields
	// Environ is as TriggerKind.Environ; nil for all of Fields.
	Environ []string
	// Topics are the events that it matches.
	Topics []Topic
	// Match further restricts them; nil for no restriction. It is called on
	// the loop's thread and allocates nothing.
	Match func(*Event) bool
	Where Where
	// selection says more of Match; nil if it looks at nothing but the event.
	selection *selection
	// Wants are what the recogniser must find out so that the Topics occur.
	Wants []Want
	// Lasting is what it asks of a state; the zero value of a trigger on what
	// does not last.
	Lasting Lasting
	// Stays is Match for whether a state goes on, if that is something else than
	// what fires a trigger without a Lasting; else nil.
	Stays func(*Event) bool
	// Named, if not nil, is called with each field that the texts of the rule's
	// actions name: what is costly to find out need not be found otherwise.
	Named func(field string)
}

// Accepts reports whether e, which has one of the trigger's topics, fires it.
func (t *Trigger) Accepts(e *Event) bool {
	return (t.Match == nil || t.Match(e)) && t.Where.Match(e)
}

// Lasts reports whether e, which has one of the trigger's topics, is of the
// state that the trigger waits for, whatever its Where asks.
func (t *Trigger) Lasts(e *Event) bool {
	if t.Stays != nil {
		return t.Stays(e)
	}
	return t.Match == nil || t.Match(e)
}

// Source serves one kernel interface. All its methods are called on the
// loop's thread.
type Source interface {
	// Apply makes the source do what plan, which its Kind made, asks. What
	// the plan before asked for in the same words is kept open as it is: no
	// line moves, no device is closed. What cannot be had now is logged,
	// shown by Status, and waited for.
	Apply(plan Plan)
	// Status returns the state of everything the plan asked for.
	Status() []State
	// Close lets go of everything, leaving outputs as their on_exit says.
	Close()
}

// StartWaiter is a Source that opens some of what its plan asks for beside the
// loop, and so may not have it yet when Apply returns.
type StartWaiter interface {
	Source
	// Started reports whether all of it was tried once: it is there, or it is
	// known why not and is waited for.
	Started() bool
}

// SubscriberPlan is a Plan whose source wants to receive what other sources emit: a
// module's uevent, the signal by which a file announces itself. Its source is
// a Subscriber.
type SubscriberPlan interface {
	// Subscribes returns the kinds of the events, as in Topic.Kind. It is
	// called before Apply.
	Subscribes() []string
}

// Subscriber is a Source that receives what other sources emit.
type Subscriber interface {
	Source
	// Notify is shown each event of the kinds that the plan subscribes to, on the
	// loop's thread, in the event's turn and before the rules. e belongs to the
	// caller, and so do its strings if it is Borrowed.
	Notify(e *Event)
}

// Switcher is a Source whose sockets or files can be closed and opened by name
// while the plan stands: an open one pins the module that serves it.
type Switcher interface {
	Source
	// Has reports whether the plan has a socket or file of that name.
	Has(name string) bool
	// Switch opens or closes it. What cannot be opened yet is waited for, and
	// is no error. What is closed stays so until it is opened, also over a
	// reload that asks for it in the same words.
	Switch(name string, open bool) error
}

// SwitchPlan is the Plan of a Switcher.
type SwitchPlan interface {
	// Switchable returns the names that Switch will take.
	Switchable() []string
}

// State is the state of one line, device or socket, as `reflexd status` shows
// it.
type State struct {
	Name   string `json:"name"`   // "power"
	Detail string `json:"detail"` // "GPIO3, gpiochip0:3"
	OK     bool   `json:"ok"`     // open, not waited for
	Error  string `json:"error,omitempty"`
	// Lines are the GPIO lines that it holds, where it holds some.
	Lines []HeldLine `json:"lines,omitempty"`
}

// HeldLine is a GPIO line that the agent has requested.
type HeldLine struct {
	Chip   string `json:"chip"` // "gpiochip0"
	Offset int    `json:"offset"`
	Level  string `json:"level,omitempty"` // physical: "high", "low"; "" if not known
}

// Host is what a source is given by the agent.
type Host struct {
	Loop Loop
	// Emit takes an event. The events of one wake-up are put in order of
	// their time stamps before any rule sees them. It copies what it needs:
	// also the strings if the event is Borrowed.
	Emit func(*Event)
	Log  *slog.Logger
	// DryRun leaves the machine as it is: nothing is requested, written or
	// mounted that would change it.
	DryRun bool
	// Wall is the board's clock in its zone, if the agent has its own notion of
	// time; nil for the machine's.
	Wall func() time.Time
	// Simulated has the source open nothing: what the plan asks for is there,
	// and does what it is told to by the methods that begin with Simulate.
	Simulated bool
	// State returns the state of what has that kind and name as rules have seen
	// it, "" if it is not known; nil where nobody keeps it.
	State func(kind, name string) string
	// Dev, Sys and Proc are where /dev, /sys and /proc are.
	Dev, Sys, Proc string
}

// Lost emits and logs that count events of the source were lost
// (0: nobody knows how many). hint says what would help, in the words of
// whoever can turn it.
func (h *Host) Lost(kind, name string, count int, hint string) {
	source, log := kind, h.Log
	if name != "" {
		source += ":" + name
		log = log.With("name", name)
	}
	log.Warn("events lost", "count", count, "hint", hint)
	h.Emit(&Event{
		Time:   h.Loop.Now(),
		Topic:  Topic{"loss", kind, "lost"},
		Source: source,
		Fields: []Field{{"SOURCE", Text(source)}, {"COUNT", Int(int64(count))}, {"HINT", Text(hint)}, {"KNOB", Text(hint)}},
	})
}

// Loop is what sources see of the event loop. All its methods are called on
// the loop's thread, and all functions handed to it are called there, but for
// the work of Beside.
type Loop interface {
	// Now is CLOCK_MONOTONIC.
	Now() time.Duration
	// Woke is when the wake-up that is being served began: what is read then
	// happened before. It costs less than to read the clock.
	Woke() time.Duration
	// Watch calls ready whenever fd has one of the poll events (unix.EPOLLIN
	// and so on; EPOLLERR and EPOLLHUP always count). Watching is
	// level-triggered: ready reads one bounded batch and returns; if more is
	// there it is called again at the next wake-up, after the others had
	// their turn. fd must be non-blocking and stays the caller's to close,
	// after Watch.Close.
	Watch(fd int, events uint32, ready func(events uint32)) (Watch, error)
	// After calls fire once, after d.
	After(d time.Duration, fire func()) Timer
	// Beside runs work on another thread, for what may block, and then done on
	// the loop's thread. Few are under way at a time, in their order: work does
	// not wait for other work. No signal interrupts it.
	Beside(work func(), done func())
}

// Nothing is the done of work that nothing follows.
func Nothing() {}

// Watch is a descriptor that is being watched.
type Watch interface {
	// Events changes the poll events; 0 leaves only EPOLLERR and EPOLLHUP.
	Events(events uint32) error
	// Close ends the watching. ready is not called again, not even for what
	// was found ready in the same wake-up. Closing twice is harmless.
	Close()
}

// Timer is a call to come.
type Timer interface {
	// Stop keeps the call from being made. It reports whether there was one
	// to stop.
	Stop() bool
}

// StopTimer stops a timer and forgets it. *t may be nil: never started, or
// stopped already.
func StopTimer(t *Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}
