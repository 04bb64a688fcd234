// SPDX-License-Identifier: MIT

// Package bridge is the agent's side of MQTT: the section `mqtt`, what rules ask
// and say by way of the broker, and what the program reflexd-mqtt may reach. It
// has the form of a source. The agent itself opens no network socket: the
// bridge is a program of its own, at the control socket.
package bridge

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"reflexd/client"
	"reflexd/client/topic"
	"reflexd/config"
	"reflexd/sources"
)

// Kind is this source.
var Kind = sources.Kind{
	Name: "mqtt",
	Plan: func() sources.Plan { return newPlan() },
	Open: func(host sources.Host) (sources.Source, error) { return open(host), nil },

	Simulates: true,
}

// defaultGroup is the group of the bridge if the configuration names none.
const defaultGroup = "reflexd-mqtt"

// Plan is what one configuration says of MQTT. Without the section it is empty.
type Plan struct {
	at        config.Pos // of the section; without a line if there is none
	settings  client.Bridge
	group     string
	groupAt   config.Pos
	expose    []exposure
	hass      client.HomeAssistant
	hassOn    bool
	brokerAt  config.Pos
	topicAt   config.Pos
	filesAt   config.Pos
	exposed   map[subject]*client.Exposed
	exposedBy map[string]*client.Exposed // by KIND/NAME
}

// subject is what an event is about.
type subject struct{ kind, name string }

func newPlan() *Plan {
	return &Plan{settings: client.Bridge{Version: client.Version, Queue: 1000}, hass: client.HomeAssistant{Prefix: "homeassistant"}}
}

// Declared reports whether the configuration has the section.
func (p *Plan) Declared() bool { return p.at.Line != 0 }

// Group returns the group of the bridge, and where the configuration names it,
// if it does.
func (p *Plan) Group() (name string, at config.Pos) { return cmp.Or(p.group, defaultGroup), p.groupAt }

// Settings are what the bridge is to do. They must not be changed.
func (p *Plan) Settings() *client.Bridge { return &p.settings }

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	s := &p.settings
	path := func(to *string) config.Value {
		return config.At(&p.filesAt, config.Parsed(to, "the absolute path of a file", parsePath))
	}
	long := p.hassValue()
	hass := config.Either(config.Bool(&p.hassOn), config.Wrap(long, func(n config.Node, ps *config.Problems) {
		p.hassOn = true
		long.Read(n, ps)
	}))
	return []config.Field{{Name: "mqtt", Doc: "what reflexd-mqtt does for this agent, by way of an MQTT broker", Value: config.At(&p.at, config.Object(
		config.Field{Name: "broker", Also: "host server url", Required: true, Value: config.At(&p.brokerAt, config.Parsed(&s.Broker, "mqtts://HOST or mqtt://HOST", parseBroker)),
			Doc: "mqtts://HOST, or mqtt://HOST without encryption; with another port: mqtts://HOST:8884"},
		config.Field{Name: "user", Also: "username", Doc: "the user name at the broker", Value: config.Text(&s.User)},
		config.Field{Name: "password_file", Also: "password", Doc: "file with the password; default: the systemd credential `mqtt-password`", Value: path(&s.PasswordFile)},
		config.Field{Name: "ca_file", Doc: "certificates of the authorities to trust; default: the system's", Value: path(&s.CAFile)},
		config.Field{Name: "cert_file", Doc: "client certificate", Value: path(&s.CertFile)},
		config.Field{Name: "key_file", Doc: "its private key", Value: path(&s.KeyFile)},
		config.Field{Name: "group", Doc: "group of the bridge at the control socket; default: `" + defaultGroup + "`, if it exists",
			Value: config.At(&p.groupAt, config.Word(&p.group, "the name of a group"))},
		config.Field{Name: "topic", Also: "topic_prefix prefix", Doc: "the topic below which everything is; default: reflexd/HOSTNAME", Value: config.At(&p.topicAt, config.Parsed(&s.Topic, "a topic", topic.Parse))},
		config.Field{Name: "homeassistant", Doc: "announce the board to Home Assistant", Default: "off", Value: hass},
		config.Field{Name: "expose", Doc: "the lines, variables, sensors, counters and PWM outputs that the bridge can reach: bell, var/mode, {lamp: {as: light}}",
			Value: config.ListOf(&p.expose, (*exposure).value)},
		config.Field{Name: "queue", Doc: "how many events wait while the broker is away", Default: "1000", Value: config.Int(&s.Queue, 1, 100_000)},
	))}}
}

// hassValue reads the long form of `homeassistant`.
func (p *Plan) hassValue() config.Value {
	return config.Object(
		config.Field{Name: "prefix", Doc: "where it looks for devices", Default: "homeassistant", Value: config.Parsed(&p.hass.Prefix, "a topic", topic.Parse)},
		config.Field{Name: "name", Doc: "the device's name; default: the last word of `topic`", Value: config.Text(&p.hass.Name)},
		config.Field{Name: "area", Doc: "the suggested area", Value: config.Text(&p.hass.Area)},
	)
}

func parsePath(s string) (string, error) {
	if !strings.HasPrefix(s, "/") {
		return "", fmt.Errorf("expected an absolute path, found %q", s)
	}
	return s, nil
}

// parseBroker checks the address of a broker.
func parseBroker(s string) (string, error) {
	rest, plain := strings.CutPrefix(s, "mqtt://")
	if !plain {
		var ok bool
		if rest, ok = strings.CutPrefix(s, "mqtts://"); !ok {
			return "", fmt.Errorf("expected mqtts://HOST or mqtt://HOST, found %q", s)
		}
	}
	host, port, hasPort := rest, "", false
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		host, port, hasPort = rest[:i], rest[i+1:], true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	inner, bracketed := strings.CutPrefix(host, "[")
	switch {
	case strings.Contains(rest, "@"):
		return "", fmt.Errorf("the address of a broker holds no user: write `user` and `password_file`")
	case hasPort && (err != nil || n == 0):
		return "", fmt.Errorf("%q is not a port", port)
	case bracketed && !strings.HasSuffix(inner, "]"), host == "", strings.ContainsAny(rest, "/?# \t\x00"),
		!bracketed && strings.ContainsAny(host, ":[]"):
		return "", fmt.Errorf("%q is not the address of a broker: mqtts://HOST, with another port mqtts://HOST:PORT; IPv6 addresses in brackets", s)
	}
	return s, nil
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Conditional: p} }

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	s := &p.settings
	if p.hassOn {
		s.HomeAssistant = &p.hass
	}
	switch tls := strings.HasPrefix(s.Broker, "mqtts:"); {
	case !p.Declared() || s.Broker == "":
	case !tls && s.CAFile+s.CertFile+s.KeyFile != "":
		ps.Errorf(p.filesAt, "ca_file, cert_file and key_file go with mqtts:// only")
	case (s.CertFile == "") != (s.KeyFile == ""):
		ps.Errorf(p.filesAt, "cert_file and key_file go together")
	case s.PasswordFile != "" && s.User == "":
		ps.Errorf(p.filesAt, "password_file goes with user")
	case !tls && s.User != "":
		ps.Warnf(p.brokerAt, "mqtt:// sends the password of %s unencrypted: use mqtts:// unless the broker is on this machine or network", s.User)
	}
}
