// SPDX-License-Identifier: MIT

// The bridge at the control socket: what it receives, what it may do, and what
// it may not.

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/control"
	"reflexd/agent/rule"
	"reflexd/client"
	"reflexd/sources"
)

const bridged = `
mqtt: {broker: mqtts://broker.lan, group: users, expose: [bell, {lamp: {as: light}}, mode, var/shown: {as: sensor}]}
lines: {bell: {button: GPIO4}, lamp: {output: GPIO5}, hidden: {output: GPIO6}}
vars: {mode: {values: [day, night]}, secret: {}, shown: {}}
rules:
  - {name: play, when: {mqtt: play/+}, do: {log: "play ${TOPIC} ${PAYLOAD} ${JSON_STATE:-none}"}}
  - {name: kept, when: {mqtt: kept, at_start: true}, do: {log: "kept ${PAYLOAD} ${RETAINED:-0}"}}
  - {name: twice, when: {line: bell, is: double-clicked}, do: {log: twice}}
  - {name: away, when: {broker: disconnected}, do: {log: "away ${REASON}"}}
  - {name: there, when: {broker: connected}, do: {log: "there ${BROKER}"}}
  - {name: chime, when: {event: chime}, do: [{publish: {topic: chime, text: "${N}", expire: 10s}}, {log: "published ${N}"}], on_failure: {log: "lost ${ERROR}"}}
`

func bridgeYAML() string {
	return strings.Replace(bridged, "var/shown: {as: sensor}", "{var/shown: {as: sensor}}", 1)
}

// asBridge calls f as a user whose one right is the group users.
func asBridge(t *testing.T, f func()) { as(t, 54321, 54321, []int{100}, f) }

func dial(t *testing.T, r *rig) *client.Conn {
	c, err := client.Dial(r.agent.opts.Socket)
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// dialBridge returns a connection whose stream is that of the bridge, and its settings.
func dialBridge(t *testing.T, r *rig) (*client.Conn, *client.Bridge) {
	stream := dial(t, r)
	b, err := stream.Bridge()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	return stream, b
}

func TestBridgeReachesWhatIsExposedAndNothingElse(t *testing.T) {
	r := start(t, bridgeYAML(), withOutputs(t))
	r.public()
	asBridge(t, func() {
		c := dial(t, r)
		for _, name := range []string{"hidden", "line/hidden", "secret", "var/secret", "led/ACT", "lamp", "line/#", "line/lamp/../hidden", "", "line/la\x00mp", "$SYS"} {
			if _, err := c.Set(name, "on"); !errors.Is(err, client.ErrDenied) {
				t.Errorf("set %q: %v", name, err)
			}
			if _, err := c.Get(name); !errors.Is(err, client.ErrDenied) {
				t.Errorf("get %q: %v", name, err)
			}
		}
		for _, name := range []string{"line/bell", "var/shown"} {
			if _, err := c.Set(name, "on"); !errors.Is(err, client.ErrDenied) {
				t.Errorf("set %s, which only shows a state: %v", name, err)
			}
		}
		if s, err := c.Set("line/lamp", "on"); err != nil || s.State != "on" {
			t.Error(s, err)
		}
		if _, err := c.Set("var/mode", "noon"); err == nil {
			t.Error("mode is noon")
		}
		if s, err := c.Set("var/mode", "night"); err != nil || s.State != "night" {
			t.Error(s, err)
		}
		if _, err := c.Emit("chime", nil); !errors.Is(err, client.ErrDenied) {
			t.Error("emit:", err)
		}
		for _, verb := range []string{"status", "rules", "watch", "pulse", "blink", "enable", "disable", "trigger", "cancel", "reload"} {
			if err := c.Do(client.Request{Verb: verb, Name: "line/lamp"}, nil); !errors.Is(err, client.ErrDenied) {
				t.Errorf("%s: %v", verb, err)
			}
		}
		s, err := c.Summary()
		if _, ok := s.Rules["play"]; err != nil || !ok || s.Version != "test" {
			t.Error(s, err)
		}
	})
	as(t, 54321, 54321, nil, func() {
		if _, err := client.Dial(r.agent.opts.Socket); err == nil {
			t.Error("a user without the group is let in")
		}
	})
}

// Those who may read are not the bridge for it.
func TestReaderIsNoBridge(t *testing.T) {
	r := start(t, bridgeYAML()+"control: {allow: [{uid: 54321, may: act}]}\n", withOutputs(t))
	r.public()
	as(t, 54321, 54321, nil, func() {
		c := dial(t, r)
		if _, err := c.Bridge(); !errors.Is(err, client.ErrDenied) {
			t.Error(err)
		}
		if err := c.Deliver(client.Message{Topic: "play/a"}); !errors.Is(err, client.ErrDenied) {
			t.Error(err)
		}
	})
	asBridge(t, func() { // which has both
		c := dial(t, r)
		if b, err := c.Bridge(); err != nil || b.Broker != "mqtts://broker.lan" {
			t.Error(b, err)
		}
	})
}

func TestMessagesFireRules(t *testing.T) {
	r := start(t, bridgeYAML(), withOutputs(t))
	r.public()
	r.runRules()
	asBridge(t, func() {
		c := dial(t, r)
		if err := c.Deliver(client.Message{Topic: "play/a", Payload: `{"state": 1.5, "list": []}`}); err != nil {
			t.Error(err)
		}
		if err := c.Deliver(client.Message{Topic: "kept", Payload: "yes", Retained: true}); err != nil {
			t.Error(err)
		}
		for _, m := range []client.Message{
			{Topic: "play/a/b"}, {Topic: "play"}, {Topic: "other"}, {Topic: ""}, {Topic: "play/+"}, {Topic: "play/#"}, {Topic: "$SYS/x"},
			{Topic: "line/lamp/set", Payload: "ON"}, {Topic: "play/\x01"}, {Topic: "play/a", Payload: "a\x00b"},
		} {
			if err := c.Deliver(m); err == nil {
				t.Errorf("%+v is delivered", m)
			}
		}
		if err := c.Deliver(client.Message{Topic: "play/a", Payload: "old", Retained: true}); err != nil {
			t.Error(err)
		}
		if err := c.Deliver(client.Message{Topic: "play/b", Payload: "last"}); err != nil {
			t.Error(err)
		}
	})
	r.expect(`msg="play play/a {\"state\": 1.5, \"list\": []} 1.5"`)
	r.expect(`msg="kept yes 1"`)
	r.expect(`msg="play play/b last none"`)
	if strings.Contains(r.log.String(), "play play/a old") {
		t.Error("a retained message fires a rule without at_start")
	}
}

// next returns the next notice that is of one of types.
func nextOf(t *testing.T, c *client.Conn, types string) client.Notice {
	t.Helper()
	late := time.AfterFunc(patience, func() { c.Close() })
	defer late.Stop()
	for {
		n, err := c.Next()
		if err != nil {
			t.Error(err)
			runtime.Goexit()
		}
		if strings.Contains(types, n.Type) {
			return n
		}
	}
}

func TestBridgeReceivesStatesEventsAndMessages(t *testing.T) {
	r := start(t, bridgeYAML(), withOutputs(t))
	r.public()
	r.runRules()
	asBridge(t, func() {
		stream, b := dialBridge(t, r)
		c := dial(t, r)
		if got := fmt.Sprint(b.Expose); got != "[{line bell event   false [] [pressed released clicked double-clicked]} {line lamp light   true [] []} {var mode select   true [day night] []} {var shown sensor   false [] []}]" {
			t.Error(got)
		}
		if got := fmt.Sprint(b.Subscribe); got != "[{play/+ false} {kept true}]" {
			t.Error(got)
		}
		if _, err := c.Bridge(); !errors.Is(err, client.ErrBusy) {
			t.Error("a second bridge:", err)
		}
		c = dial(t, r)
		if err := c.Broker(true, ""); err != nil {
			t.Error(err)
		}
		if _, err := c.Set("line/lamp", "on"); err != nil {
			t.Error(err)
		}
		if n := nextOf(t, stream, "state event publish"); n.Kind+n.Name+n.State != "linelampon" {
			t.Errorf("%+v", n)
		}
		if _, err := c.Set("var/mode", "night"); err != nil {
			t.Error(err)
		}
		if n := nextOf(t, stream, "state event publish"); n.Kind+n.Name+n.State != "varmodenight" {
			t.Errorf("%+v", n)
		}
		r.send("chime", "N=1")
		n := nextOf(t, stream, "state event publish")
		if n.Type != "publish" || n.Name != "chime" || n.Fields["text"] != "1" || n.Fields["expire"] != 10.0 {
			t.Errorf("%+v", n)
		}
		if err := c.Published(n.Count, nil); err != nil {
			t.Error(err)
		}
		r.expect(`msg="published 1"`)
		r.send("chime", "N=2")
		if err := c.Published(nextOf(t, stream, "publish").Count, errors.New("not authorized")); err != nil {
			t.Error(err)
		}
		r.expect(`lost publish chime: \"not authorized\"`)
		r.pressOnce("bell")
		for _, want := range []string{"pressed", "released", "clicked"} {
			if n := nextOf(t, stream, "event state"); n.Name+n.State != "bell"+want {
				t.Errorf("%+v, expected %s", n, want)
			}
		}
		r.expect("there mqtts://broker.lan")
		stream.Close()
	})
	r.expect("away reflexd-mqtt is not connected")
}

// pressOnce presses and releases a button, as its line would.
func (r *rig) pressOnce(name string) {
	for _, p := range []sources.Press{sources.StartsUp, sources.Down, sources.Up} {
		r.do(func() {
			r.agent.emit(&sources.Event{Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "line", Name: name}, Source: "gpio:" + name, Press: p})
		})
	}
}

// What a rule publishes while there is no bridge waits for it, in its order.
func TestMessagesWaitForTheBridge(t *testing.T) {
	yaml := bridgeYAML()
	yaml = strings.Replace(yaml, "when: {event: chime}", "when: {event: chime}, mode: parallel", 1)
	r := start(t, strings.Replace(yaml, "expire: 10s", "expire: 1m", 1), withOutputs(t))
	r.public()
	r.runRules()
	const all = 5
	for i := range all {
		r.send("chime", fmt.Sprint("N=", i))
	}
	asBridge(t, func() {
		stream, _ := dialBridge(t, r)
		c := dial(t, r)
		for i := range all {
			n := nextOf(t, stream, "publish")
			if n.Fields["text"] != fmt.Sprint(i) {
				t.Errorf("message %d is %v", i, n.Fields["text"])
			}
			if err := c.Published(n.Count, nil); err != nil {
				t.Error(err)
			}
		}
	})
	r.expect(fmt.Sprintf(`msg="published %d"`, all-1))
}

// A reload that changes what the bridge is to do sends it away; another does not.
func TestReloadAdvisesTheBridge(t *testing.T) {
	r := start(t, bridgeYAML(), withOutputs(t))
	r.public()
	stream, _ := dialBridge(t, r)
	r.write(bridgeYAML() + "  - {when: {event: other}, do: {log: other}}\n")
	if err := r.tryReload(); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, r).Broker(true, ""); err != nil {
		t.Fatal(err)
	}
	r.write(strings.Replace(bridgeYAML(), "expose: [bell, ", "expose: [", 1))
	if err := r.tryReload(); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := stream.Next()
		if err != nil {
			if !strings.Contains(err.Error(), "the configuration has changed") {
				t.Error(err)
			}
			break
		}
		if n.Type != "state" && n.Type != "summary" {
			t.Error(n)
		}
	}
	if b, err := dial(t, r).Bridge(); err != nil || len(b.Expose) != 3 {
		t.Error(b, err)
	}
}

// A publish without a broker fails when its time is over.
func TestPublishExpires(t *testing.T) {
	yaml := bridgeYAML()
	r := start(t, strings.Replace(yaml, "expire: 10s", "expire: 10ms", 1), withOutputs(t))
	r.public()
	r.runRules()
	r.send("chime", "N=1")
	r.expect("lost publish chime: not within 10ms: the broker is disconnected: reflexd-mqtt is not connected to the agent")
}

const measured = `
mqtt: {broker: mqtts://broker.lan, group: users, expose: [heat, gas, {fan: {as: fan}}, {alarm: {as: binary_sensor, class: problem}}]}
sensors: {heat: {path: DIR/heat, scale: 0.001, unit: °C, every: 100ms}, alarm: {path: DIR/alarm, every: 100ms}, hidden: {path: DIR/hidden}}
counters: {gas: {line: meter, scale: 0.01, unit: m³}}
pwm: {fan: {chip: none}}
lines: {meter: {input: GPIO4}}
rules: [{name: go, when: {event: go}, do: {log: go}}]
`

// awaitState waits for a state of something.
func awaitState(t *testing.T, c *client.Conn, name, want string) {
	t.Helper()
	for {
		if n := nextOf(t, c, "state"); n.Kind+"/"+n.Name == name && n.State == want {
			return
		}
	}
}

func TestBridgeReceivesValues(t *testing.T) {
	r := start(t, measured, withOutputs(t))
	r.public()
	file := func(name string) string { return filepath.Join(r.dir, name) }
	asRoot := func(change func() error) { // this thread is not
		r.do(func() {
			if err := change(); err != nil {
				t.Error(err)
			}
		})
	}
	put := func(name, text string) {
		asRoot(func() error { return os.WriteFile(file(name), []byte(text), 0o644) })
	}
	asBridge(t, func() {
		stream, b := dialBridge(t, r)
		c := dial(t, r)
		if got := fmt.Sprint(b.Expose); got != "[{sensor heat sensor  °C false [] []} {counter gas sensor  m³ false [] []} {pwm fan fan   true [] []} {sensor alarm binary_sensor problem  false [] []}]" {
			t.Error(got)
		}
		for name, want := range map[string]string{"sensor/heat": "", "counter/gas": "0", "pwm/fan": "0%"} {
			if s, err := c.Get(name); errors.Is(err, client.ErrAbsent) != (want == "") || s.State != want {
				t.Errorf("%s is %q, expected %q: %v", name, s.State, want, err)
			}
		}
		if _, err := c.Get("sensor/hidden"); !errors.Is(err, client.ErrDenied) {
			t.Error(err)
		}
		for _, name := range []string{"sensor/heat", "counter/gas"} {
			if _, err := c.Set(name, "1"); !errors.Is(err, client.ErrDenied) {
				t.Errorf("set %s: %v", name, err)
			}
		}
		put("heat", "21500\n")
		awaitState(t, stream, "sensor/heat", "21.5")
		put("alarm", "1\n")
		awaitState(t, stream, "sensor/alarm", "1")
		asRoot(func() error { return os.Remove(file("heat")) })
		awaitState(t, stream, "sensor/heat", "") // it cannot be read
		for range 10 {
			r.pressOnce("meter")
		}
		awaitState(t, stream, "counter/gas", "0.1")
		if s, err := c.Set("pwm/fan", "40%"); err != nil || s.State != "40%" {
			t.Error(s, err)
		}
		awaitState(t, stream, "pwm/fan", "40%")
	})
}

// The bridge asks for the summary again when it has changed.
func TestBridgeIsToldThatTheSummaryHasChanged(t *testing.T) {
	r := start(t, measured, withOutputs(t))
	r.public()
	stream, _ := dialBridge(t, r)
	c := dial(t, r)
	changed := func(want string) {
		t.Helper()
		nextOf(t, stream, "summary")
		s, err := c.Summary()
		if got := fmt.Sprint(s.Reloads, s.Disabled, s.Losses); err != nil || got != want {
			t.Errorf("%s, expected %s: %v", got, want, err)
		}
	}
	if err := c.Enable("go", false); err != nil {
		t.Fatal(err)
	}
	changed("0 [go] map[]")
	r.write(measured + "# again")
	if err := r.tryReload(); err != nil {
		t.Fatal(err)
	}
	changed("1 [go] map[]")
	r.do(func() {
		r.agent.emit(&sources.Event{Topic: sources.Topic{Kind: "loss", Name: "gpio", State: "lost"}, Source: "gpio:meter", Fields: []sources.Field{{Name: "COUNT", Value: sources.Int(3)}}})
	})
	changed("1 [go] map[gpio:meter:{1 3}]")
}

// informed is a log without debug messages.
type informed struct{ slog.Handler }

func (i informed) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo && i.Handler.Enabled(ctx, level)
}

// Of a burst each message is published, fails, or is dropped and counted; so is
// each that the broker sends.
func TestBridgeBursts(t *testing.T) {
	yaml := strings.Replace(bridgeYAML(), "when: {event: chime}, do: [", "when: {event: chime}, mode: parallel, max: 1000, log_level: off, do: [", 1)
	yaml = strings.Replace(yaml, `, on_failure: {log: "lost ${ERROR}"}`, "", 1)
	yaml = strings.Replace(yaml, "when: {mqtt: play/+}, do: {log", "when: {mqtt: play/+}, mode: queued, log_level: off, do: {wait: 1ms}, on_failure: {log", 1)
	r := start(t, yaml, withOutputs(t), func(o *Options) { o.Log = slog.New(informed{o.Log.Handler()}) })
	r.public()
	r.runRules()
	counts := func(name string) (c rule.Counts, running int) {
		r.do(func() {
			for _, s := range r.agent.Status().Rules {
				if s.Name == name {
					c, running = s.Counts, len(s.Running)+s.Waiting
				}
			}
		})
		return c, running
	}
	asBridge(t, func() {
		stream, _ := dialBridge(t, r)
		c := dial(t, r)
		acknowledged := make(chan uint64)
		go func() {
			n := uint64(0)
			for {
				notice, err := stream.Next()
				if err != nil || notice.Type == "publish" && c.Published(notice.Count, nil) != nil {
					acknowledged <- n
					return
				}
				if notice.Type == "publish" {
					n++
				}
			}
		}()
		const sent = 200_000
		for range sent / 1000 {
			r.do(func() {
				for range 1000 {
					r.emit("chime", "N=1")
				}
			})
		}
		now, running := counts("chime")
		for running > 0 {
			now, running = counts("chime")
		}
		stream.Close()
		if n := int(<-acknowledged); now.Fired+now.Dropped != sent || n+now.Failed != now.Fired {
			t.Errorf("of %d, %d fired and %d were dropped; %d were published and %d failed", sent, now.Fired, now.Dropped, n, now.Failed)
		}
		const delivered = 20_000
		more := dial(t, r)
		for range delivered {
			if err := more.Deliver(client.Message{Topic: "play/a", Payload: "x"}); err != nil {
				t.Error(err)
				return
			}
		}
		if now, _ := counts("play"); now.Fired+now.Dropped != delivered {
			t.Errorf("of %d messages, %d fired and %d were dropped", delivered, now.Fired, now.Dropped)
		}
	})
}

// The bridge's user cannot read what DMI has; without DMI there is nothing.
func TestSerialNumbersOfDMI(t *testing.T) {
	sys := t.TempDir()
	if all := serials(sys); all != nil {
		t.Error(all)
	}
	dir := filepath.Join(sys, "class/dmi/id")
	err := os.MkdirAll(dir, 0o755)
	for name, text := range map[string]string{"product_serial": "\n", "board_serial": "B 1 \n"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o400))
	}
	if err != nil {
		t.Fatal(err)
	}
	if all := serials(sys); !slices.Equal(all, []string{"B 1"}) {
		t.Errorf("%q", all)
	}
}

// There is one bridge at a time, also if the kernel has no number for its process: that
// is in another PID namespace.
func TestOneBridgeOfAnotherNamespace(t *testing.T) {
	r := start(t, bridgeYAML())
	var replies []string
	r.do(func() {
		for range 2 {
			r.agent.beginBridge(control.Request{}, func(_ any, err error) { replies = append(replies, fmt.Sprint(err)) })
		}
	})
	if want := []string{"<nil>", "the agent cannot answer now: a process of another PID namespace is already the bridge"}; !slices.Equal(replies, want) {
		t.Errorf("%q", replies)
	}
}
