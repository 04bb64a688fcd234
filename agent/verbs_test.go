// SPDX-License-Identifier: MIT

// What clients of the control socket can ask, and who may.

package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/agent/rule"
	"reflexd/client"
	"reflexd/sources"
)

// withOutputs has outputs follow orders though there is no chip, and LEDs in a
// folder of the test.
func withOutputs(t testing.TB, leds ...string) func(*Options) {
	sys := t.TempDir()
	if err := os.Mkdir(filepath.Join(sys, "devices"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, led := range leds {
		dir := filepath.Join(sys, "class/leds", led)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"brightness": "0", "max_brightness": "255", "trigger": "[none] timer"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return func(o *Options) { o.DryRun, o.Sys = true, sys }
}

func (r *rig) dial() *client.Conn {
	r.t.Helper()
	c, err := client.Dial(r.agent.opts.Socket)
	if err != nil {
		r.t.Fatal(err)
	}
	c.Patience = patience
	r.t.Cleanup(func() { c.Close() })
	return c
}

const house = `
lines:
  lamp: {output: GPIO5}
  siren: {output: GPIO6, active: low}
  door: {contact: GPIO22}
  mode: {output: GPIO7}
vars:
  mode: {values: [day, night]}
  guest: {}
encoders: {knob: {a: GPIO8, b: GPIO9}}
pwm: {fan: {chip: nowhere}}
sensors: {unused: {path: /nowhere}, gone: {path: /nowhere}}
counters: {gas: {line: door, scale: 0.1}}
rules:
  - {name: slow, when: {event: slow}, mode: parallel, do: [{wait: 1h}, {log: never}]}
  - {name: night, when: {var: mode, is: night}, do: {log: "good ${VALUE}"}}
`

// contacts replaces what the language does not have yet.
func contacts(yaml string) string { return strings.ReplaceAll(yaml, "contact:", "input:") }

func TestSetAndGet(t *testing.T) {
	c := start(t, contacts(house)+"  - {when: {sensor: gone, is: changed}, do: {log: x}}\n", withOutputs(t, "ACT")).dial()
	for _, step := range []struct{ name, to, state, err string }{
		{"lamp", "", "off", ""},
		{"lamp", "on", "on", ""},
		{"line/lamp", "toggle", "off", ""},
		{"siren", "on", "on", ""},
		{"var/mode", "", "day", ""},
		{"line/mode", "on", "on", ""},
		{"var/mode", "night", "night", ""},
		{"guest", "${KEY} \"ü\"", "${KEY} \"ü\"", ""},
		{"guest", "", "${KEY} \"ü\"", ""},
		{"led/ACT", "", "off", ""},
		{"led/ACT", "40%", "on", ""},
		{"led/ACT", "off", "off", ""},
		{"led/ACT", "7", "on", ""},

		{"fan", "", "0%", ""},
		{"fan", "40%", "40%", ""},
		{"pwm/fan", "", "40%", ""},
		{"fan", "140%", "", `expected a percentage from 0% to 100%`},
		{"gas", "1234.5", "1234.5", ""},
		{"gas", "many", "", `a number, found "many"`},
		{"unused", "", "", `no rule uses it`},
		{"gone", "", "", `sensor gone is absent: read /nowhere: no such file`},
		{"gone", "5", "", `gone is a sensor, which can only be read`},

		{"mode", "", "", `"mode" is both a line and a variable: write line/mode or var/mode`},
		{"mode", "night", "", `write line/mode or var/mode`},
		{"lampe", "on", "", `no line or variable "lampe" is declared; did you mean "lamp"?`},
		{"line/guest", "on", "", `no line "guest" is declared`},
		{"var/mode", "nigth", "", `"nigth" is not one of its values; did you mean "night"?`},
		{"lamp", "40%", "", `a line is on or off`},
		{"lamp", "onn", "", `expected on, off or toggle, found "onn"`},
		{"door", "on", "", `no output line "door" is declared`},
		{"door", "", "", `line door is not open: `},
		{"knob", "", "", `knob is an encoder, which is neither on nor off`},
		{"led/ACTT", "on", "", `LED ACTT is not in`},
		{"led/ACTT", "", "", `did you mean "ACT"?`},
		{"led/ACT", "300%", "", `a percentage`},
		{"led/../ACT", "on", "", `is not in`},
		{"", "on", "", `no line or variable "" is declared`},
	} {
		s, err := c.Get(step.name)
		if step.to != "" {
			s, err = c.Set(step.name, step.to)
		}
		switch {
		case step.err == "" && (err != nil || s.State != step.state):
			t.Errorf("%s %s: %+v, %v", step.name, step.to, s, err)
		case step.err != "" && (err == nil || !strings.Contains(err.Error(), step.err)):
			t.Errorf("%s %s: %v, want %s", step.name, step.to, err, step.err)
		}
	}
}

// The last order wins, from outside as from a rule, and status says whose it
// was as long as it counts.
func TestOrdersOfClientsAndRules(t *testing.T) {
	r := start(t, "lines: {lamp: {output: GPIO5}}\n", withOutputs(t, "ACT"))
	c := r.dial()
	by := fmt.Sprint("uid ", os.Getuid())
	check := func(what string, s client.State, err error, state, playing, setBy string) {
		t.Helper()
		if err != nil || state != "" && s.State != state || s.Playing != playing || s.SetBy != setBy {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
	s, err := c.Blink("lamp", map[string]string{"every": "200ms", "times": "3"})
	check("blink", s, err, "on", "blinks: 100ms on, 100ms off, 3 times", by)
	if text := r.detailOf("outputs", "line lamp"); text != "blinks: 100ms on, 100ms off, 3 times, set by "+by {
		t.Errorf("status: %q", text)
	}
	s, err = c.Set("lamp", "off")
	check("set", s, err, "off", "", by)
	if text := r.detailOf("outputs", "line lamp"); text != "set by "+by {
		t.Errorf("status: %q", text)
	}
	s, err = c.Pulse("lamp", 90*time.Minute, "")
	check("pulse", s, err, "on", "pulse of 1h30m0s", by)
	r.do(func() { err = r.agent.outputs.SetLine("lamp", true, nil) }) // what a rule's action does
	if err != nil {
		t.Fatal(err)
	}
	s, err = c.Get("lamp")
	check("a rule", s, err, "on", "", "")
	s, err = c.Blink("led/ACT", map[string]string{"pattern": "100ms, 200ms"})
	check("LED", s, err, "", "blinks: 100ms on, 200ms off", by)
	s, err = c.Set("led/ACT", "off")
	check("LED", s, err, "off", "", by)

	for _, keys := range []map[string]string{
		{}, {"every": "1"}, {"every": "200ms", "pattern": "1ms,1ms"}, {"every": "1s", "times": "x"}, {"every": "1s", "line": "lamp"}, {"every": "1s", "evry": "1s"},
		{"pattern": "1s"}, {"every": "2s", "duty": "100%"},
	} {
		if _, err := c.Blink("lamp", keys); err == nil {
			t.Errorf("blink %v was taken", keys)
		}
	}
}

// statusOf returns the detail of a state in the status.
func (r *rig) detailOf(source, name string) (detail string) {
	r.do(func() {
		for _, s := range r.agent.Status().Sources {
			for _, state := range s.States {
				if s.Source == source && state.Name == name {
					detail = state.Detail
				}
			}
		}
	})
	return detail
}

func TestRulesAndCancel(t *testing.T) {
	r := start(t, contacts(house))
	c := r.dial()
	for range 3 {
		if _, err := c.Emit("slow", nil); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := c.Rules()
	if err != nil || len(rules) != 2 {
		t.Fatal(rules, err)
	}
	slow := rules[0]
	if slow.Name != "slow" || slow.Fired != 3 || !slow.Enabled || slow.Ago == nil || slow.LastFired == "" || !slices.Equal(slow.When, []string{"event: slow"}) {
		t.Errorf("%+v", slow)
	}
	if rules[1].Fired != 0 || rules[1].Ago != nil || rules[1].At == "" {
		t.Errorf("%+v", rules[1])
	}
	w := r.dial()
	if err := w.Watch(client.Filter{Rules: []string{"slow"}}); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Cancel("slow"); err != nil || n.Runs != 3 {
		t.Error(n, err)
	}
	for range 3 {
		if n, err := w.Next(); err != nil || n.Outcome != "stopped" {
			t.Error(n, err)
		}
	}
	if n, err := c.Cancel("slow"); err != nil || n.Runs != 0 {
		t.Error(n, err)
	}
	if _, err := c.Cancel("slwo"); err == nil || !strings.Contains(err.Error(), `no rule is called "slwo"; did you mean "slow"?`) {
		t.Error(err)
	}
	if err := c.Enable("slow", false); err != nil {
		t.Error(err)
	}
	if rules, err := c.Rules(); err != nil || rules[0].Enabled {
		t.Error(rules, err)
	}
}

// Answers have any size, and are the same for those who ask at once.
func TestStatusOfManyRules(t *testing.T) {
	var yaml strings.Builder
	yaml.WriteString("rules:\n")
	for i := range 2500 {
		fmt.Fprintf(&yaml, "  - {name: \"rule %d %s\", when: {event: e%d}, do: {log: x}}\n", i, strings.Repeat("ü", 100), i)
	}
	r := start(t, yaml.String())
	results := make(chan int, 8)
	for range cap(results) {
		go func() {
			var s Status
			err := client.Call(r.agent.opts.Socket, client.Request{Verb: "status"}, &s, patience)
			rules, err2 := r.dial().Rules()
			if err != nil || err2 != nil {
				t.Error(err, err2)
			}
			results <- len(s.Rules) + len(rules)
		}()
	}
	for range cap(results) {
		if n := <-results; n != 5000 {
			t.Error(n, "rules")
		}
	}
}

// as runs f on a thread of the user and groups. The goroutine ends locked to
// it, so that the thread ends too.
func as(t *testing.T, uid, gid int, groups []int, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be others")
	}
	done := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread()
		list := make([]uint32, len(groups)+1)
		for i, g := range groups {
			list[i] = uint32(g)
		}
		_, _, err := unix.RawSyscall(setgroups, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0)
		if err == 0 {
			_, _, err = unix.RawSyscall(setresgid, uintptr(gid), uintptr(gid), uintptr(gid))
		}
		if err == 0 {
			_, _, err = unix.RawSyscall(setresuid, uintptr(uid), uintptr(uid), uintptr(uid))
		}
		defer func() { done <- err }() // also when f ends the goroutine
		if err == 0 {
			f()
		}
	}()
	if err := <-done; err != 0 {
		t.Fatal(err)
	}
}

// public lets other users reach the socket's folder.
func (r *rig) public() {
	for dir := r.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
}

// What each role may do, by each way to get it.
func TestRoles(t *testing.T) {
	r := start(t, `
control:
  allow:
    - {uid: 54321, may: read}
    - {gid: 54322, may: act}
    - {uid: 54323, may: admin}
    - {uid: 54323, may: read}
vars: {v: {}}
rules: [{name: r, when: {event: e}, do: {log: x}}]
`)
	r.public()
	verbs := []struct {
		needs string
		ask   func(c *client.Conn) error
	}{
		{"read", func(c *client.Conn) error { _, err := c.Get("v"); return err }},
		{"read", func(c *client.Conn) error { _, err := c.Rules(); return err }},
		{"read", func(c *client.Conn) error { return c.Do(client.Request{Verb: "status"}, nil) }},
		{"act", func(c *client.Conn) error { _, err := c.Set("v", "x"); return err }},
		{"act", func(c *client.Conn) error { _, err := c.Emit("e", nil); return err }},
		{"act", func(c *client.Conn) error { return c.Enable("r", true) }},
		{"act", func(c *client.Conn) error { return c.Enable("r", false) }},
		{"act", func(c *client.Conn) error { _, err := c.Cancel("r"); return err }},
		{"act", func(c *client.Conn) error {
			return c.Do(client.Request{Verb: "trigger", Arguments: []byte(`{"action": "add", "subsystem": "none"}`)}, nil)
		}},
		{"admin", func(c *client.Conn) error { return c.Reload() }},
		{"read", func(c *client.Conn) error { return c.Watch(client.Filter{}) }}, // the last
	}
	order := []string{"", "read", "act", "admin"}
	for _, who := range []struct {
		uid, gid int
		groups   []int
		role     string
	}{
		{54321, 54399, nil, "read"},
		{54321, 54322, nil, "act"},
		{54399, 54399, []int{1, 2, 54322, 3}, "act"},
		{54323, 54399, nil, "admin"},
		{54400, 54321, []int{54323}, ""},
	} {
		as(t, who.uid, who.gid, who.groups, func() {
			c, err := client.Dial(r.agent.opts.Socket)
			if err != nil {
				t.Error(who, err)
				return
			}
			defer c.Close()
			c.Patience = patience
			if who.role == "" {
				if err := verbs[0].ask(c); err == nil || !errors.Is(err, client.ErrDenied) && !strings.Contains(err.Error(), "closed the connection") {
					t.Error(who, err)
				}
				return
			}
			for i, v := range verbs {
				err := v.ask(c)
				may := slices.Index(order, v.needs) <= slices.Index(order, who.role)
				switch {
				case may && err != nil:
					t.Errorf("%v, verb %d: %v", who, i, err)
				case !may && (!errors.Is(err, client.ErrDenied) || !strings.Contains(err.Error(), "needs the role "+v.needs)):
					t.Errorf("%v, verb %d: %v", who, i, err)
				}
			}
		})
	}
	if n := r.count("control socket: refused", "uid=54321"); n != 1 {
		t.Error(n, "refusals of user 54321 were logged")
	}
	r.expect("control socket: refused", "uid=54321", "verb=set", "needs=act", "has=read")
	r.expect("control socket: refused", "uid=54400", "verb=connect", `has="no role"`)
}

// The socket's permissions follow the configuration, and so do those who are
// connected.
func TestRolesFollowAReload(t *testing.T) {
	r := start(t, "rules: []\n")
	r.public()
	access := func(yaml string, mode os.FileMode, gid int) {
		t.Helper()
		r.write(yaml)
		if err := r.tryReload(); err != nil {
			t.Error(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(r.agent.opts.Socket, &st); err != nil || os.FileMode(st.Mode&0o777) != mode || int(st.Gid) != gid {
			t.Errorf("%s: mode %o, group %d, %v", yaml, st.Mode, st.Gid, err)
		}
	}
	access("control: {allow: [{gid: 54322, may: read}, {gid: 54322, may: act}]}\n", 0o660, 54322)
	as(t, 54321, 1, []int{54322}, func() {
		c := r.dial()
		if err := c.Watch(client.Filter{}); err != nil {
			t.Error(err)
			return
		}
		reloaded := make(chan bool)
		go func() { // on a thread of our own user
			access("control: {allow: [{uid: 54399, may: read}]}\n", 0o666, os.Getegid())
			close(reloaded)
		}()
		<-reloaded
		for {
			if _, err := c.Next(); err != nil {
				if !errors.Is(err, client.ErrDenied) {
					t.Error(err)
				}
				break
			}
		}
	})
	access("control: {allow: [{gid: 54322, may: read}, {gid: 54323, may: read}]}\n", 0o666, os.Getegid())
	access("rules: []\n", 0o600, os.Getegid())
	as(t, 54321, 54321, nil, func() {
		if _, err := client.Dial(r.agent.opts.Socket); !errors.Is(err, client.ErrDenied) || !strings.Contains(err.Error(), "`control: allow`") {
			t.Error(err)
		}
	})
}

// key sends a key event as an input device whose events all reach the agent.
func (r *rig) key(name string) {
	r.do(func() {
		r.agent.show(&sources.Event{Time: r.agent.loop.Now(), Source: "input:/dev/input/event7",
			Topic: sources.Topic{Kind: "key", Name: name, State: "pressed"},
			Fields: []sources.Field{{Name: "KEY", Value: sources.Text(name)}, {Name: "CODE", Value: sources.Int(99)},
				{Name: "VALUE", Value: sources.Int(1)}, {Name: "NAME", Value: sources.Text("keyboard")}}})
	})
}

// A reader gets no key that the rules do not name, whatever it asks for.
func TestWatchIsNoKeyLogger(t *testing.T) {
	r := start(t, `
control: {allow: [{uid: 54321, may: act}]}
vars: {end: {}}
rules:
  - {name: mute, when: {key: KEY_MUTE, is: pressed, exact: true}, do: {log: muted}}
  - {name: chord, when: {keys: [KEY_LEFTCTRL, KEY_M], is: pressed, together: true}, do: {log: chord}}
`)
	r.public()
	see := func(c *client.Conn, f client.Filter) (all []client.Notice) {
		if err := c.Watch(f); err != nil {
			t.Error(err)
			return nil
		}
		for _, key := range []string{"KEY_P", "KEY_MUTE", "KEY_W", "KEY_M"} {
			r.key(key)
		}
		r.do(func() { _ = r.agent.vars.Set("end", fmt.Sprint(r.agent.events, len(all), time.Now()), nil) })
		for {
			n, err := c.Next()
			if err != nil {
				t.Error(err)
				return all
			}
			if n.Kind == "var" {
				return all
			}
			all = append(all, n)
		}
	}
	with := func(f client.Filter) client.Filter {
		if f.Names != nil {
			f.Names = append(f.Names, "end")
		}
		if f.Sources != nil {
			f.Sources = append(f.Sources, "var")
		}
		return f
	}
	for _, c := range []struct {
		filter client.Filter
		events int
	}{
		{client.Filter{}, 4},
		{client.Filter{Names: []string{"KEY_P"}}, 0},
		{client.Filter{Names: []string{"key/*"}}, 2},
		{client.Filter{Names: []string{"KEY_[A-Q]*"}}, 2},
		{client.Filter{Sources: []string{"input:/dev/input/*"}}, 4},
	} {
		as(t, 54321, 1, nil, func() {
			events, masked := 0, 0
			for _, n := range see(r.dial(), with(c.filter)) {
				if n.Type == "event" {
					events++
				}
				if n.Masked {
					masked++
					if n.Name != "" || n.Why != "" || n.Fields["KEY"] != nil || n.Fields["CODE"] != nil || n.Fields["VALUE"] != nil || n.Fields["NAME"] != "keyboard" {
						t.Errorf("%+v: %+v", c.filter, n)
					}
				} else if n.Name != "KEY_MUTE" && n.Name != "KEY_M" {
					t.Errorf("%+v: %+v", c.filter, n)
				}
			}
			if events != c.events {
				t.Errorf("%+v: %d events", c.filter, events)
			}
		})
	}
	admin := see(r.dial(), client.Filter{})
	if n := len(slices.DeleteFunc(admin, func(n client.Notice) bool { return n.Type != "event" || n.Fields["KEY"] == nil })); n != 4 {
		t.Errorf("an admin sees %d keys", n)
	}
}

// Typed text reaches readers neither as an event nor in the arguments of
// what rules run.
func TestStatusIsNoKeyLogger(t *testing.T) {
	r := start(t, `
control: {allow: [{uid: 54321, may: read}]}
rules: [{name: scan, when: {event: scan}, do: [{log: "${TEXT}"}, {run: [sh, -c, "sleep 60", "${TEXT}"]}]}]
`)
	r.public()
	r.send("scan", "TEXT=s3cret")
	r.expect("s3cret")
	status := func() (text string) {
		var raw Status
		for len(raw.Running) == 0 { // the program is started in the background
			if err := client.Call(r.agent.opts.Socket, client.Request{Verb: "status"}, &raw, patience); err != nil {
				t.Error(err)
				return ""
			}
		}
		return fmt.Sprint(raw)
	}
	if text := status(); !strings.Contains(text, "s3cret") {
		t.Error("an admin does not see it:", text)
	}
	as(t, 54321, 1, nil, func() {
		if text := status(); strings.Contains(text, "s3cret") || !strings.Contains(text, "[run]") || !strings.Contains(text, "[sh]") {
			t.Error(text)
		}
	})
	notice := &client.Notice{Name: "scanner", Fields: map[string]any{"TEXT": "s3cret", "NAME": "x"}}
	masked := r.agent.mask(&sources.Event{Topic: sources.Topic{Kind: "input", Name: "scanner", State: "typed"}}, notice)
	if masked.Fields["TEXT"] != nil || masked.Name != "scanner" || notice.Fields["TEXT"] == nil {
		t.Errorf("%+v", masked)
	}
}

func TestWatchShowsWhatRulesDo(t *testing.T) {
	r := start(t, `
vars: {ready: {values: ["no", "yes"]}}
rules:
  - {name: once, when: {event: e}, cooldown: 1h, do: {log: x}}
  - {name: unmet, when: {event: e}, if: [{var: ready, is: "yes"}], do: {log: x}}
  - {name: fails, when: {event: e}, do: {run: [no-such-program]}}
`)
	for _, c := range []struct {
		filter client.Filter
		want   string
	}{
		{client.Filter{Rules: []string{"once"}}, "event e sent fired,event e sent done,event e sent dropped cooldown"},
		{client.Filter{Rules: []string{"un*"}}, "event e sent unmet,event e sent unmet"},
		{client.Filter{Names: []string{"f"}}, "event f sent"},
	} {
		w := r.dial()
		if err := w.Watch(c.filter); err != nil {
			t.Fatal(err)
		}
		r.agent.loop.Post(func() {
			if c.filter.Names == nil {
				r.agent.runner.Adopt(rule.NewIndex(nil)) // the cooldown begins again
				r.agent.runner.Adopt(r.agent.index)
			}
		})
		r.send("e")
		r.send("f")
		r.send("e")
		var got []string
		for range strings.Count(c.want, ",") + 1 {
			n, err := w.Next()
			if err != nil {
				t.Fatal(err)
			}
			why := n.Why
			if n.Outcome == "unmet" {
				if !strings.HasSuffix(why, "reflexd.yaml:5:42") {
					t.Error("unmet at", why)
				}
				why = ""
			}
			got = append(got, strings.TrimSpace(strings.Join([]string{n.Kind, n.Name, n.State, n.Outcome, why}, " ")))
		}
		if text := strings.ReplaceAll(strings.Join(got, ","), "  ", " "); text != c.want {
			t.Errorf("%+v: %s, want %s", c.filter, text, c.want)
		}
	}
	for _, f := range []client.Filter{{Rules: []string{"onse"}}, {Names: []string{"[", "x"}}, {Names: []string{"var/redy"}}, {Names: []string{"line/x"}}} {
		if err := r.dial().Watch(f); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}

// FuzzVerbs holds that whatever is asked of whatever verb is answered once.
func FuzzVerbs(f *testing.F) {
	r := start(f, contacts(house), withOutputs(f, "ACT"))
	for _, s := range [][3]string{
		{"set", "lamp", `{"to": "on"}`}, {"set", "var/mode", `{"to": 1}`}, {"blink", "led/ACT", `{"pattern": ",,"}`}, {"pulse", "lamp", `null`},
		{"watch", "", `{"names": ["["]}`}, {"get", "line/", "[]"}, {"cancel", "\x00", ""}, {"rules", "", "{"}, {"status", "", ""}, {"x", "", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	c := r.dial()
	f.Fuzz(func(t *testing.T, verb, name, arguments string) {
		if verb == "reload" || verb == "trigger" || verb == "watch" { // slow, or the end of the connection
			return
		}
		request := client.Request{Verb: verb, Name: name}
		if arguments != "" {
			request.Arguments = []byte(arguments)
		}
		if err := c.Do(request, nil); err != nil && strings.Contains(err.Error(), "the agent at") {
			t.Error(err)
		}
	})
}
