// SPDX-License-Identifier: MIT

// The bridge between a real agent and Debian's mosquitto.

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"reflexd/agent"
	"reflexd/client"
	"reflexd/journal/logtest"
	"reflexd/lab/image"
	"reflexd/lab/mqtt"
)

// patience bounds a failure and measures nothing.
const patience = 30 * time.Second

func startBroker(t *testing.T, conf string) *mqtt.Broker {
	t.Helper()
	b, err := mqtt.Start(t.TempDir(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	return b
}

// rig is an agent, a bridge and somebody else at the broker.
type rig struct {
	t      *testing.T
	dir    string
	socket string
	log    *logtest.Log // of the bridge
	agent  *logtest.Log // the log of the agent
	there  chan struct{}
	stop   func()
	other  *mqtt.Client
}

const rules = `
vars: {mode: {values: [day, night]}, note: {}, secret: {}}
rules:
  - {when: {mqtt: play/+}, do: {log: "play ${TOPIC} ${PAYLOAD} ${JSON_STATE:-none}"}}
  - {when: {mqtt: "#"}, do: {log: "any ${TOPIC}"}}
  - {when: {mqtt: kept, at_start: true}, do: {log: "kept ${PAYLOAD} ${RETAINED:-0}"}}
  - {when: {event: chime}, mode: parallel, do: [{publish: {topic: chime, text: "${N}"}}, {log: "published ${N}"}], on_failure: {log: "lost ${ERROR}"}}
  - {when: {broker: disconnected}, do: {log: "away ${REASON}"}}
  - {name: off, when: {event: off}, do: {log: off}}
`

// start starts an agent with the section mqtt and more sections, in which DIR is
// its folder, and a bridge.
func start(t *testing.T, mqtt string, more ...string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, socket: filepath.Join(dir, "socket"), log: logtest.New(), agent: logtest.New(), there: make(chan struct{}, 100)}
	file := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(file, []byte("mqtt: "+mqtt+rules+strings.ReplaceAll(strings.Join(more, "\n"), "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ps, err := agent.Load([]string{file})
	if err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
	a, err := agent.New(c, agent.Options{Log: slog.New(slog.NewTextHandler(r.agent, nil)), Version: "test", Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- a.Run() }()
	t.Cleanup(func() { a.Stop(); <-ended })
	r.run()
	return r
}

// run starts the bridge.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	opts := Options{Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Socket: r.socket, Root: "testdata/board", Version: "test",
		Connected: func() { r.there <- struct{}{} }}
	go func() {
		defer close(done)
		if err := Run(ctx, opts); err != nil {
			r.t.Error(err)
		}
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(r.stop)
}

func (r *rig) connected() {
	r.t.Helper()
	select {
	case <-r.there:
	case <-time.After(patience):
		r.t.Fatal("the bridge is not connected: ", r.log.String())
	}
}

// observe connects another client, which receives everything.
func (r *rig) observe(port int) {
	r.t.Helper()
	c, err := mqtt.Connect(r.t.Context(), port)
	if err != nil {
		r.t.Fatal(err)
	}
	r.other = c
}

func (r *rig) publish(topic, payload string, retain bool) {
	r.t.Helper()
	if err := r.other.Publish(r.t.Context(), topic, payload, retain); err != nil {
		r.t.Fatal(err)
	}
}

// expect waits for a message at the broker: "TOPIC PAYLOAD", with " r" if it was
// retained.
func (r *rig) expect(want string) {
	r.t.Helper()
	if _, err := r.other.Await(patience, func(m mqtt.Message) bool { return m.String() == want }); err != nil {
		r.t.Fatalf("%q: %v\n%s", want, err, r.log)
	}
}

func (r *rig) waitFor(log *logtest.Log, text string) {
	r.t.Helper()
	if _, ok := log.Await(patience, text); !ok {
		r.t.Fatalf("the log has no %q: %.5000s", text, log)
	}
}

func (r *rig) call(f func(*client.Conn) error) {
	r.t.Helper()
	c, err := client.Dial(r.socket)
	if err == nil {
		defer c.Close()
		err = f(c)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) value(name string) string {
	var v string
	r.call(func(c *client.Conn) error { s, err := c.Get(name); v = s.State; return err })
	return v
}

func (r *rig) emit(n int) {
	r.call(func(c *client.Conn) error {
		_, err := c.Emit("chime", map[string]string{"N": fmt.Sprint(n)})
		return err
	})
}

func plainMQTT(m *mqtt.Broker, more string) string {
	return fmt.Sprintf("{broker: 'mqtt://127.0.0.1:%d', topic: reflexd/porch, expose: [mode, note]%s}", m.Port, more)
}

// startPorch starts a broker, an agent and a bridge that is connected to it, with more
// in the section mqtt, and somebody who observes.
func startPorch(t *testing.T, more string) (*mqtt.Broker, *rig) {
	t.Helper()
	m := startBroker(t, mqtt.Anonymous)
	r := start(t, plainMQTT(m, more))
	r.connected()
	r.observe(m.Port)
	return m, r
}

func TestStatesCommandsAndMessages(t *testing.T) {
	m, r := startPorch(t, ", homeassistant: true")
	r.expect("reflexd/porch/availability online r")
	r.observe(m.Port)
	r.expect("reflexd/porch/var/mode day r")
	r.publish("reflexd/porch/var/mode/set", "night", false)
	r.expect("reflexd/porch/var/mode night")
	if r.value("var/mode") != "night" {
		t.Error("mode is", r.value("var/mode"))
	}
	r.publish("reflexd/porch/play/a", `{"state": "x"}`, false)
	r.waitFor(r.agent, `play play/a {\"state\": \"x\"} x`)
	r.emit(7)
	r.expect("reflexd/porch/chime 7")
	r.waitFor(r.agent, "published 7")
	r.publish("reflexd/porch/play/b", "once", false)
	r.waitFor(r.agent, "any play/b")
	r.publish("reflexd/porch/play/c", "end", false)
	r.waitFor(r.agent, "any play/c")
	if n := strings.Count(r.agent.String(), "play play/b once"); n != 1 {
		t.Error("a message that matches two filters comes", n, "times")
	}
	r.stop()
	r.expect("reflexd/porch/availability offline")
}

// Nothing but what the configuration names does anything.
func TestHostileMessages(t *testing.T) {
	m := startBroker(t, "allow_anonymous true\nmax_queued_messages 0")
	r := start(t, plainMQTT(m, ""))
	r.connected()
	r.observe(m.Port)
	r.publish("reflexd/porch/var/mode/set", "night", true) // retained: the bridge has it live as well
	r.expect("reflexd/porch/var/mode night")
	r.call(func(c *client.Conn) error { _, err := c.Set("var/mode", "day"); return err })
	for _, hostile := range [][2]string{
		{"reflexd/porch/var/secret/set", "x"}, {"reflexd/porch/var/mode/set", "noon"}, {"reflexd/porch/var/mode/set", ""}, {"reflexd/porch/var/note/set", "a\x00b"},
		{"reflexd/porch/var/note/set", "\xff"}, {"reflexd/porch/var/note/set", strings.Repeat("x", 5000)}, {"reflexd/porch/line/mode/set", "ON"},
		{"reflexd/porch/play/a", strings.Repeat("y", 1<<20)}, {"reflexd/porch/play/a", strings.Repeat("\x01", 4000)},
		{"reflexd/porch/var/mode/set/set", "night"}, {"reflexd/porch/rule/x/set", "x"}, {"reflexd/other/var/mode/set", "night"},
		{"reflexd/porch//", "x"}, {"reflexd/porch", "x"}, {"reflexd/porch/" + strings.Repeat("z", 600), "x"},
		{"homeassistant/device/reflexd-10000000abcdef01/config", strings.Repeat("[", 100_000)}, {"homeassistant/device/reflexd-10000000abcdef01/config", ""},
	} {
		r.publish(hostile[0], hostile[1], false)
	}
	for i := range 10_000 {
		r.publish(fmt.Sprint("reflexd/porch/flood", i%7), "x", false)
	}
	r.publish("reflexd/porch/play/last", "x", false)
	r.waitFor(r.agent, "play play/last")
	if r.value("var/mode") != "day" || r.value("var/note") != "" || r.value("var/secret") != "" {
		t.Error(r.value("var/mode"), r.value("var/note"), r.value("var/secret"))
	}
	for _, wrong := range []string{"yyyy", "panic", `\x01`} {
		if strings.Contains(r.agent.String(), wrong) {
			t.Errorf("the agent's log has %q", wrong)
		}
	}
	if n := strings.Count(r.log.String(), "a message is dropped"); n != 1 {
		t.Error(n, "warnings of dropped messages")
	}
	r.stop() // a retained command waits for the next start
	r.run()
	r.connected()
	r.publish("reflexd/porch/play/again", "x", false)
	r.waitFor(r.agent, "play play/again")
	if r.value("var/mode") != "day" {
		t.Error("an old command was obeyed")
	}
}

func TestBrokerAwayAndBack(t *testing.T) {
	m, r := startPorch(t, "")
	m.Kill()
	r.waitFor(r.agent, "away")
	r.emit(1)
	r.emit(2)
	for _, v := range []string{"a", "b", "c"} {
		r.call(func(c *client.Conn) error { _, err := c.Set("note", v); return err })
	}
	if err := m.Again(); err != nil {
		t.Fatal(err)
	}
	r.connected()
	r.waitFor(r.agent, "published 1")
	r.waitFor(r.agent, "published 2")
	r.observe(m.Port) // of the connection before, nobody knows when it is made again
	r.expect("reflexd/porch/var/note c r")
	if n := strings.Count(r.log.String(), "broker disconnected"); n > 3 {
		t.Error(n, "lines in the log:", r.log)
	}
}

// A broker that is frozen is noticed, and its last will is there if the bridge
// is killed.
func TestFrozenBroker(t *testing.T) {
	m := startBroker(t, "allow_anonymous true")
	r := start(t, plainMQTT(m, ""))
	r.connected()
	if err := m.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.waitFor(r.agent, "away")
	if err := m.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.connected()
}

func TestPasswordAndItsRefusal(t *testing.T) {
	dir := t.TempDir()
	users, password := filepath.Join(dir, "users"), filepath.Join(dir, "password")
	if out, err := image.Command(t.Context(), "mosquitto_passwd", "-b", "-c", users, "porch", "sesame").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	if err := os.WriteFile(password, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startBroker(t, "password_file "+users)
	r := start(t, fmt.Sprintf("{broker: 'mqtt://127.0.0.1:%d', topic: p, user: porch, password_file: %s}", m.Port, password))
	r.waitFor(r.log, "broker refuses the connection: not authorized")
	opts := Options{Log: slog.New(slog.DiscardHandler), Socket: r.socket, Root: "testdata/board"}
	if err := Check(context.Background(), opts, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "not authorized") {
		t.Error(err)
	}
	if err := os.WriteFile(password, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.connected()
	out := &strings.Builder{}
	if err := Check(context.Background(), opts, out); err != nil || !strings.Contains(out.String(), "connected; topic p, client id reflexd-10000000abcdef01") {
		t.Error(out, err)
	}
	if strings.Contains(r.log.String(), "sesame") || strings.Contains(r.log.String(), "wrong") {
		t.Error("the log has the password")
	}
}

// The last will is there when the program is killed; with the next start the
// board is there again.
func TestLastWill(t *testing.T) {
	_, r := startPorch(t, ", homeassistant: true")
	r.expect("reflexd/porch/availability online r")
	r.stop()
	r.expect("reflexd/porch/availability offline")
	program := filepath.Join(t.TempDir(), "reflexd-mqtt")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "reflexd/cmd/reflexd-mqtt").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	cmd := exec.Command(program, "run", "--socket", r.socket)
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.expect("reflexd/porch/availability online")
	for verb, want := range map[string]string{"check": "connected; topic reflexd/porch", "discovery": `"command_topic": "reflexd/porch/var/mode/set"`} {
		if out, err := exec.Command(program, verb, "--socket", r.socket).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", verb, err, out)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	r.expect("reflexd/porch/availability offline")
}

// Home Assistant is told again when it starts; another board with the same topic
// is reported.
func TestHomeAssistantStarts(t *testing.T) {
	_, r := startPorch(t, ", homeassistant: true")
	device := Device{ID: "reflexd-10000000abcdef01", Base: "reflexd/porch", Model: "Raspberry Pi 4 Model B Rev 1.4", Version: "test", HA: client.HomeAssistant{Prefix: "homeassistant"},
		Expose: []client.Exposed{{Kind: "var", Name: "mode", As: "select", Settable: true, Values: []string{"day", "night"}}, {Kind: "var", Name: "note", As: "text", Settable: true}}}
	payload, _ := device.Payload()
	r.expect(device.Topic() + " " + string(payload) + " r")
	r.publish("homeassistant/status", "online", false)
	r.expect(device.Topic() + " " + string(payload))
	r.expect("reflexd/porch/availability online")
	if n := strings.Count(r.log.String(), "broker connected"); n != 1 {
		t.Errorf("one connection is %d lines in the log:\n%s", n, r.log)
	}
	if strings.Contains(r.log.String(), "a message is dropped") {
		t.Errorf("its own states are dropped messages:\n%s", r.log)
	}
	r.publish("reflexd/porch/availability", "online", false)
	r.waitFor(r.log, "another client publishes under the same topic")
	r.publish("reflexd/porch/availability", "offline", true)
	r.expect("reflexd/porch/availability offline")
	r.expect("reflexd/porch/availability online")
	device.Expose = append(device.Expose, client.Exposed{Kind: "line", Name: "lamp", As: "light", Settable: true})
	old, _ := device.Payload()
	r.stop()
	r.publish(device.Topic(), string(old), true)
	r.run()
	r.connected()
	gone, _ := removed(old, payload)
	r.expect(device.Topic() + " " + string(gone))
	r.expect(device.Topic() + " " + string(payload))
	r.expect("reflexd/porch/line/lamp ")
}

const values = `
sensors: {heat: {path: DIR/heat, scale: 0.001, unit: °C, every: 100ms}}
counters: {gas: {line: meter, scale: 0.01, unit: m³}}
pwm: {fan: {chip: none}}
lines: {meter: {input: "none:1"}}
`

// Sensors, counters and PWM outputs: what cannot be read is an empty message, which
// the broker does not keep.
func TestValues(t *testing.T) {
	m := startBroker(t, "allow_anonymous true")
	r := start(t, fmt.Sprintf("{broker: 'mqtt://127.0.0.1:%d', topic: p, expose: [heat, gas, fan, meter]}", m.Port), values)
	r.observe(m.Port)
	r.connected()
	heat := filepath.Join(r.dir, "heat")
	if err := os.WriteFile(heat+"~", []byte("21500"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(heat+"~", heat); err != nil {
		t.Fatal(err)
	}
	r.expect("p/sensor/heat 21.5")
	r.call(func(c *client.Conn) error { _, err := c.Set("counter/gas", "1234.5"); return err })
	r.expect("p/counter/gas 1234.5")
	r.publish("p/sensor/heat/set", "1", false)
	r.publish("p/counter/gas/set", "1", false)
	r.publish("p/pwm/fan/set", "101", false)
	r.publish("p/pwm/fan/set", "40", false) // there is no chip: it fails, and the status counts it
	if err := os.Remove(heat); err != nil {
		t.Fatal(err)
	}
	r.expect("p/sensor/heat ")
	if r.value("counter/gas") != "1234.5" {
		t.Error(r.value("counter/gas"))
	}
	r.stop()
	r.observe(m.Port)
	r.expect("p/counter/gas 1234.5 r")
	r.publish("p/end", "", false)
	for s := ""; s != "p/end "; {
		if s = (<-r.other.Messages).String(); strings.HasPrefix(s, "p/sensor/") || strings.HasPrefix(s, "p/pwm/") || strings.HasPrefix(s, "p/line/") {
			t.Errorf("the broker keeps %q", s)
		}
	}
}

// The status is published at a change, too.
func TestStatusAtAChange(t *testing.T) {
	_, r := startPorch(t, "")
	status := func(want string) {
		t.Helper()
		if _, err := r.other.Await(patience, func(m mqtt.Message) bool {
			return m.Topic == "reflexd/porch/status" && strings.Contains(m.Payload, want)
		}); err != nil {
			t.Fatal(want, err)
		}
	}
	status(`"disabled":null`)
	r.call(func(c *client.Conn) error { return c.Enable("off", false) })
	status(`"disabled":["off"]`)
	r.publish("reflexd/porch/flood", "", false) // which a rule matches
	r.publish("reflexd/porch/var/mode/set", "noon", false)
	status(`"dropped":1`)
}

// Two boards with the same client id do not throw each other out again and again.
func TestEqualClientIDs(t *testing.T) {
	m := startBroker(t, "allow_anonymous true")
	first := start(t, plainMQTT(m, ""))
	first.connected()
	second := start(t, strings.Replace(plainMQTT(m, ""), "porch", "clone", 1))
	second.connected()
	first.waitFor(first.log, "perhaps another client has the same client id")
	second.waitFor(second.log, "perhaps another client has the same client id")
	if n := strings.Count(first.log.String()+second.log.String(), "broker connected"); n > 12 {
		t.Error(n, "connections")
	}
}

// What the access list of the broker does not allow is one line in the log each, and
// the rest works.
func TestAccessList(t *testing.T) {
	list := filepath.Join(t.TempDir(), "acl")
	if err := os.WriteFile(list, []byte("topic readwrite reflexd/porch/var/mode/#\ntopic write reflexd/porch/availability\ntopic readwrite other/#\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startBroker(t, "allow_anonymous true\nacl_file "+list)
	r := start(t, plainMQTT(m, ", homeassistant: true"))
	r.connected()
	r.observe(m.Port)
	r.publish("reflexd/porch/var/mode/set", "night", false)
	r.expect("reflexd/porch/var/mode night")
	r.waitFor(r.log, "broker refuses it")
	r.emit(1)
	r.waitFor(r.agent, `lost publish chime: \"not authorized\"`)
	for _, topic := range []string{"reflexd/porch/var/note", "homeassistant/device/reflexd-10000000abcdef01/config", "reflexd/porch/status", "reflexd/porch/chime"} {
		if n := strings.Count(r.log.String(), "topic="+topic+" "); n != 1 {
			t.Errorf("%s is refused with %d lines in the log:\n%s", topic, n, r.log)
		}
	}
}
