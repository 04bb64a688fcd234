// SPDX-License-Identifier: MIT

// Steps: what happens in a test. One that is an event is written as the trigger
// that it fires.

package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/config"
	"reflexd/sources"
)

// step is one step of a test.
type step struct {
	pos  config.Pos
	text string // as it was written
	do   func(p *play) error
}

// The times of clicks: how long each is down, and the pause between two.
const (
	clickTime  = 50 * time.Millisecond
	clickPause = 100 * time.Millisecond
)

// stepKind is one kind of step. its returns the fields of one step, and what
// does it.
type stepKind struct {
	key, doc string
	its      func(key string) (fields []config.Field, do func(p *play) error)
}

func stepKinds() []stepKind {
	return []stepKind{
		{"press", "press a line or key, and hold it down", pressing(func(p *play, b *button) error { return p.set(b, true) })},
		{"release", "release it", pressing(func(p *play, b *button) error { return p.set(b, false) })},
		{"click", "press and release it: 50 ms down", pressing(func(p *play, b *button) error { return p.click(b, 1) })},
		{"double-click", "two clicks, 100 ms apart", pressing(func(p *play, b *button) error { return p.click(b, 2) })},
		{"triple-click", "three clicks, 100 ms apart", pressing(func(p *play, b *button) error { return p.click(b, 3) })},
		{"hold", "press it for a time, and release it: {power: 3s}", holding},
		{"wait", "let time pass", waitStep},
		{"expect", "what must have been done since the `expect` before, or what must be so now", expectStep},
		{"line", "a line becomes on or off", lineStep},
		{"key", "a key of an input device", keyStep},
		{"encoder", "a rotary encoder is turned", encoderStep},
		{"switch", "a switch of an input device", switchStep},
		{"axis", "an axis or wheel of an input device", axisStep},
		{"input", "an input is plugged in or pulled, or types a text", inputStep},
		{"link", "a network link", linkStep},
		{"sensor", "a sensor reads another value", sensorStep},
		{"counter", "a counter counts pulses of its line", counterStep},
		{"signal", "a signal", signalStep},
		{"netlink", "a message on a declared socket", netlinkStep},
		{"file", "a declared file", fileStep},
		{"answer", "a message that answers the last `send` on a declared socket", answerStep},
		{"uevent", "a device event of the kernel, or with STAGE: udev of udevd", ueventStep},
		{"plug", "a drive, or a part of one, is plugged in, and mounted if a policy of `automount` says so", plugStep},
		{"pull", "it is pulled, and with a drive its parts", pullStep},
		{"mount", "something is mounted, or not any more", mountStep},
		{"event", "an event, as `emit` sends it", eventStep},
		{"var", "a variable is set from outside", varStep},
		{"mqtt", "a message from the MQTT broker", mqttStep},
		{"broker", "the MQTT broker is connected, or not any more", brokerStep},
		{"loss", "events of a source are lost", lossStep},
		{"time", "the wall clock is set: `06:00`, or with a date", timeStep},
		{"agent", "reflexd is stopped: rules with `agent: stopping` act, and nothing follows", agentStep},
		{"reload", "another configuration is read, relative to this file", reloadStep},
	}
}

// value reads a step.
func (s *step) value() config.Value {
	kinds := stepKinds()
	var variants []config.Variant
	for _, k := range kinds {
		variants = append(variants, config.Variant{Key: k.key, Doc: k.doc, Fields: func() []config.Field {
			fields, _ := k.its(k.key)
			return fields
		}})
	}
	choice := config.Choice("step", variants, nil, func(key string, at config.Pos) []config.Field {
		i := slices.IndexFunc(kinds, func(k stepKind) bool { return k.key == key })
		fields, do := kinds[i].its(key)
		s.do = do
		return fields
	})
	return config.Wrap(choice, func(n config.Node, ps *config.Problems) {
		s.pos, s.text = n.Pos, n.String()
		choice.Read(n, ps)
	})
}

// button is a line, or a key of a device.
type button struct{ line, key, from string }

// buttonValue reads a button: the name of a line, or {key: KEY_X, from: INPUT}.
func (b *button) value(more ...config.Field) config.Value {
	return config.Either(config.Word(&b.line, "the name of a line"), config.Object(append([]config.Field{
		{Name: "key", Doc: "a key", Required: true, Value: config.Word(&b.key, "key name")},
		{Name: "from", Doc: "the declared input that has it; default: one that nothing declares", Value: config.Word(&b.from, "the name of an input")},
	}, more...)...))
}

func pressing(do func(p *play, b *button) error) func(string) ([]config.Field, func(*play) error) {
	return func(key string) ([]config.Field, func(*play) error) {
		b := &button{}
		return []config.Field{{Name: key, Required: true, Doc: "a line, or {key: KEY_X, from: INPUT}", Value: b.value()}}, func(p *play) error { return do(p, b) }
	}
}

// set presses or releases b.
func (p *play) set(b *button, down bool) error {
	if b.line != "" {
		return p.sim.Line(b.line, down)
	}
	value := int32(0)
	if down {
		value = 1
	}
	return p.sim.Key(b.from, b.key, value)
}

func (p *play) click(b *button, times int) error {
	for i := range times {
		if i > 0 {
			p.sim.Advance(clickPause)
		}
		if err := p.holdFor(b, clickTime); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) holdFor(b *button, d time.Duration) error {
	if err := p.set(b, true); err != nil {
		return err
	}
	p.sim.Advance(d)
	return p.set(b, false)
}

func holding(string) ([]config.Field, func(*play) error) {
	b := &button{}
	var held map[string]*word
	var long time.Duration
	key := b.value(config.Field{Name: "for", Doc: "how long", Required: true, Value: config.Duration(&long)})
	shape, ofKey := config.MapOf(new(map[string]*time.Duration), func(*time.Duration) *config.Pos { return new(config.Pos) },
		func(_ string, d *time.Duration) config.Value { return config.Duration(d) }).Shape(), key.Shape()
	shape.Or = ofKey.Or
	value := config.Func(shape, func(n config.Node, ps *config.Problems) {
		if slices.ContainsFunc(n.Entries, func(e config.Entry) bool { return e.Key == "key" }) {
			key.Read(n, ps)
			return
		}
		wordsValue(&held).Read(n, ps)
		for line, w := range held {
			d, err := config.ParseDuration(w.text)
			if err != nil {
				ps.Errorf(w.at, "%v", err)
			}
			b.line, long = line, d
		}
		if len(held) > 1 {
			ps.Errorf(n.Pos, "one line can be held at a time: press one, wait, release")
		}
	})
	return []config.Field{{Name: "hold", Doc: "a line and for how long: {power: 3s}, or {key: KEY_X, from: INPUT, for: 3s}", Required: true, Value: value}}, func(p *play) error { return p.holdFor(b, long) }
}

func waitStep(string) ([]config.Field, func(*play) error) {
	var d time.Duration
	return []config.Field{{Name: "wait", Required: true, Value: config.Duration(&d)}}, func(p *play) error {
		p.sim.Advance(d)
		return nil
	}
}

// named returns the fields of a step that names something and says what it
// becomes.
func named(key, what string, name *string, is *string, states ...string) []config.Field {
	return []config.Field{
		{Name: key, Required: true, Value: config.Word(name, what)},
		{Name: "is", Required: true, Value: config.OneOf(is, states...)},
	}
}

func lineStep(string) ([]config.Field, func(*play) error) {
	var name, is string
	return named("line", "the name of a line", &name, &is, sources.On, sources.Off, sources.Pressed, sources.Released), func(p *play) error {
		return p.sim.Line(name, is == sources.On || is == sources.Pressed)
	}
}

func encoderStep(string) ([]config.Field, func(*play) error) {
	var name string
	var steps int
	return []config.Field{
		{Name: "encoder", Required: true, Value: config.Word(&name, "the name of an encoder")},
		{Name: "steps", Doc: "clockwise, or if negative counter-clockwise", Required: true, Value: config.Int(&steps, -10_000, 10_000)},
	}, func(p *play) error { return p.sim.Turn(name, steps) }
}

// from is the field for the device of a switch or axis.
func from(name *string) config.Field {
	return config.Field{Name: "from", Doc: "the declared input that has it; default: one that nothing declares", Value: config.Word(name, "the name of an input")}
}

func switchStep(string) ([]config.Field, func(*play) error) {
	var name, is, input string
	return append(named("switch", "switch name", &name, &is, sources.On, sources.Off), from(&input)), func(p *play) error {
		return p.sim.Switch(input, name, is == sources.On)
	}
}

func axisStep(string) ([]config.Field, func(*play) error) {
	var name, input string
	var value int
	return []config.Field{
		{Name: "axis", Required: true, Value: config.Word(&name, "axis name")},
		{Name: "value", Required: true, Value: config.Int(&value, -1<<31, 1<<31-1)},
		from(&input),
	}, func(p *play) error { return p.sim.Axis(input, name, int32(value)) }
}

func inputStep(string) ([]config.Field, func(*play) error) {
	var name, is, text string
	typed := config.Field{Name: "text", Doc: "with typed: what is typed, after its `pause` and without the end; a key takes 10 ms", Value: config.Text(&text)}
	return append(named("input", "the name of an input", &name, &is, "present", "absent", "typed"), typed), func(p *play) error {
		switch {
		case is == "typed":
			return p.sim.Type(name, text)
		case text != "":
			return fmt.Errorf("input %s: text goes with `is: typed`", name)
		}
		return p.sim.GiveInput(name, is == "present")
	}
}

func keyStep(string) ([]config.Field, func(*play) error) {
	var name, is, input string
	return append(named("key", "key name", &name, &is, sources.Pressed, sources.Released, sources.Repeated), from(&input)), func(p *play) error {
		return p.sim.Key(input, name, map[string]int32{sources.Pressed: 1, sources.Released: 0, sources.Repeated: 2}[is])
	}
}

func linkStep(string) ([]config.Field, func(*play) error) {
	var name, is string
	var rest map[string]*word
	return append(named("link", "the name of a link", &name, &is, "up", "down", "added", "removed", "renamed", "changed", "address-added", "address-removed"), more(&rest)),
		func(p *play) error { return p.sim.Link(name, is, fieldsOf(rest)...) }
}

func sensorStep(string) ([]config.Field, func(*play) error) {
	var name, value, is string
	return []config.Field{
			{Name: "sensor", Required: true, Value: config.Word(&name, "the name of a sensor")},
			{Name: "value", Doc: "what it reads, in its unit", Value: config.Word(&value, "a value")},
			{Name: "is", Doc: "or `absent`: it cannot be read", Value: config.OneOf(&is, "absent")},
		}, func(p *play) error {
			if (value == "") == (is == "") {
				return fmt.Errorf("sensor %s: expected one of the keys value and is", name)
			}
			return p.sim.Sensor(name, value+is, false)
		}
}

func counterStep(string) ([]config.Field, func(*play) error) {
	var name string
	var pulses int
	var total *sources.Number
	var every time.Duration
	return []config.Field{
			{Name: "counter", Required: true, Value: config.Word(&name, "the name of a counter")},
			{Name: "pulses", Doc: "how many", Value: config.Int(&pulses, 1, 100_000)},
			{Name: "total", Doc: "or as many as make its total so much, in its unit", Value: sources.NumberValue(&total, false)},
			{Name: "every", Doc: "the time from one to the next; it passes after the last one too", Default: "0s", Value: config.Duration(&every)},
		}, func(p *play) error {
			switch {
			case (pulses == 0) == (total == nil):
				return fmt.Errorf("counter %s: expected one of the keys pulses and total", name)
			case total != nil:
				return p.sim.Total(name, *total, every)
			}
			return p.sim.Pulse(name, int64(pulses), every)
		}
}

func signalStep(string) ([]config.Field, func(*play) error) {
	var name string
	var value int
	return []config.Field{
		{Name: "signal", Required: true, Value: config.Word(&name, "signal")},
		{Name: "value", Doc: "as sigqueue(3) sends it", Default: "0", Value: config.Int(&value, -1<<31, 1<<31-1)},
	}, func(p *play) error { return p.sim.Signal(name, int32(value)) }
}

// more is the field for what else an event has.
func more(m *map[string]*word) config.Field {
	return config.Field{Name: "fields", Doc: "its fields, or what else it has", Value: wordsValue(m)}
}

func fieldsOf(m map[string]*word) []sources.Field {
	var all []sources.Field
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, sources.Field{Name: name, Value: sources.Text(m[name].text)})
	}
	return all
}

func textsOf(m map[string]*word) map[string]string {
	all := map[string]string{}
	for name, w := range m {
		all[name] = w.text
	}
	return all
}

func netlinkStep(string) ([]config.Field, func(*play) error) {
	var name, is, text, data string
	var rest map[string]*word
	return []config.Field{
		{Name: "netlink", Required: true, Value: config.Word(&name, "the name of a socket")},
		{Name: "is", Doc: "what is received", Default: "message", Value: config.OneOf(&is, "message", "error", "done")},
		{Name: "text", Doc: "the payload", Value: config.Text(&text)},
		{Name: "data", Doc: "or the payload in hex", Value: config.Text(&data)},
		more(&rest),
	}, func(p *play) error { return p.sim.Netlink(name, is, text, data, fieldsOf(rest)) }
}

// answerStep answers what was sent last on the socket, by its number.
func answerStep(string) ([]config.Field, func(*play) error) {
	var m struct {
		name, text, data string
		rest             map[string]*word
	}
	whole := config.Object(
		config.Field{Name: "netlink", Required: true, Value: config.Word(&m.name, "the name of a socket")},
		config.Field{Name: "text", Doc: "the payload", Value: config.Text(&m.text)},
		config.Field{Name: "data", Doc: "or the payload in hex", Value: config.Text(&m.data)},
		more(&m.rest),
	)
	return []config.Field{{Name: "answer", Doc: "{netlink: NAME, text: …}", Required: true, Value: whole}}, func(p *play) error {
		n, err := p.sentOn(m.name)
		if err != nil {
			return err
		}
		fields := fieldsOf(m.rest)
		if m.rest["SEQ"] == nil {
			fields = append(fields, sources.Field{Name: "SEQ", Value: sources.Int(int64(n))})
		}
		return p.sim.Netlink(m.name, "", m.text, m.data, fields)
	}
}

// sentOn returns the number of the last message that was sent on a socket, from
// 1. It is answered then.
func (p *play) sentOn(socket string) (number int, err error) {
	send := config.Node{Kind: config.Map, Entries: []config.Entry{{Key: "send", Value: config.Node{Kind: config.Map,
		Entries: []config.Entry{{Key: "netlink", Value: config.Node{Kind: config.Scalar, Text: socket}}}}}}}
	var last *deed
	for _, d := range p.done {
		if matches(send, d.text) {
			last = d
			number++
		}
	}
	switch {
	case last == nil:
		return 0, fmt.Errorf("nothing was sent on %s that could be answered", socket)
	case last.answered:
		return 0, fmt.Errorf("the last message that was sent on %s, at %v, is answered already", socket, last.at)
	}
	last.answered = true
	return number, nil
}

func fileStep(string) ([]config.Field, func(*play) error) {
	var name, is, text string
	var textAt config.Pos
	var rest map[string]*word
	return []config.Field{
			{Name: "file", Required: true, Value: config.Word(&name, "the name of a file")},
			{Name: "is", Doc: "what happens; default: what mostly does", Value: config.Word(&is, "a state of the file")},
			{Name: "text", Doc: "what is read", Value: config.At(&textAt, config.Text(&text))},
			more(&rest),
		}, func(p *play) error {
			read := &text
			if textAt.Line == 0 {
				read = nil
			}
			return p.sim.File(name, is, read, fieldsOf(rest))
		}
}

func ueventStep(string) ([]config.Field, func(*play) error) {
	var values map[string]*word
	return []config.Field{{Name: "uevent", Doc: "ACTION, SUBSYSTEM, DEVNAME and so on", Required: true, Value: wordsValue(&values)}},
		func(p *play) error { return p.sim.Uevent(textsOf(values)) }
}

func plugStep(string) ([]config.Field, func(*play) error) {
	var values map[string]*word
	return []config.Field{{Name: "plug", Doc: "DEVNAME, and what the device is and holds: FSTYPE, LABEL, UUID, SIZE, ID_BUS and so on", Required: true, Value: wordsValue(&values)}},
		func(p *play) error { return p.sim.Plug(textsOf(values)) }
}

func pullStep(string) ([]config.Field, func(*play) error) {
	var device string
	return []config.Field{{Name: "pull", Doc: "its DEVNAME", Required: true, Value: config.Word(&device, "a device such as /dev/sda1")}},
		func(p *play) error { return p.sim.Pull(device) }
}

func agentStep(string) ([]config.Field, func(*play) error) {
	var is string
	return []config.Field{{Name: "agent", Required: true, Value: config.OneOf(&is, "stopping")}}, func(p *play) error {
		p.sim.Stop()
		return nil
	}
}

func mountStep(string) ([]config.Field, func(*play) error) {
	var point, is string
	var rest map[string]*word
	return append(named("mount", "a mount point", &point, &is, "mounted", "unmounted", "failed", "yanked", "ignored"), more(&rest)),
		func(p *play) error { return p.sim.Mount(point, is, textsOf(rest)) }
}

func eventStep(string) ([]config.Field, func(*play) error) {
	var name string
	var rest map[string]*word
	return []config.Field{{Name: "event", Required: true, Value: config.Word(&name, "the name of an event")}, more(&rest)},
		func(p *play) error { return p.sim.Event(name, fieldsOf(rest)) }
}

func varStep(string) ([]config.Field, func(*play) error) {
	var name, is string
	return []config.Field{
		{Name: "var", Required: true, Value: config.Word(&name, "the name of a variable")},
		{Name: "is", Required: true, Value: config.Text(&is)},
	}, func(p *play) error { return p.sim.SetVar(name, is) }
}

func mqttStep(string) ([]config.Field, func(*play) error) {
	var topic, text string
	var retained bool
	return []config.Field{
		{Name: "mqtt", Doc: "its topic, below the base topic", Required: true, Value: config.Word(&topic, "a topic")},
		{Name: "text", Doc: "its payload", Value: config.Text(&text)},
		{Name: "retained", Doc: "the broker had kept it", Default: "off", Value: config.Bool(&retained)},
	}, func(p *play) error { return p.sim.Message(topic, text, retained) }
}

func brokerStep(string) ([]config.Field, func(*play) error) {
	var is string
	return []config.Field{{Name: "broker", Required: true, Value: config.OneOf(&is, "connected", "disconnected")}},
		func(p *play) error { return p.sim.Broker(is == "connected") }
}

func lossStep(string) ([]config.Field, func(*play) error) {
	var source string
	var count int
	return []config.Field{
			{Name: "loss", Doc: "the source, and after a colon what of it: gpio:door", Required: true, Value: config.Word(&source, "a source")},
			{Name: "count", Doc: "how many; 0: nobody knows", Default: "0", Value: config.Int(&count, 0, 1<<31-1)},
		}, func(p *play) error {
			kind, name, _ := strings.Cut(source, ":")
			if !slices.Contains(agent.SourceNames(), kind) {
				return fmt.Errorf("no source is called %q%s", kind, config.Known(kind, agent.SourceNames()))
			}
			p.sim.Lose(kind, name, count)
			return nil
		}
}

func timeStep(string) ([]config.Field, func(*play) error) {
	var to string
	return []config.Field{{Name: "time", Required: true, Value: config.Text(&to)}}, func(p *play) error {
		now := p.sim.Wall()
		t, err := parseTime(to, now, now.Location())
		if err == nil {
			p.sim.SetWall(t)
		}
		return err
	}
}

func reloadStep(string) ([]config.Field, func(*play) error) {
	var path string
	return []config.Field{{Name: "reload", Required: true, Value: config.Word(&path, "a path")}}, func(p *play) error { return p.reload(path) }
}
