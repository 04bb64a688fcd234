// SPDX-License-Identifier: MIT

package bridge

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/client"
	"reflexd/client/topic"
	"reflexd/config"
	"reflexd/sources"
)

func TestJSONFields(t *testing.T) {
	got := fmt.Sprint(jsonFields(` {"state": "on", "n": 1.50, "ok": true, "no": null, "list": [1], "o": {}, "nul": "a\u0000b", "a b": 1, "a-b": 2, "ä": 3}`))
	want := fmt.Sprint([]sources.Field{{Name: "JSON_A_B", Value: sources.Text("1")}, {Name: "JSON_N", Value: sources.Text("1.50")},
		{Name: "JSON_OK", Value: sources.Text("true")}, {Name: "JSON_STATE", Value: sources.Text("on")}, {Name: "JSON__", Value: sources.Text("3")}})
	if got != want {
		t.Errorf("%s, expected %s", got, want)
	}
	for _, payload := range []string{"", "on", "[1]", `{"a": `, "1", `{"a":1}x`} {
		if f := jsonFields(payload); f != nil {
			t.Errorf("%q: %v", payload, f)
		}
	}
}

// Whatever a broker sends makes an event that programs can be passed, or an
// error.
func FuzzReceived(f *testing.F) {
	f.Add("a/b", `{"state": 1}`, true)
	f.Add("a/+", "\x00", false)
	f.Add("line/x/set", "ON", false)
	f.Add("$SYS/a", strings.Repeat("{\"a\":", 1000), false)
	p := newPlan()
	p.subscribe("#", true)
	f.Fuzz(func(t *testing.T, name, payload string, retained bool) {
		e, err := p.Received(&client.Message{Topic: name, Payload: payload, Retained: retained})
		if err != nil {
			return
		}
		for _, field := range e.Fields {
			if !sources.ValidField(field.Name) || strings.Contains(field.Value.String(), "\x00") {
				t.Errorf("%q", field)
			}
		}
		if strings.ContainsAny(name, "+#\x00") || isRetained(e) != retained {
			t.Error(e)
		}
	})
}

// rig is a source in virtual time.
type rig struct {
	loop   *loop.Loop
	source *Source
	states []string
	sent   []*client.Notice
	drops  []func()
	values map[string]string // by KIND/NAME
}

func newRig(queue int) *rig {
	r := &rig{loop: loop.NewVirtual(time.Hour), values: map[string]string{}}
	r.source = open(sources.Host{Loop: r.loop, Log: slog.New(slog.DiscardHandler), Emit: func(e *sources.Event) { r.states = append(r.states, e.Topic.State) }})
	p := newPlan()
	p.at = config.Pos{Line: 1}
	p.settings.Queue = queue
	r.source.Apply(p)
	return r
}

func (r *rig) attach() {
	r.source.Attach(func(n *client.Notice, dropped func()) error {
		r.sent, r.drops = append(r.sent, n), append(r.drops, dropped)
		return nil
	}, func(kind, name string) string { return r.values[kind+"/"+name] })
}

func (r *rig) advance(d time.Duration) { r.loop.Advance(r.loop.Now()+d, func() {}) }

// The bridge is sent no more than it has room for, in the order of the
// messages, and all that it did not acknowledge again when it comes back.
func TestWindow(t *testing.T) {
	r := newRig(200)
	done := 0
	for i := range 200 {
		if _, err := r.source.Publish(Message{Topic: fmt.Sprint(i), Expire: time.Minute}, func(err error) {
			if err == nil {
				done++
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.source.Publish(Message{Topic: "more", Expire: time.Minute}, nil); err == nil {
		t.Error("the queue has no end")
	}
	r.attach()
	if len(r.sent) != window {
		t.Fatal(len(r.sent), "are sent at once")
	}
	r.source.Published(r.sent[3].Count, nil)
	r.source.Published(r.sent[3].Count, nil)
	r.source.Published(9999, nil)
	if len(r.sent) != window+1 || r.sent[window].Name != "64" || done != 1 {
		t.Error(len(r.sent), done)
	}
	r.source.Detach()
	r.sent = nil
	r.attach()
	for i := 0; i < len(r.sent); i++ {
		r.source.Published(r.sent[i].Count, nil)
	}
	if len(r.sent) != 199 || r.sent[0].Name != "0" || r.sent[3].Name != "4" || r.sent[198].Name != "199" || done != 200 {
		t.Error(len(r.sent), done)
	}
}

// A message that the bridge did not read in time fails at once, and leaves its place
// to the next.
func TestMessageThatTheBridgeMisses(t *testing.T) {
	r := newRig(200)
	r.attach()
	var failures []string
	for i := range window + 1 {
		if _, err := r.source.Publish(Message{Topic: fmt.Sprint(i), Expire: time.Minute}, func(err error) { failures = append(failures, err.Error()) }); err != nil {
			t.Fatal(err)
		}
	}
	r.drops[3]()
	r.drops[3]() // when it has ended
	r.advance(0)
	if len(failures) != 1 || !strings.HasPrefix(failures[0], "publish 3: reflexd-mqtt reads") || len(r.sent) != window+1 {
		t.Errorf("%q, %d are sent", failures, len(r.sent))
	}
}

func TestExpiry(t *testing.T) {
	r := newRig(10)
	r.source.SetBroker(true, "")
	var failure error
	p, err := r.source.Publish(Message{Topic: "a", Expire: time.Second}, func(err error) { failure = err })
	if err != nil {
		t.Fatal(err)
	}
	r.advance(time.Second - 1)
	if failure != nil {
		t.Error(failure)
	}
	r.advance(1)
	if failure == nil || p.Cancel() {
		t.Error(failure)
	}
	q, _ := r.source.Publish(Message{Topic: "b", Expire: time.Second}, func(error) { t.Error("it was cancelled") })
	if !q.Cancel() {
		t.Error("it was gone")
	}
	r.advance(time.Minute)
}

// A broker's state is told once; with the bridge it goes.
func TestBrokerStates(t *testing.T) {
	r := newRig(1)
	r.attach()
	for _, is := range []bool{false, true, true, false, true} {
		r.source.SetBroker(is, "why")
	}
	r.source.Detach()
	r.source.Apply(newPlan())
	if got := fmt.Sprint(r.states); got != "[disconnected connected disconnected connected disconnected ]" {
		t.Error(got)
	}
	if r.source.Status() != nil {
		t.Error(r.source.Status())
	}
}

func TestNews(t *testing.T) {
	p := newPlan()
	p.exposed = map[subject]*client.Exposed{}
	for _, x := range []client.Exposed{{Kind: "line", Name: "door"}, {Kind: "sensor", Name: "cpu"}, {Kind: "counter", Name: "gas"}, {Kind: "var", Name: "mode"}} {
		p.exposed[subject{x.Kind, x.Name}] = &x
	}
	value := func(s string) []sources.Field { return []sources.Field{{Name: "VALUE", Value: sources.Text(s)}} }
	about := func(kind, name, state string) sources.Topic {
		return sources.Topic{Kind: kind, Name: name, State: state}
	}
	for _, c := range []struct {
		e    sources.Event
		want string // "-" for nothing
	}{
		{sources.Event{Topic: about("line", "door", "on"), Standing: sources.Begins}, "on"},
		{sources.Event{Topic: about("line", "door", "rising"), Standing: sources.Begins, Press: sources.Down}, "-"},
		{sources.Event{Topic: about("line", "door", ""), Standing: sources.Found, Press: sources.StartsOn}, "on"},
		{sources.Event{Topic: about("line", "door", ""), Standing: sources.Found, Press: sources.StartsUp}, "off"},
		{sources.Event{Topic: about("line", "door", "off"), Standing: sources.Found}, "off"},
		{sources.Event{Topic: about("line", "door", ""), Standing: sources.Lapses, Press: sources.Ended}, ""},
		{sources.Event{Topic: about("line", "other", "on"), Standing: sources.Begins}, "-"},
		{sources.Event{Topic: about("sensor", "cpu", "changed"), Standing: sources.Begins, Fields: value("21.5")}, "21.5"},
		{sources.Event{Topic: about("sensor", "cpu", "changed"), Standing: sources.Found, Fields: value("Full")}, "Full"},
		{sources.Event{Topic: about("sensor", "cpu", "absent"), Standing: sources.Begins}, ""},
		{sources.Event{Topic: about("sensor", "cpu", ""), Standing: sources.Vanishes}, ""},
		{sources.Event{Topic: about("counter", "gas", "rate"), Standing: sources.Begins, Fields: value("7")}, "-"},
		{sources.Event{Topic: about("var", "mode", "changed"), Standing: sources.Begins, Fields: value("day")}, "day"},
	} {
		got := "-"
		if n := p.News(&c.e); n != nil {
			got = n.State
		}
		if got != c.want {
			t.Errorf("%v: %q, expected %q", c.e.Topic, got, c.want)
		}
	}
}

// A value that changes all the time is sent at once, and then once a second; it ends
// with what the value is.
func TestSettling(t *testing.T) {
	r := newRig(1)
	r.source.plan.exposed = map[subject]*client.Exposed{{"counter", "gas"}: {}, {"pwm", "fan"}: {}}
	change := func(name, value string) {
		r.values[name] = value
		kind, name, _ := strings.Cut(name, "/")
		r.source.Changed(kind, name)
	}
	change("counter/gas", "0") // there is no bridge
	r.attach()
	for i := range 2500 {
		change("counter/gas", fmt.Sprint(i))
		change("counter/other", "x")
		if i%1000 == 0 {
			change("pwm/fan", fmt.Sprint(i, "%"))
		}
		r.advance(time.Millisecond)
	}
	r.advance(time.Hour)
	got := ""
	for _, n := range r.sent {
		got += n.Name + " " + n.State + ", "
	}
	if got != "gas 0, fan 0%, gas 999, fan 1000%, gas 1999, fan 2000%, gas 2499, " {
		t.Error(got)
	}
	if _, due := r.loop.Due(); due {
		t.Error("something wakes up for a value that stands")
	}
	change("counter/gas", "1")
	change("counter/gas", "2")
	r.source.Detach()
	n := len(r.sent)
	if r.advance(time.Hour); len(r.sent) != n {
		t.Error("it is sent to a bridge that is gone")
	}
	if n := testing.AllocsPerRun(100, func() { r.source.Changed("counter", "gas") }); n > 0 {
		t.Error(n, "allocations")
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"mqtts://a", "mqtt://[::1]:1883", "mqtt://a:b:c", "mqtt://]", "mqtts://[", "mqtt://:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseBroker(s); err == nil && (got != s || strings.ContainsAny(s, "@ \x00")) {
			t.Error(s)
		}
		_, _ = topic.ParseFilter(s)
	})
}
