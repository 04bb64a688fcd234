// SPDX-License-Identifier: MIT

package bridge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/client"
)

var update = flag.Bool("update", false, "write the golden files")

func porch() *Device {
	return &Device{ID: "reflexd-1000", Base: "reflexd/porch", Model: "Raspberry Pi 4", Version: "1.0", HA: client.HomeAssistant{Prefix: "homeassistant", Area: "Porch"},
		Expose: []client.Exposed{
			{Kind: "line", Name: "bell", As: "event", Events: []string{"pressed", "released", "clicked", "double-clicked"}},
			{Kind: "line", Name: "front door", As: "binary_sensor", Class: "door"},
			{Kind: "line", Name: "lamp", As: "light", Settable: true},
			{Kind: "line", Name: "fan", As: "switch", Settable: true},
			{Kind: "var", Name: "mode", As: "select", Settable: true, Values: []string{"day", "night"}},
			{Kind: "var", Name: "note", As: "text", Settable: true},
			{Kind: "var", Name: "target", As: "number", Settable: true, Unit: "°C"},
			{Kind: "var", Name: "count", As: "sensor", Unit: "m³"},
			{Kind: "sensor", Name: "cpu", As: "sensor", Unit: "°C"},
			{Kind: "sensor", Name: "battery", As: "sensor", Unit: "%", Class: "battery"},
			{Kind: "sensor", Name: "charging", As: "sensor"},
			{Kind: "sensor", Name: "supply", As: "binary_sensor", Class: "problem"},
			{Kind: "counter", Name: "gas", As: "sensor", Unit: "m³", Class: "gas"},
			{Kind: "counter", Name: "power", As: "sensor", Unit: "kWh"},
			{Kind: "pwm", Name: "strip", As: "light", Settable: true},
			{Kind: "pwm", Name: "cooler", As: "fan", Settable: true},
			{Kind: "pwm", Name: "valve", As: "number", Settable: true, Unit: "%"},
			{Kind: "pwm", Name: "shown", As: "sensor", Unit: "%"},
		}}
}

func TestDiscovery(t *testing.T) {
	payload, err := porch().Payload()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, payload, "", "  "); err != nil {
		t.Fatal(err)
	}
	text.WriteByte('\n')
	const golden = "testdata/discovery.json"
	if *update {
		if err := os.WriteFile(golden, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(want, text.Bytes()) {
		t.Errorf("%s differs (%v); -update writes it:\n%s", golden, err, text.String())
	}
	if porch().Topic() != "homeassistant/device/reflexd-1000/config" {
		t.Error(porch().Topic())
	}
}

// documented are the keys that Home Assistant documents for each platform,
// beside those of all; https://www.home-assistant.io/integrations/mqtt.
var documented = map[string]string{
	"binary_sensor": "state_topic device_class value_template", "switch": "state_topic command_topic",
	"light":  "state_topic command_topic state_value_template on_command_type brightness_state_topic brightness_command_topic brightness_scale",
	"fan":    "state_topic command_topic state_value_template percentage_state_topic percentage_command_topic percentage_value_template",
	"select": "state_topic command_topic options", "text": "state_topic command_topic", "number": "state_topic command_topic min max step mode unit_of_measurement",
	"sensor": "state_topic state_class unit_of_measurement device_class", "event": "state_topic event_types device_class",
	"device_automation": "automation_type type subtype topic payload value_template",
}

func TestDiscoveryHasDocumentedKeysOnly(t *testing.T) {
	payload, _ := porch().Payload()
	var p struct {
		Components map[string]object `json:"components"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	ids := map[any]bool{}
	for key, c := range p.Components {
		platform, _ := c["platform"].(string)
		for name := range c {
			if !strings.Contains(" platform name unique_id default_entity_id availability availability_mode "+documented[platform]+" ", " "+name+" ") {
				t.Errorf("%s: a %s has no key %s", key, platform, name)
			}
		}
		if id := c["unique_id"]; id != nil && ids[id] {
			t.Error(id, "is not unique")
		} else {
			ids[id] = true
		}
	}
}

func TestWhatIsNotExposedAnyMoreIsRemoved(t *testing.T) {
	before, _ := porch().Payload()
	d := porch()
	d.Expose = d.Expose[1:]
	d.Expose[1].As = "switch"
	now, _ := d.Payload()
	payload, stale := removed(before, now)
	var p struct {
		Components map[string]object `json:"components"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(p.Components["line_bell"]) != "map[platform:event]" || fmt.Sprint(p.Components["line_bell_clicked"]) != "map[platform:device_automation]" ||
		fmt.Sprint(p.Components["line_lamp"]) != "map[platform:light]" || len(p.Components["line_fan"]) < 4 {
		t.Error(p.Components)
	}
	if fmt.Sprint(stale) != "[reflexd/porch/event/bell]" {
		t.Error(stale)
	}
	for _, before := range [][]byte{nil, now, []byte("{"), []byte(`{"components": 1}`)} {
		if payload, stale := removed(before, now); payload != nil || stale != nil {
			t.Errorf("%s: %s %s", before, payload, stale)
		}
	}
}

func TestQueue(t *testing.T) {
	now := time.Unix(0, 0)
	q := newQueue(3)
	q.now = func() time.Time { return now }
	for i := range 5 {
		q.put(item{topic: "event", payload: fmt.Sprint(i), until: now.Add(time.Duration(i+1) * time.Second)})
		q.put(item{topic: "a", payload: fmt.Sprint(i), state: true})
	}
	q.put(item{topic: "b", payload: "x", state: true})
	now = now.Add(3 * time.Second)
	var got []string
	for it, ok := q.take(); ok; it, ok = q.take() {
		got = append(got, it.topic+it.payload)
	}
	if fmt.Sprint(got) != "[event3 event4 a4 bx]" || q.losses() != 3 {
		t.Error(got, q.losses())
	}
	q.put(item{topic: "a", payload: "new", state: true})
	q.back(item{topic: "a", payload: "old", state: true})
	q.back(item{topic: "e", payload: "1"})
	if it, _ := q.take(); it.topic != "e" {
		t.Error(it)
	}
	if it, _ := q.take(); it.payload != "new" {
		t.Error(it)
	}
}

func TestSerial(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dmi := []string{"To be filled by O.E.M.", "A 7"}
	if s, _ := Serial(dir, nil); s != "" {
		t.Error(s)
	}
	put("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	hashed, _ := Serial(dir, dmi[:1])
	if len(hashed) != 16 || strings.Contains("0123456789abcdef0123456789abcdef", hashed) {
		t.Error(hashed)
	}
	put("sys/firmware/devicetree/base/serial-number", "0000000000000000\x00")
	if s, _ := Serial(dir, nil); s != hashed {
		t.Error(s)
	}
	if s, from := Serial(dir, dmi); s != "A-207" || from != "DMI" {
		t.Error(s, from)
	}
	put("sys/firmware/devicetree/base/serial-number", "A/B c\x00")
	if s, _ := Serial(dir, dmi); s != "A-2fB-20c" {
		t.Error(s)
	}
	put("sys/firmware/devicetree/base/serial-number", "00000000abcd\x00")
	if s, _ := Serial(dir, dmi); s != "00000000abcd" {
		t.Error(s)
	}
}

// Nothing reaches the agent that is neither exposed nor awaited by a rule.
func TestHostileMessagesAreDroppedHere(t *testing.T) {
	s := lonely()
	for _, r := range []received{
		{topic: "reflexd/porch/line/hidden/set", payload: []byte("ON")}, {topic: "reflexd/porch/line/+/set", payload: []byte("ON")},
		{topic: "reflexd/porch/line/#", payload: []byte("ON")}, {topic: "reflexd/porch/#", payload: []byte("x")}, {topic: "#"}, {topic: "reflexd/porch/\x01/set"}, {topic: ""}, {topic: "/"},
		{topic: "$SYS/broker/uptime", payload: []byte("1")}, {topic: "reflexd/porch/$SYS/x"}, {topic: "reflexd/porch/line/la\x00mp/set", payload: []byte("ON")},
		{topic: "reflexd/porch/line/lamp/set", payload: []byte("ON"), retained: true}, {topic: "reflexd/porch/line/lamp/set", payload: []byte("on\n")},
		{topic: "reflexd/porch/line/lamp/set", payload: bytes.Repeat([]byte("x"), 1<<20)}, {topic: "reflexd/porch/line/bell/set", payload: []byte("ON")},
		{topic: "reflexd/porch/var/note/set", payload: []byte("a\x00b")}, {topic: "reflexd/porch/var/note/set", payload: []byte("\xff")},
		{topic: "reflexd/porch/rule/lamp/set", payload: []byte("x")}, {topic: "reflexd/porch/status/x"}, {topic: "reflexd/porch/sensor/cpu/set", payload: []byte("1")},
		{topic: "reflexd/porch/counter/gas/set", payload: []byte("1")}, {topic: "reflexd/porch/pwm/strip/set", payload: []byte("NaN")},
		{topic: "reflexd/porch/pwm/strip/set", payload: []byte("101")}, {topic: "reflexd/porch/pwm/strip/set", payload: []byte("-1")},
		{topic: "reflexd/porch/play/a", payload: bytes.Repeat([]byte("y"), 1<<20)}, {topic: "reflexd/other/line/lamp/set", payload: []byte("ON")},
	} {
		if err := s.take(r); err == nil || strings.Contains(err.Error(), "no agent is running") {
			t.Errorf("%.60q %.20q: %v", r.topic, r.payload, err)
		}
	}
	for _, topic := range []string{"line/lamp", "pwm/strip", "var/note"} { // these do
		if err := s.take(received{topic: "reflexd/porch/" + topic + "/set", payload: []byte("ON")}); err == nil || !strings.Contains(err.Error(), "no agent is running") {
			t.Errorf("%s: %v", topic, err)
		}
	}
}

// A command that a rule's filter matches as well comes once.
func TestSubscriptionsDoNotOverlap(t *testing.T) {
	for rules, want := range map[string]string{
		"play/+":     "play/+ false, availability false, line/fan/set false, line/lamp/set false",
		"#":          "# false",
		"#,kept!":    "# true",
		"a/+,+/b!":   "# true",
		"a/+,a/b!":   "a/+ true, availability false, line/fan/set false, line/lamp/set false",
		"+/lamp/set": "+/lamp/set false, availability false, line/fan/set false",
	} {
		s := lonely()
		s.device.Expose = s.device.Expose[2:4]
		s.settings.Subscribe = nil
		for rule := range strings.SplitSeq(rules, ",") {
			filter, retained := strings.CutSuffix(rule, "!")
			s.settings.Subscribe = append(s.settings.Subscribe, client.Subscription{Filter: filter, Retained: retained})
		}
		got := s.subscriptions()
		if is := got["homeassistant/device/reflexd-1000/config"]; !is {
			t.Error(got)
		}
		delete(got, "homeassistant/device/reflexd-1000/config")
		expected := map[string]bool{}
		for one := range strings.SplitSeq(want, ", ") {
			filter, retained, _ := strings.Cut(one, " ")
			expected["reflexd/porch/"+filter] = retained == "true"
		}
		if !maps.Equal(got, expected) {
			t.Errorf("%s: %v, expected %v", rules, got, expected)
		}
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct{ kind, value, want string }{
		{"line", "ON", "on"}, {"line", "toggle", "toggle"}, {"line", "40", ""}, {"line", "", ""}, {"var", "ON", "ON"}, {"var", "", ""},
		{"pwm", "OFF", "off"}, {"pwm", "40", "40%"}, {"pwm", "12.5%", "12.5%"}, {"pwm", "0", "0%"}, {"pwm", "100", "100%"}, {"pwm", "+Inf", ""}, {"pwm", "", ""},
	} {
		if got, err := order(c.kind, c.value); got != c.want || err == nil && got == "" && c.kind != "var" {
			t.Errorf("%s %q: %q, %v", c.kind, c.value, got, err)
		}
	}
}

// lonely returns a session of a board that exposes everything, without an agent.
func lonely() *session {
	return &session{opts: &Options{Socket: "/nonexistent"}, log: slog.New(slog.DiscardHandler), queue: newQueue(10), device: *porch(), refused: map[string]bool{}, retained: map[string]string{},
		settings: &client.Bridge{Subscribe: []client.Subscription{{Filter: "play/+"}}}}
}

// FuzzTake: whatever the broker sends, nothing that is not exposed is asked of
// the agent, which is not there.
func FuzzTake(f *testing.F) {
	f.Add("reflexd/porch/line/lamp/set", "ON", false)
	f.Add("reflexd/porch/#", "\x00", true)
	f.Add("homeassistant/device/reflexd-1000/config", `{"components":{"x":{"platform":1}}}`, true)
	s := lonely()
	s.settings.Subscribe = append(s.settings.Subscribe, client.Subscription{Filter: "#", Retained: true})
	f.Fuzz(func(t *testing.T, topic, payload string, retained bool) {
		err := s.take(received{topic, []byte(payload), retained})
		if err == nil && strings.HasSuffix(topic, "/set") && s.settable(strings.TrimSuffix(strings.TrimPrefix(topic, "reflexd/porch/"), "/set")) != nil {
			t.Error("set without an agent")
		}
		now, _ := s.device.Payload()
		removed([]byte(payload), now)
	})
}

// certificate makes a certificate for 127.0.0.1 that is its own authority.
func certificate(t *testing.T, from, to time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	now := time.Now()
	cert, key := certificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	m := startBroker(t, fmt.Sprintf("allow_anonymous true\ncertfile %s\nkeyfile %s\ncafile %s\nrequire_certificate true", cert, key, cert))
	r := start(t, fmt.Sprintf("{broker: 'mqtts://127.0.0.1:%d', topic: p, ca_file: %s, cert_file: %s, key_file: %s}", m.Port, cert, cert, key))
	r.connected()
	other := start(t, fmt.Sprintf("{broker: 'mqtts://127.0.0.1:%d', topic: q, cert_file: %s, key_file: %s}", m.Port, cert, key))
	other.waitFor(other.log, "certificate signed by unknown authority")
}

func TestCertificateThatIsNotValidYet(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		from, to time.Time
		want     string
	}{
		{now.Add(24 * time.Hour), now.Add(48 * time.Hour), "the clock is not set"},
		{now.Add(-48 * time.Hour), now.Add(-24 * time.Hour), "expired"},
	} {
		cert, key := certificate(t, c.from, c.to)
		m := startBroker(t, fmt.Sprintf("allow_anonymous true\ncertfile %s\nkeyfile %s", cert, key))
		r := start(t, fmt.Sprintf("{broker: 'mqtts://127.0.0.1:%d', topic: p, ca_file: %s}", m.Port, cert))
		r.waitFor(r.log, c.want)
		err := Check(context.Background(), Options{Log: slog.New(slog.DiscardHandler), Socket: r.socket, Root: "testdata/board"}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Error(err)
		}
		r.stop()
	}
}

func TestAddress(t *testing.T) {
	for broker, want := range map[string]string{"mqtt://a": "a:1883", "mqtts://a": "a:8883", "mqtts://a:1": "a:1", "mqtt://[::1]": "[::1]:1883", "mqtt://[fe80::1]:9": "[fe80::1]:9"} {
		if u, err := address(broker); err != nil || u.Host != want {
			t.Error(broker, u, err)
		}
	}
}

// Attempts are never more than ten seconds apart.
func TestPause(t *testing.T) {
	var b backoff
	for attempt := range 100 {
		if d := b.pause(attempt); d < 0 || d > 10*time.Second || attempt > 4 && d < 6*time.Second {
			t.Error(attempt, d)
		}
	}
	now := time.Unix(0, 0)
	for i := range 10 {
		b.begin(now)
		now = now.Add(time.Second)
		if err := b.end(now); (err == errLostAgain) != (i > 1) {
			t.Error(i, err)
		}
	}
	if d := b.pause(0); d < 48*time.Second {
		t.Error("after ten short connections:", d)
	}
	b.begin(now)
	if err := b.end(now.Add(time.Minute)); err != errLost || b.pause(0) > time.Second {
		t.Error(err)
	}
}
