// SPDX-License-Identifier: MIT

// What the bridge can reach: declared things that the section names, and no
// others.

package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/client"
	"reflexd/client/topic"
	"reflexd/config"
	"reflexd/sources"
)

// exposure is one entry of `expose`.
type exposure struct {
	name string
	at   config.Pos
	more map[string]*options
}

type options struct {
	at      config.Pos
	as      string
	class   string
	classAt config.Pos
	unit    string
	unitAt  config.Pos
}

// What a thing can be for Home Assistant: what is set there, and what only shows
// a state.
var (
	controls = []string{"switch", "light", "fan", "select", "text", "number"}
	displays = []string{"binary_sensor", "event", "sensor"}
)

func (e *exposure) value() config.Value {
	long := config.MapOf(&e.more, func(o *options) *config.Pos { return &o.at }, func(_ string, o *options) config.Value {
		return config.Object(
			config.Field{Name: "as", Doc: "what it is for Home Assistant; binary_sensor and sensor cannot be set; default: by what it is",
				Value: config.OneOf(&o.as, slices.Concat(controls, displays)...)},
			config.Field{Name: "class", Also: "device_class", Doc: "Home Assistant's device class of a sensor, such as gas or temperature; default: by its unit, where one class has that",
				Value: config.At(&o.classAt, config.Word(&o.class, "a device class"))},
			config.Field{Name: "unit", Doc: "of a number or sensor; default: that of the sensor or counter", Value: config.At(&o.unitAt, config.Text(&o.unit))})
	})
	return config.At(&e.at, config.Either(config.Word(&e.name, "the name of a line, variable, sensor, counter or PWM output"), long))
}

// Thing is something that can be exposed.
type Thing struct {
	Kind, Name string
	As         []string // what it can be, by default the first
	Class      string
	Unit       string
	Values     []string // that it can have; nil if any
	Events     []string // of what has no state
	Why        string   // it cannot be exposed; "" if it can
}

// Exposes reports whether anything is exposed.
func (p *Plan) Exposes() bool { return len(p.settings.Expose) > 0 }

// Expose resolves what is exposed among things, which are all that are
// declared.
func (p *Plan) Expose(things []Thing, ps *config.Problems) {
	p.exposed, p.exposedBy = map[subject]*client.Exposed{}, map[string]*client.Exposed{}
	for i := range p.expose {
		e := &p.expose[i]
		o := &options{}
		for name, given := range e.more {
			e.name, o = name, given
		}
		switch {
		case len(e.more) > 1:
			ps.Errorf(e.at, "expected one name with its keys, found %d: begin each with a dash", len(e.more))
		case e.name != "":
			p.exposeOne(e, o, things, ps)
		}
	}
}

func (p *Plan) exposeOne(e *exposure, o *options, things []Thing, ps *config.Problems) {
	t, err := findThing(e.name, things)
	if err == nil {
		err = t.check(o.as)
	}
	if err != nil {
		ps.Errorf(e.at, "%v", err)
		return
	}
	x := client.Exposed{Kind: t.Kind, Name: t.Name, As: cmp.Or(o.as, t.As[0]), Class: cmp.Or(o.class, t.Class), Values: t.Values, Events: t.Events}
	x.Settable = slices.Contains(controls, x.As)
	if measured := x.As == "sensor" || x.As == "number"; measured {
		x.Unit = cmp.Or(o.unit, t.Unit)
	} else if o.unitAt.Line != 0 {
		ps.Errorf(o.unitAt, "unit goes with sensor and number: %s is exposed as a %s", e.name, x.As)
	}
	if o.classAt.Line != 0 {
		o.checkClass(&x, ps)
	}
	if p.exposedBy[t.Kind+"/"+t.Name] != nil {
		ps.Errorf(e.at, "%s is exposed twice", e.name)
		return
	}
	p.settings.Expose = append(p.settings.Expose, x)
	kept := &x
	p.exposed[subject{t.Kind, t.Name}], p.exposedBy[t.Kind+"/"+t.Name] = kept, kept
}

// check returns why t cannot be exposed as that, "" for its default.
func (t *Thing) check(as string) error {
	switch {
	case t.Why != "":
		return fmt.Errorf("%s cannot be exposed: %s", t.Name, t.Why)
	case strings.ContainsAny(t.Name, "/+#") || topic.Check(t.Name) != nil:
		return fmt.Errorf("%+q cannot be exposed: a level of a topic cannot have that name; rename it", t.Name)
	case as != "" && !slices.Contains(t.As, as):
		return fmt.Errorf("%s cannot be exposed as %s: only as %s", t.Name, as, strings.Join(t.As, ", "))
	}
	return nil
}

// checkClass complains of a device class that x cannot have.
func (o *options) checkClass(x *client.Exposed, ps *config.Problems) {
	var known []string
	switch x.As {
	case "sensor":
		known = sources.SensorClasses()
	case "binary_sensor":
		known = sources.BinaryClasses
	default:
		ps.Errorf(o.classAt, "class goes with sensor and binary_sensor: %s is exposed as a %s", x.Name, x.As)
		return
	}
	if !slices.Contains(known, o.class) {
		ps.Errorf(o.classAt, "%q is not a device class of a %s%s", o.class, x.As, config.Suggest(o.class, known))
	}
}

// findThing returns what is called KIND/NAME, or NAME if only one is.
func findThing(name string, things []Thing) (*Thing, error) {
	var found []*Thing
	var known []string
	for i := range things {
		t := &things[i]
		if t.Name == name || t.Kind+"/"+t.Name == name {
			found = append(found, t)
		}
		known = append(known, t.Name)
	}
	switch len(found) {
	case 0:
		hint := config.Suggest(name, known)
		if strings.HasPrefix(name, "led/") {
			hint = ": an LED is set by a rule, for example with `when: {mqtt: …}`"
		}
		return nil, fmt.Errorf("no line, variable, sensor, counter or PWM output %q is declared%s", name, hint)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%q is declared more than once: write %s/%s or %s/%s", name, found[0].Kind, name, found[1].Kind, name)
}

// Each yields what is exposed.
func (p *Plan) Each(yield func(*client.Exposed) bool) {
	for i := range p.settings.Expose {
		if !yield(&p.settings.Expose[i]) {
			return
		}
	}
}

// Exposed returns what is exposed as KIND/NAME, nil for nothing.
func (p *Plan) Exposed(name string) *client.Exposed { return p.exposedBy[name] }

// News returns the notice of e for the bridge, nil if it concerns nothing that is
// exposed. It allocates nothing then.
func (p *Plan) News(e *sources.Event) *client.Notice {
	x := p.exposed[subject{e.Topic.Kind, e.Topic.Name}]
	switch {
	case x == nil, x.Kind == "counter": // whose total is told by Changed; its events may be of the rate
		return nil
	case len(x.Events) > 0:
		return eventNotice(x, e)
	}
	state, ok := stateIn(e)
	if !ok {
		return nil
	}
	return stateNotice(x.Kind, x.Name, state, e.Time)
}

// stateIn returns the state that e reports, "" if nobody knows it any more. ok says
// that e reports one.
func stateIn(e *sources.Event) (state string, ok bool) {
	switch {
	case e.Standing > sources.Found:
		return "", true
	case e.Topic.Kind != "line":
		if value, ok := e.Lookup("VALUE"); ok {
			return value.Shown(), true
		}
		return "", true // a sensor that cannot be read has none
	case e.Standing == sources.Found && e.Press != sources.NoPress:
		return sources.OnOff(e.Press.IsDown()), true
	}
	return e.Topic.State, e.Topic.State == sources.On || e.Topic.State == sources.Off
}

func stateNotice(kind, name, state string, at time.Duration) *client.Notice {
	return &client.Notice{Type: "state", Time: client.Seconds(at), Kind: kind, Name: name, State: strings.Clone(state)}
}

// eventNotice returns the notice of an event of what has no state.
func eventNotice(x *client.Exposed, e *sources.Event) *client.Notice {
	if !slices.Contains(x.Events, e.Topic.State) {
		return nil
	}
	n := &client.Notice{Type: "event", Time: client.Seconds(e.Time), Kind: x.Kind, Name: x.Name, State: strings.Clone(e.Topic.State)}
	for _, name := range []string{"HELD_MS", sources.Clicks} {
		if value, ok := e.Lookup(name); ok {
			if n.Fields == nil {
				n.Fields = map[string]any{}
			}
			n.Fields[strings.ToLower(name)], _ = value.Int()
		}
	}
	return n
}
