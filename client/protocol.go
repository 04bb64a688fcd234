// SPDX-License-Identifier: MIT

// Package client talks to the running reflexd over its control socket: a
// unix(7) socket of type SOCK_SEQPACKET, on which each packet is one JSON
// object. docs/reference/control.md describes the protocol; this file has its
// types.
//
//	c, err := client.Dial("")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	lamp, err := c.Set("lamp", "on")
//
// The package needs the standard library and golang.org/x/sys/unix, and no
// other part of reflexd.
package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Version is the version of the protocol that this package uses. An agent
// refuses requests of a version that it does not know.
const Version = 1

// Limits of packets, in bytes.
const (
	// MaxRequest is the size of the largest request.
	MaxRequest = 4 << 10
	// MaxPacket is the size of the largest packet that an agent sends.
	MaxPacket = 16 << 10
)

// Request is what a client asks: one packet.
type Request struct {
	Version   int             `json:"version,omitempty"`
	Verb      string          `json:"verb"`
	Name      string          `json:"name,omitempty"` // what the verb acts on
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// Answer is what the agent sends back. One that is too large for a packet is
// sent in parts: packets with a piece of its text each.
type Answer struct {
	Error  string          `json:"error,omitempty"`
	Code   string          `json:"code,omitempty"`  // of Error, one of the codes below
	Wrong  bool            `json:"wrong,omitempty"` // as the code "configuration"
	Result json.RawMessage `json:"result,omitempty"`
	Part   string          `json:"part,omitempty"`
	Last   bool            `json:"last,omitempty"` // Part is the end of the text
}

// The codes of errors. Others have none.
const (
	CodeDenied        = "denied"        // the caller's role does not allow it
	CodeConfiguration = "configuration" // the configuration has mistakes
	CodeBusy          = "busy"          // the agent cannot answer now
	CodeAbsent        = "absent"        // it is declared, but nobody knows its state
	CodeVersion       = "version"       // of the protocol, which the agent does not know
)

// ErrConfiguration, ErrDenied, ErrBusy and ErrAbsent are what errors of the agent wrap.
var (
	ErrConfiguration = errors.New("the configuration has mistakes")
	ErrDenied        = errors.New("permission denied")
	ErrBusy          = errors.New("the agent cannot answer now")
	ErrAbsent        = errors.New("its state is not known")
)

// State is the state of a line, variable or LED.
type State struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`  // line, var or led
	Name    string `json:"name"`  // within its kind
	State   string `json:"state"` // on or off; the value of a variable
	// Masked says that State is hidden: the variable has what somebody typed, and
	// only the role admin sees that.
	Masked bool `json:"masked,omitempty"`
	// Since is when the state began, by the wall clock, in RFC 3339; For is how
	// long ago that is. Both are left out if it is not known.
	Since string   `json:"since,omitempty"`
	For   *Seconds `json:"for,omitempty"`
	// Chip, Offset and Level say where a line is, and its physical level, high
	// or low.
	Chip   string `json:"chip,omitempty"`
	Offset *int   `json:"offset,omitempty"`
	Level  string `json:"level,omitempty"`
	// Brightness and Max are an LED's, in its driver's units.
	Brightness *int `json:"brightness,omitempty"`
	Max        *int `json:"max_brightness,omitempty"`
	// Playing is the pulse or blinking in progress; SetBy is who gave the last
	// order to an output, if that was a client.
	Playing string `json:"playing,omitempty"`
	SetBy   string `json:"set_by,omitempty"`
}

// On reports whether the state means on; ok is false for a value that means
// neither on nor off.
func (s *State) On() (on, ok bool) {
	switch s.State {
	case "on", "true", "yes", "1":
		return true, true
	case "off", "false", "no", "0":
		return false, true
	}
	return false, false
}

// Rule is one rule of the running agent.
type Rule struct {
	Name      string   `json:"name"`
	When      []string `json:"when"` // its triggers, in short
	At        string   `json:"at"`   // file:line:column
	Enabled   bool     `json:"enabled"`
	Fired     int      `json:"fired"`                // how often, since the agent's start
	LastFired string   `json:"last_fired,omitempty"` // by the wall clock, in RFC 3339
	Ago       *Seconds `json:"ago,omitempty"`        // how long ago LastFired is
}

// Rules is the answer to the verb rules.
type Rules struct {
	Version int    `json:"version"`
	Rules   []Rule `json:"rules"`
}

// Cancelled is the answer to the verb cancel.
type Cancelled struct {
	Version int `json:"version"`
	Runs    int `json:"runs"`    // that were ended
	Waiting int `json:"waiting"` // firings that were dropped
}

// Filter says what to watch. Each list holds names or patterns with *, ? and
// [], of which one must match; an empty list matches everything.
type Filter struct {
	// Names are of lines, variables, keys and other things that events are
	// about: door, or line/door for a line alone.
	Names []string `json:"names,omitempty"`
	// Sources are gpio, input, uevent, …, or one of theirs, such as gpio:door.
	Sources []string `json:"sources,omitempty"`
	// Rules restricts the stream to what these rules do.
	Rules []string `json:"rules,omitempty"`
	// Actions asks for notices of type action too, Masked for a stream in which
	// what is typed is left out whoever reads it.
	Actions bool `json:"actions,omitempty"`
	Masked  bool `json:"masked,omitempty"`
}

// Notice is one packet of the stream that the verb watch starts.
type Notice struct {
	Type string `json:"type"` // watching, event, rule, action or lost
	// Version is of the stream's form; in the notice watching.
	Version int `json:"version,omitempty"`
	// Time is CLOCK_MONOTONIC; of an event, the kernel's timestamp.
	Time Seconds `json:"time,omitempty"`
	// Kind, Name, State and Fields are the event's; of type rule, Kind and Name
	// are those of the event that the rule's firing is about.
	Kind   string `json:"kind,omitempty"`
	Name   string `json:"name,omitempty"`
	State  string `json:"state,omitempty"`
	Source string `json:"source,omitempty"`
	// Names are the names by which the configuration knows the input device.
	// Caused is set for an event that a rule sent.
	Names  []string       `json:"names,omitempty"`
	Caused bool           `json:"caused,omitempty"`
	Fields map[string]any `json:"fields,omitempty"`
	// Masked is set if what was typed was left out, Cut lists the fields whose
	// values were too long and end early.
	Masked bool     `json:"masked,omitempty"`
	Cut    []string `json:"cut,omitempty"`
	// Rule, Outcome and Why are set in notices of type rule: fired, unmet (Why
	// is the place of the condition), dropped (Why is the reason), done, failed
	// (Why is the error), stopped.
	Rule    string `json:"rule,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Why     string `json:"why,omitempty"`
	// Of is the time of the event that a rule's outcome is about: of a state that has lasted
	// for a time, when it had.
	Of Seconds `json:"of,omitempty"`
	// Action is what a rule did, Took how long; of type action. Why is the error
	// if it failed.
	Action string   `json:"action,omitempty"`
	Took   *Seconds `json:"took,omitempty"`
	// Count is how many notices were lost before this one; of type lost.
	Count uint64 `json:"count,omitempty"`
}

// Lasted is a state, and since when it has lasted, on CLOCK_MONOTONIC: what was
// there when the agent started, since then.
type Lasted struct {
	Kind   string            `json:"kind"`
	Name   string            `json:"name,omitempty"`
	State  string            `json:"state"`
	Since  Seconds           `json:"since"`
	Names  []string          `json:"names,omitempty"`  // of the input device, as in Notice
	Fields map[string]string `json:"fields,omitempty"` // of mounts
}

// Emitted is the answer to the verb emit: how many rules are on the event, for
// how many of these `where` matches, and how many of these are disabled.
type Emitted struct {
	Listening int `json:"listening"`
	Taking    int `json:"taking"`
	Disabled  int `json:"disabled"`
}

// Seconds is a time.Duration that JSON holds in seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	sign := ""
	if s < 0 {
		sign, s = "-", -s
	}
	return fmt.Appendf(nil, "%s%d.%09d", sign, int64(s)/1e9, int64(s)%1e9), nil
}

// UnmarshalJSON implements json.Unmarshaler. No nanosecond of what MarshalJSON
// wrote is lost.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	whole, part, _ := strings.Cut(strings.TrimPrefix(string(text), "-"), ".")
	seconds, err := strconv.ParseUint(whole, 10, 33)
	nanos, badPart := strconv.ParseUint((part + "000000000")[:9], 10, 64)
	if err == nil && badPart == nil {
		*s = Seconds(seconds*1e9 + nanos)
	} else {
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil || !(math.Abs(f) < 1<<33) {
			return fmt.Errorf("%q is no number of seconds", text)
		}
		*s = Seconds(math.Abs(f) * 1e9)
	}
	if text[0] == '-' {
		*s = -*s
	}
	return nil
}

// Whys is the answer to the verb why.
type Whys struct {
	Version int   `json:"version"`
	Whys    []Why `json:"whys"` // the newest at the end
}

// Why says what a rule made of one event.
type Why struct {
	Time Seconds `json:"time"`           // CLOCK_MONOTONIC; the event's
	Wall string  `json:"wall,omitempty"` // what the clock showed then, in RFC 3339
	Rule string  `json:"rule"`
	At   string  `json:"at"` // file:line:column of the rule
	// Outcome is fired, done, failed, stopped, unmet, dropped, missed (the fields
	// of the event are others) or disabled; Why is the error or the reason.
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`
	Event   Notice `json:"event"`
	// Where is what the trigger asks of the event's fields, for missed; If is
	// what the rule asks.
	Where    []WhyPart   `json:"where,omitempty"`
	If       []WhyPart   `json:"if,omitempty"`
	Mode     string      `json:"mode"`
	Cooldown string      `json:"cooldown,omitempty"`
	Limit    string      `json:"limit,omitempty"`
	Actions  []WhyAction `json:"actions,omitempty"`
}

// WhyPart is one thing that is asked.
type WhyPart struct {
	Text  string `json:"text"`           // as it is written; of Where, the field
	At    string `json:"at,omitempty"`   // file:line:column
	Holds string `json:"holds"`          // yes, no or unknown
	Seen  string `json:"seen,omitempty"` // the value then
}

// WhyAction is an action that is over.
type WhyAction struct {
	Action string  `json:"action"`
	Took   Seconds `json:"took"`
	Error  string  `json:"error,omitempty"`
}

// Snapshot is what an agent runs on, what it was told to do, and how things are:
// the head of a recording.
type Snapshot struct {
	Recording int     `json:"recording"` // the version of the form: 1
	Reflexd   string  `json:"reflexd"`   // the program's version
	Board     string  `json:"board,omitempty"`
	Kernel    string  `json:"kernel"`
	Time      Seconds `json:"time"`           // CLOCK_MONOTONIC
	Wall      string  `json:"wall,omitempty"` // what the clock showed then, in RFC 3339; left out if it was not set
	Zone      string  `json:"zone,omitempty"` // the name of the time zone
	Masked    bool    `json:"masked,omitempty"`
	// Files are those of the configuration, Hash is one of their text (FNV-1a, 128 bits).
	Files []string `json:"files,omitempty"`
	Hash  string   `json:"hash,omitempty"`
	Rules []string `json:"rules,omitempty"`
	// The states, by names: on or off, values, present or absent, up or down.
	Lines  map[string]string `json:"lines,omitempty"`
	Vars   map[string]string `json:"vars,omitempty"`
	Inputs map[string]string `json:"inputs,omitempty"`
	Links  map[string]string `json:"links,omitempty"`
	// Sensors are values in their units, or absent; Counters totals; PWM levels in percent.
	Sensors  map[string]string `json:"sensors,omitempty"`
	Counters map[string]string `json:"counters,omitempty"`
	PWM      map[string]string `json:"pwm,omitempty"`
	// Started is when the agent did, States since when everything has been as it is:
	// recordings of versions before 1.0 do not have them.
	Started Seconds  `json:"started,omitempty"` // CLOCK_MONOTONIC
	States  []Lasted `json:"states,omitempty"`
	Devices []string `json:"devices,omitempty"` // what is open, as status shows it
}
