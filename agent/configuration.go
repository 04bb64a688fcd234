// SPDX-License-Identifier: MIT

// Configuration: everything that one set of files asks for, checked and ready
// to be swapped in. Making one touches no device.

package agent

import (
	"fmt"
	"slices"
	"strings"

	"reflexd/agent/action"
	"reflexd/agent/bridge"
	"reflexd/agent/control"
	"reflexd/agent/lint"
	"reflexd/agent/mount"
	"reflexd/agent/output"
	"reflexd/agent/rule"
	"reflexd/agent/state"
	"reflexd/agent/vars"
	"reflexd/board"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/clock"
	"reflexd/sources/counter"
	"reflexd/sources/file"
	"reflexd/sources/gpio"
	"reflexd/sources/input"
	"reflexd/sources/link"
	"reflexd/sources/netlink"
	"reflexd/sources/pwm"
	"reflexd/sources/sensor"
	"reflexd/sources/signal"
	"reflexd/sources/timer"
	"reflexd/sources/uevent"
)

// kinds is the list of all sources.
var kinds = []*sources.Kind{
	&gpio.Kind,
	&pwm.Kind,
	&input.Kind,
	&uevent.Kind,
	&link.Kind,
	&netlink.Kind,
	&signal.Kind,
	&file.Kind,
	&timer.Kind,
	&clock.Kind,
	&sensor.Kind,
	&vars.Kind,
	&bridge.Kind,
	&counter.Kind, // after vars, which keeps its totals
	&mount.Kind,   // after uevent, so that its socket is open before the devices are listed
	&builtinKind,
}

// Configuration is what the agent is to do.
type Configuration struct {
	// Paths are what Load was asked for, Files what it read.
	Paths, Files []string
	PidFile      string
	priority     string
	Rules        []*rule.Rule

	plans        []sources.Plan // in the order of kinds
	gpio         *gpio.Plan     // this and the next twelve are among them
	input        *input.Plan
	uevent       *uevent.Plan
	link         *link.Plan
	netlink      *netlink.Plan
	signal       *signal.Plan
	file         *file.Plan
	sensor       *sensor.Plan
	pwm          *pwm.Plan
	counter      *counter.Plan
	vars         *vars.Plan
	mount        *mount.Plan
	bridge       *bridge.Plan
	builtin      *builtinPlan
	gesture      gestures
	control      control.Policy
	known        action.Known    // what actions may name, of rules and of clients
	keys         map[string]bool // that rules name
	metrics      metricsSection
	uses         action.Uses
	watches      []state.Watch   // what rules ask of how long states last
	derived      []sources.Topic // states of which no source sends events
	exposedWants []sources.Want  // what the bridge asks of the recogniser
	version      int
	// keepsText has actions keep how they were written.
	keepsText  bool
	references *action.References
	sensors    map[string]string // see Sensors
	specs      []*rule.Spec
}

// Load reads and checks the files that paths stand for (see config.Files).
// The error says that there is nothing to read; what is wrong with what was
// read are the Problems. The Configuration is usable unless these failed.
func Load(paths []string) (*Configuration, *config.Problems, error) {
	c := newConfiguration()
	ps := &config.Problems{}
	if err := c.load(paths, ps); err != nil {
		return nil, nil, err
	}
	if !ps.Failed() {
		c.lint(logindRuns(""), ps)
		machine := board.Read("/proc", "/sys")
		this := machine.Board()
		c.gpio.Lint(this, ps)
		if c.gpio.Board() == nil {
			c.pwm.Lint(this, ps)
		}
	}
	return c, ps, nil
}

func (c *Configuration) load(paths []string, ps *config.Problems) error {
	files, err := config.Files(paths)
	if err != nil {
		return err
	}
	c.Paths, c.Files = paths, files
	config.ReadFiles(files, c.root(), ps)
	c.compile(ps)
	return nil
}

func newConfiguration() *Configuration {
	c := &Configuration{}
	for _, k := range kinds {
		p := k.Plan()
		c.plans = append(c.plans, p)
		c.know(p)
	}
	return c
}

// know keeps a plan that is asked for more than all plans are.
func (c *Configuration) know(p sources.Plan) {
	switch p := p.(type) {
	case *gpio.Plan:
		c.gpio = p
	case *input.Plan:
		c.input = p
	case *uevent.Plan:
		c.uevent = p
	case *link.Plan:
		c.link = p
	case *netlink.Plan:
		c.netlink = p
	case *signal.Plan:
		c.signal = p
	case *file.Plan:
		c.file = p
	case *counter.Plan:
		c.counter = p
	case *pwm.Plan:
		c.pwm = p
	case *sensor.Plan:
		c.sensor = p
	case *vars.Plan:
		c.vars = p
	case *mount.Plan:
		c.mount = p
	case *bridge.Plan:
		c.bridge = p
	case *builtinPlan:
		c.builtin = p
	}
}

// Language describes the whole language, for the reference page.
func Language() config.Shape { return newConfiguration().root().Shape() }

// root returns the Value that reads one file into c.
func (c *Configuration) root() config.Value {
	fields := []config.Field{
		{Name: "version", Doc: "version of the language", Default: "1", Value: config.Int(&c.version, 1, 1)},
		{Name: "pid_file", Doc: "a file that holds the PID while reflexd runs", Value: config.Word(&c.PidFile, "a path")},
	}
	fields = append(fields, config.Field{Name: "priority", Doc: "the priority of the thread that handles events; `high` needs root, CAP_SYS_NICE or RLIMIT_NICE", Default: "high, if allowed",
		Value: config.OneOf(&c.priority, normalPriority, highPriority)})
	fields = append(fields, c.gesture.section(), c.control.Section(), c.metrics.section())
	var triggers []sources.TriggerKind
	var conditions []sources.ConditionKind
	for _, p := range c.plans {
		fields = append(fields, p.Sections()...)
		triggers = append(triggers, p.Triggers()...)
		if asked := p.Extras().Conditional; asked != nil {
			conditions = append(conditions, asked.Conditions()...)
		}
	}
	made := rule.NewKinds(triggers, conditions)
	rules := config.ListOf(&c.specs, rule.NewSpecs(made))
	object := config.Object(append(fields, config.Field{Name: "rules", Also: "automation automations", Doc: "what to do, and when", Value: rules})...)
	return config.Wrap(object, func(n config.Node, ps *config.Problems) {
		switch n.Kind {
		case config.List:
			ps.Errorf(n.Pos, "the file is a list: put `rules:` above it, if these are rules")
		case config.Scalar:
			ps.Errorf(n.Pos, "expected `KEY: value`, such as `rules: […]`, found %s", n.Found())
		default:
			object.Read(n, ps)
		}
	})
}

// compile resolves names and builds the rules.
func (c *Configuration) compile(ps *config.Problems) {
	for _, p := range c.plans {
		p.Resolve(ps)
	}
	c.counter.Check(func(line string) (counter.Pulse, error) {
		edge, both, err := c.gpio.Pulse(line)
		return counter.Pulse{Edge: edge, Both: both}, err
	}, ps)
	c.vars.KeepMore(c.counter.Kept())
	c.pwm.Check(c.gpio.Board(), ps)
	if c.bridge.Declared() {
		c.control.GrantBridge(c.bridge.Group())
	}
	c.control.Resolve(ps)
	lines := c.gpio
	c.known = action.Known{
		Outputs: outputsOf(lines), PWMs: pwmsOf(c.pwm), Vars: c.vars, Counters: c.counter, References: &action.References{},
		Netlink: c.netlink, Files: c.file, Bridge: c.bridge, Rules: rule.Names(c.specs), Switchable: c.switchable(), Uses: &c.uses, KeepsText: c.keepsText,
	}
	compiler := rule.Compiler{Problems: ps, Known: c.known}
	c.references = c.known.References
	for _, p := range c.plans {
		more := p.Extras()
		if more.Namespaced != nil {
			c.references.Add(more.Namespaced.Namespaces()...)
		}
		if more.Referrer != nil {
			more.Referrer.Refer(c.known.Resolver([]string{}, nil, ps))
		}
	}
	var triggers [][]sources.Trigger
	for _, s := range c.specs {
		triggers = append(triggers, compiler.Triggers(s))
	}
	c.builtin.checkLosses(slices.Concat(SourceNames(), lines.Names(), compiler.Known.Netlink.Names()), ps)
	c.file.CheckSignals(c.signal.Wants, ps)
	for i, s := range c.specs {
		c.Rules = append(c.Rules, compiler.Rule(s, triggers[i]))
		whens, ifs := s.Words()
		lint.Contradiction(whens, ifs, ps)
	}
	c.input.Virtual = c.uses.Keys
	c.mount.Acts = c.uses.Mounts
	c.keys = namedKeys(c.Rules)
	c.watches, c.derived = watchesOf(c.Rules)
	c.exposeThings(ps)
}

// watchesOf returns what rules ask of states. A watch is known by what it asks
// in which rule, and by its place among those that are alike: what a rule is
// called by its place in the file, which changes, does not count.
func watchesOf(rules []*rule.Rule) (watches []state.Watch, derived []sources.Topic) {
	alike := map[string]int{}
	add := func(r *rule.Rule, text string, w state.Watch) {
		if r.Name != r.Pos.String() && !strings.HasPrefix(r.Pos.String(), r.Name+":") {
			text = r.Name + "\x00" + text
		}
		alike[text]++
		w.ID = fmt.Sprint(text, "\x00", alike[text])
		watches = append(watches, w)
	}
	for i, r := range rules {
		for j := range r.Triggers {
			t := &r.Triggers[j]
			if t.Lasting != (sources.Lasting{}) {
				add(r, t.Text, state.Watch{Rule: i, Trigger: t})
			}
			for _, topic := range t.Topics {
				if topic.Kind == "line" && (topic.State == sources.On || topic.State == sources.Off) {
					derived = append(derived, topic)
				}
			}
		}
		for _, q := range r.Questions {
			if q.Ask == nil && q.For > 0 {
				add(r, q.Text, state.Watch{Rule: i, Question: q})
			}
		}
	}
	return watches, derived
}

// outputsOf returns what the actions on outputs may name.
func outputsOf(lines *gpio.Plan) *action.Outputs {
	d := &action.Outputs{What: "output line", ByName: map[string]*struct{}{}, Example: "lines: {%s: {output: …}}"}
	for _, name := range lines.Outputs() {
		d.ByName[name] = nil
	}
	return d
}

// pwmsOf is outputsOf for PWM outputs.
func pwmsOf(p *pwm.Plan) *action.Outputs {
	d := &action.Outputs{What: "pwm output", ByName: map[string]*struct{}{}, Example: "pwm: {%s: {chip: …}}"}
	for _, name := range p.Names() {
		d.ByName[name] = nil
	}
	return d
}

// keeps reports whether c declares o as old did, so that what plays there may
// go on. A LED, which nothing declares, must be one that some rule names.
func (c *Configuration) keeps(o output.Output, old *Configuration) bool {
	if o.PWM != "" {
		return c.pwm.Same(old.pwm, o.PWM)
	}
	if o.Line == "" {
		return c.uses.AnyLED || slices.Contains(c.uses.LEDs, o.LED)
	}
	lines, before := c.gpio, old.gpio
	return lines.Output(o.Line) && lines.Spec(o.Line) == before.Spec(o.Line)
}

// switchable returns the names of all files and sockets that can be closed.
func (c *Configuration) switchable() []string {
	var names []string
	for _, p := range c.plans {
		if s := p.Extras().Switch; s != nil {
			names = append(names, s.Switchable()...)
		}
	}
	return names
}

// SourceNames are the names of all sources.
func SourceNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return names
}
