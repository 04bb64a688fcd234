// SPDX-License-Identifier: MIT

// The bridge: what the program that connects the agent to an MQTT broker asks.
// All of it needs the role bridge.

package client

import (
	"strconv"
	"time"
)

// Bridge is what the configuration says of MQTT: the answer to the verb bridge,
// which also starts a stream of notices. Those of type state have the new state
// of something that is exposed, "" if nobody knows it any more; event, what
// happened to a button; publish, a message (Name is its topic, Count its number)
// with the fields text, within, retain and expire; summary says that the answer of
// that verb has changed otherwise than by counts that grow.
type Bridge struct {
	Version       int            `json:"version"`
	Broker        string         `json:"broker"`
	User          string         `json:"user,omitempty"`
	PasswordFile  string         `json:"password_file,omitempty"`
	CAFile        string         `json:"ca_file,omitempty"`
	CertFile      string         `json:"cert_file,omitempty"`
	KeyFile       string         `json:"key_file,omitempty"`
	Topic         string         `json:"topic,omitempty"` // "" for reflexd/HOSTNAME
	HomeAssistant *HomeAssistant `json:"homeassistant,omitempty"`
	Expose        []Exposed      `json:"expose,omitempty"`
	Subscribe     []Subscription `json:"subscribe,omitempty"`
	Queue         int            `json:"queue"`
	Serials       []string       `json:"serials,omitempty"` // of the board by DMI, which root alone can read; the best first
}

// HomeAssistant says how the board is announced there.
type HomeAssistant struct {
	Prefix string `json:"prefix"`
	Name   string `json:"name,omitempty"`
	Area   string `json:"area,omitempty"`
}

// Exposed is something that the bridge can reach.
type Exposed struct {
	Kind     string   `json:"kind"` // line, var, sensor, counter or pwm
	Name     string   `json:"name"`
	As       string   `json:"as"` // Home Assistant's word: switch, binary_sensor, …
	Class    string   `json:"class,omitempty"`
	Unit     string   `json:"unit,omitempty"`
	Settable bool     `json:"settable,omitempty"`
	Values   []string `json:"values,omitempty"` // that it can have; none for any
	Events   []string `json:"events,omitempty"` // of what has events and no state
}

// Subscription is a topic filter of a rule, below the base topic. Retained says
// that retained messages count.
type Subscription struct {
	Filter   string `json:"filter"`
	Retained bool   `json:"retained,omitempty"`
}

// Message is a message from the broker. Its Topic is below the base topic.
type Message struct {
	Topic    string `json:"topic"`
	Payload  string `json:"payload"`
	Retained bool   `json:"retained,omitempty"`
}

// Summary is the state of the agent as far as the bridge may know it.
type Summary struct {
	Version string         `json:"version"`
	Uptime  float64        `json:"uptime"` // seconds
	Events  uint64         `json:"events"`
	Reloads int            `json:"reloads"`
	Rules   map[string]int `json:"rules"`            // how often each fired
	Broker  string         `json:"broker"`           // connected or disconnected, as the bridge reported it last
	Reason  string         `json:"reason,omitempty"` // why it is disconnected

	Disabled []string        `json:"disabled,omitempty"` // rules that do not fire
	Losses   map[string]Loss `json:"losses,omitempty"`   // by source
}

// Loss is how often a source lost events, and how many those were as far as that is known.
type Loss struct {
	Times  uint64 `json:"times"`
	Events uint64 `json:"events"`
}

// Bridge makes the connection the bridge's: it returns the settings and starts
// the stream, which Next then reads. There is one bridge at a time.
func (c *Conn) Bridge() (*Bridge, error) {
	b, err := answer[Bridge](c, "bridge", "", nil)
	if err != nil {
		return nil, err
	}
	return &b, c.file.SetDeadline(time.Time{})
}

// BridgeSettings returns the settings and starts nothing.
func (c *Conn) BridgeSettings() (*Bridge, error) {
	b, err := answer[Bridge](c, "bridge", "settings", nil)
	return &b, err
}

// Summary returns the agent's state as far as the bridge may know it.
func (c *Conn) Summary() (Summary, error) {
	return answer[Summary](c, "summary", "", nil)
}

// Broker reports that the broker is connected, or why not.
func (c *Conn) Broker(connected bool, why string) error {
	is := "disconnected"
	if connected {
		is = "connected"
	}
	return c.ask("broker", is, map[string]string{"why": why}, nil)
}

// Deliver brings a message to the rules.
func (c *Conn) Deliver(m Message) error { return c.ask("deliver", "", m, nil) }

// Published reports what became of the message with that number.
func (c *Conn) Published(number uint64, failure error) error {
	arguments := map[string]string{}
	if failure != nil {
		arguments["error"] = failure.Error()
	}
	return c.ask("published", strconv.FormatUint(number, 10), arguments, nil)
}
