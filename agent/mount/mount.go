// SPDX-License-Identifier: MIT

// Package mount mounts sticks and cards when they are plugged in, and cleans
// up after those that are pulled too early.
//
// It is a source: it receives the uevents of block devices, and emits what
// was mounted. What touches a device, and so may hang with it, runs beside the
// loop, in one queue for each device: a dying stick holds nobody else up.
//
// Mounts are made by mount(2) onto /proc/self/fd/N, with N a folder that was
// opened by openat2(2) below the fixed part of the mount point without
// following a link. The newer calls (fsopen, move_mount) would do the same in
// five steps; what they have over it, the driver's own words in an error, few
// drivers of 5.10 give. /proc/self/mountinfo has the last word on what is
// mounted.
package mount

import (
	"fmt"
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "mount",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return newSource(h), nil },

	Simulates: true,
}

// The states of a mount, as Topic.State bears them and `is` asks for them.
const (
	Mounted   = "mounted"
	Unmounted = "unmounted"
	Failed    = "failed"
	Yanked    = "yanked"
	// Ignored is what a policy would take if it held a filesystem for it.
	Ignored = "ignored"
)

// Plan is what a configuration asks of mounts.
type Plan struct {
	// Acts is set if some rule has the action mount.
	Acts bool

	policies []*policy
	heard    bool // some rule has a trigger
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name:    "automount",
		Doc:     "mount drives when they are plugged in: `true` for USB drives and memory cards at " + DefaultPoint + ", or a list of policies, of which the first match applies",
		Default: "off", Value: p.automountValue(),
	}}
}

// eventFields are the fields of mount events.
var eventFields = []string{"DEVNAME", "MOUNTPOINT", "FSTYPE", "LABEL", "UUID", "SIZE", "READ_ONLY", "WHY", "REASON"}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key:    "mount",
		Doc:    "reflexd mounted or unmounted a drive, could not mount it, ignored what is on it, or it was removed while mounted",
		Fields: append(slices.Clone(eventFields), identityFields...),
		New:    p.newTrigger,
	}}
}

// parsePlace reads a pattern of mount points, all of which begin with a slash.
func parsePlace(s string) (string, error) {
	if s == "" || !strings.ContainsAny(s[:1], "/*?[") {
		return "", fmt.Errorf("expected a mount point such as /media/usb, or a pattern such as \"*\", found %q", s)
	}
	return s, nil
}

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var pattern string
	var is []string
	var lasting sources.LastingSpec
	word := func(s *string) config.Value { return config.OneOf(s, Mounted, Unmounted, Failed, Yanked, Ignored) }
	fields := []config.Field{
		{Name: "mount", Also: "drive disk", Doc: "the mount point, a glob", Required: true, Value: config.Parsed(&pattern, `a mount point or "*"`, parsePlace)},
		{Name: "is", Doc: "what happened to it, one or a list", Required: true, Value: config.OneOrMore(&is, word)},
	}
	fields = append(fields, lasting.Fields("mounted and unmounted")...)
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		p.heard = true
		events := slices.ContainsFunc(is, func(s string) bool { return s == Failed || s == Yanked || s == Ignored })
		lasting.Compile(t, !events, Mounted+"` or `is: "+Unmounted, ps)
		for _, state := range is {
			t.Topics = append(t.Topics, sources.Topic{Kind: "mount", State: state})
		}
		if pattern != "*" {
			t.Select(func(e *sources.Event) bool { return sources.Glob(pattern, e.Topic.Name) })
		}
	}
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "mount", Doc: "whether reflexd has mounted something",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			var pattern, is string
			q := sources.Question{Kind: "mount"}
			return []config.Field{
					{Name: "mount", Doc: "the mount point, a glob", Required: true, Value: config.Parsed(&pattern, `a mount point or "*"`, parsePlace)},
					{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, Mounted, Unmounted)},
					q.ForField(),
				}, func(*config.Problems) sources.Question {
					p.heard = true
					mounted := is == Mounted
					q.Among = func(e *sources.Event) bool { return sources.Glob(pattern, e.Topic.Name) }
					q.Is = func(e *sources.Event) bool { return (e.Topic.State == Mounted) == mounted }
					q.All, q.Absent = !mounted, sources.Whether(!mounted)
					return q
				}
		},
	}}
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras {
	return sources.Extras{Conditional: p, Subscriber: p, Examiner: p}
}

// Resolve implements sources.Plan: policies are complained of where they are
// read.
func (p *Plan) Resolve(*config.Problems) {}

// Wanted reports whether drives are mounted, or mounts watched.
func (p *Plan) Wanted() bool { return len(p.policies) > 0 || p.Acts || p.heard }

// Automounts reports whether there is a policy, which needs no rule.
func (p *Plan) Automounts() bool { return len(p.policies) > 0 }

// Subscribes implements sources.SubscriberPlan.
func (p *Plan) Subscribes() []string {
	if !p.Wanted() {
		return nil
	}
	return []string{"uevent", "loss"}
}
