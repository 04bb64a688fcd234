// SPDX-License-Identifier: MIT

// Package uevent is the source of the kernel's device events: what udev's
// monitor prints as KERNEL. It also knows which devices there are, so as to
// announce at start those that were there before us, and to find out what it missed.
package uevent

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "uevent",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },

	Simulates: true,
}

// Plan is what a configuration asks of uevents.
type Plan struct {
	// Everything asks for all events, triggers or not.
	Everything bool
	// Subscribed asks for the kernel's messages, because others subscribe to them, and
	// for no knowledge of devices.
	Subscribed bool

	triggers []*trigger // of the kernel's stage
	udev     int        // triggers of udev's stage
	ids      scope      // the subsystems whose devices are asked what they are; see idScope
}

// Sections implements sources.Plan: there is none.
func (p *Plan) Sections() []config.Field { return nil }

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Examiner: p} }

// Resolve implements sources.Plan: triggers are complained of where they are
// read.
func (p *Plan) Resolve(*config.Problems) {}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key:     "uevent",
		Doc:     "a device event of the kernel or of udev",
		Environ: environ,
		New:     p.newTrigger,
	}}
}

// environ are the fields that programs find in their environment: ours, and the
// keys of the kernel's core, of its block, network, input and USB devices.
// Other keys are a driver's or an udev rule's.
var environ = slices.Concat(strings.Fields(`ACTION SUBSYSTEM DEVPATH DEVNAME DEVTYPE MAJOR MINOR SEQNUM DRIVER MODALIAS
	PARTN PARTNAME DISKSEQ INTERFACE IFINDEX NAME PRODUCT TYPE
	STAGE TAGS DEVLINKS`), []string{coldplugField, requestedField, rescanField, syntheticField}, idFields)

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	tr := &trigger{stage: kernelStage}
	var at places
	where := sources.WhereValue(&tr.match)
	match := config.Wrap(where, func(n config.Node, ps *config.Problems) {
		where.Read(n, ps)
		checkConditions(n, ps)
		at.conditions = n.Entries
	})
	fields := []config.Field{
		{Name: "uevent", Also: "udev usb", Required: true, Value: match,
			Doc: "conditions on the event's fields; DEVNAME is absolute: /dev/sda1"},
		{Name: "at_start", Default: "off", Value: atStart(&at, &tr.coldplug),
			Doc: "also for each device that is present at the start, or at the reload that brings the rule, as ACTION=add with COLDPLUG=1 and SYNTHETIC=1"},
		{Name: "coldplug", Value: atStart(&at, &tr.coldplug), Doc: "the old name of `at_start`"},
		{Name: "stage", Default: kernelStage, Value: config.OneOf(&tr.stage, kernelStage, udevStage),
			Doc: "whose event: the kernel's, at once, or udevd's, later and with the properties that its rules set"},
		{Name: "identify", Default: "off", Value: config.At(&at.identify, config.Bool(&tr.identify)),
			Doc: "add ID_BUS, ID_VENDOR_ID, ID_SERIAL_SHORT and the like to the kernel's event, read from sysfs; automatic if conditions, strings or scripts of the rule name such a field"},
	}
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		tr.compile(t, at, ps)
		if tr.stage == udevStage {
			p.udev++
		} else {
			p.triggers = append(p.triggers, tr)
		}
	}
}

// atStart returns the Value of `at_start`, under whichever of its names it is
// written, but not under both.
func atStart(at *places, on *bool) config.Value {
	value := config.Bool(on)
	return config.Wrap(value, func(n config.Node, ps *config.Problems) {
		if at.coldplug.Line != 0 {
			ps.Errorf(n.Pos, "coldplug is the old name of at_start: write at_start alone")
		}
		at.coldplug = n.Pos
		value.Read(n, ps)
	})
}

// wanted reports whether there is anything to receive from the kernel.
func (p *Plan) wanted() bool { return p.Everything || p.Subscribed || len(p.triggers) > 0 }

// scope returns the subsystems of which p needs to know the devices. To report a change of
// one, nothing need be known of it.
func (p *Plan) scope() scope { return p.subsystems(false) }

// idScope returns the subsystems whose devices are asked what they are.
func (p *Plan) idScope() scope { return p.subsystems(true) }

func (p *Plan) subsystems(identified bool) scope {
	sc := scope{all: p.Everything, names: map[string]bool{}}
	for _, tr := range p.triggers {
		if !tr.identify && (identified || !tr.presence) {
			continue
		}
		sc.all = sc.all || tr.subsystems == nil
		for _, name := range tr.subsystems {
			sc.names[name] = true
		}
	}
	return sc
}

// inherit takes over from the plan before how far coldplug has come. A
// trigger that was not there before waits for it from now on. Of several with
// the same conditions, in rules that this source cannot tell apart, those that
// are there already are taken to be the first ones.
func (p *Plan) inherit(before *Plan, now uint64) {
	old := slices.Clone(before.triggers)
	for _, tr := range p.triggers {
		if !tr.coldplug {
			continue
		}
		same := func(o *trigger) bool {
			return o.coldplug && o.match.Equal(tr.match) && o.where.Equal(tr.where)
		}
		if i := slices.IndexFunc(old, same); i >= 0 {
			tr.service, tr.since = old[i].service, old[i].since
			old = slices.Delete(old, i, i+1)
		} else {
			tr.since = now
		}
	}
}

// nextServing chooses the triggers that coldplug serves next: those that have
// waited longest. It returns since when; ok is false if none waits.
func (p *Plan) nextServing() (since uint64, ok bool) {
	for _, tr := range p.triggers {
		if tr.waits() && (!ok || tr.since < since) {
			since, ok = tr.since, true
		}
	}
	for _, tr := range p.triggers {
		if tr.waits() && tr.since == since {
			tr.service = serving
		}
	}
	return since, ok
}

func (p *Plan) endServing() {
	for _, tr := range p.triggers {
		if tr.service == serving {
			tr.service = served
		}
	}
}

func (p *Plan) waits() bool {
	return slices.ContainsFunc(p.triggers, (*trigger).waits)
}

// serves reports whether e, about a device that is there, is for one of the
// triggers that are being served.
func (p *Plan) serves(e *sources.Event) bool {
	return slices.ContainsFunc(p.triggers, func(tr *trigger) bool {
		return tr.coldplug && tr.service == serving && tr.match.Match(e)
	})
}

// scope is a set of subsystems.
type scope struct {
	all   bool
	names map[string]bool
}

func (sc scope) has(subsystem string) bool { return sc.all || sc.names[subsystem] }

// covers reports whether all that is in other is in sc.
func (sc scope) covers(other scope) bool {
	if sc.all || other.all {
		return sc.all
	}
	for name := range other.names {
		if !sc.names[name] {
			return false
		}
	}
	return true
}

// both returns what is in sc and in other.
func (sc scope) both(other scope) scope {
	if sc.all {
		return other
	}
	names := map[string]bool{}
	for name := range sc.names {
		if other.has(name) {
			names[name] = true
		}
	}
	return scope{names: names}
}
