// SPDX-License-Identifier: MIT

package agent

import (
	"encoding/json"
	"strings"
	"testing"

	"reflexd/agent/control"
	"reflexd/client"
)

// ask does what the verb emit does.
func (r *rig) ask(name, arguments string) (client.Emitted, error) {
	r.t.Helper()
	var sent client.Emitted
	err := client.Call(r.agent.opts.Socket, client.Request{Verb: "emit", Name: name, Arguments: json.RawMessage(arguments)}, &sent, patience)
	return sent, err
}

func TestEmitOverTheSocket(t *testing.T) {
	r := start(t, `
rules:
  - {when: {event: copy}, do: {log: "copy of ${FROM:-nothing} by ${REFLEXD_SOURCE}"}}
  - {when: {event: copy, where: {FROM: sd*}}, do: {log: "a disk, ${FROM}"}}
  - {name: off, when: {event: copy}, enabled: false, do: {log: "never"}}
  - {when: {event: talk}, do: {log: talk}}
`)
	for _, c := range []struct {
		arguments string
		want      client.Emitted
		log       string
	}{
		{``, client.Emitted{Listening: 3, Taking: 2, Disabled: 1}, `copy of nothing by event:copy`},
		{`{"fields": {"FROM": "sda"}}`, client.Emitted{Listening: 3, Taking: 3, Disabled: 1}, "a disk, sda"},
		{`{"fields": {"FROM": "Ü $X"}}`, client.Emitted{Listening: 3, Taking: 2, Disabled: 1}, "copy of Ü $X"},
	} {
		sent, err := r.ask("copy", c.arguments)
		if err != nil || sent != c.want {
			t.Error(c.arguments, sent, err)
		}
		r.expect(c.log)
	}
	for _, c := range []struct{ name, arguments, want string }{
		{"cpoy", "", `no rule matches an event "cpoy"; did you mean "copy"?`},
		{"nothing like it", "", "rules match: copy, talk"},
		{"", "", "the event has no name"},
		{"a\nb", "", "unprintable"},
		{"copy", `{"fields": {"REFLEXD_RULE": "x"}}`, "are reserved"},
		{"copy", `{"fields": {"PATH": "x"}}`, "the field PATH: an environment variable of that name changes what programs do"},
		{"copy", `{"fields": {"LD_PRELOAD": "x"}}`, "changes what programs do"},
		{"copy", `{"fields": {"from": "x"}}`, "write it in upper case, FROM"},
		{"copy", `{"fields": {"A=B": "x"}}`, "cannot name an event field"},
		{"copy", `{"fields": {"A": "x\u0000y"}}`, "holds a NUL"},
		{"copy", `{"fields": [1]}`, "arguments of emit"},
		{"copy", `{"fields": {"A": "` + strings.Repeat("x", 4096) + `"}}`, "more than 4096 bytes"},
	} {
		if _, err := r.ask(c.name, c.arguments); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %.60s: %v, want %s", c.name, c.arguments, err, c.want)
		}
	}
	if n := r.count("copy of"); n != 3 {
		t.Error(n, "were sent")
	}
}

// FuzzEmit holds that whatever is asked is answered, and that what is sent
// has fields that a program can be given.
func FuzzEmit(f *testing.F) {
	r := start(f, `rules: [{when: {event: a}, do: {log: x}}]`)
	f.Add("a", `{"fields": {"A": "x"}}`)
	f.Add("a", `{"fields": {"A": 1}}`)
	f.Add("\x00", `{}`)
	f.Add("a", `{"fields": {"LD_A": ""}}`)
	f.Add("a", `null`)
	f.Add("b", `[`)
	f.Fuzz(func(t *testing.T, name, arguments string) {
		answers := 0
		done := make(chan struct{})
		r.agent.loop.Post(func() {
			defer close(done)
			e, err := r.agent.requestedEvent(control.Request{Request: client.Request{Name: name, Arguments: json.RawMessage(arguments)}})
			if err == nil {
				for _, field := range e.Fields {
					if strings.ContainsAny(field.Name, "=\x00") || strings.Contains(field.Value.String(), "\x00") {
						t.Errorf("%q", field)
					}
				}
			}
			r.agent.emitOnRequest(control.Request{Request: client.Request{Name: name, Arguments: json.RawMessage(arguments)}}, func(any, error) { answers++ })
		})
		<-done
		if answers != 1 {
			t.Error(answers, "answers")
		}
	})
}
