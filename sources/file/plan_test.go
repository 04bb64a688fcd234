// SPDX-License-Identifier: MIT

package file

import (
	"slices"
	"strings"
	"testing"

	"reflexd/config"
	"reflexd/sources"
)

func TestCheckComplains(t *testing.T) {
	for yaml, want := range map[string]string{
		"files: {a: {path: dev/x}}":                                                  "the path must be absolute",
		"files: {a: {}}":                                                             `the key "path" is missing`,
		"files: {a: {path: /sys/x}}":                                                 "send no SIGIO: use `watch: priority`",
		"files: {a: {path: /x, watch: epol}}":                                        `found "epol"; did you mean "epoll"?`,
		"files: {a: {path: /x, watch: priority, read: line}}":                        "with `watch: priority` read is all or none",
		"files: {a: {path: /x, watch: epoll, read: all}}":                            "events would never end",
		"files: {a: {path: /x, arm: some}}":                                          "arm goes with `watch: priority`",
		"files: {a: {path: /x, watch: epoll, signal: SIGRTMIN+3}}":                   "signal goes with `watch: sigio`",
		"files: {a: {path: /x, signal: SIGUSR1}}":                                    "SIGUSR1 does not queue",
		"files: {a: {path: /x, signal: SIGTERM}}":                                    "stops the agent",
		"files: {a: {path: /x, max: 0}}":                                             "an integer from 1 to 65536",
		"files: {a: {path: /x, events: created}}":                                    "events goes with `watch: changes`",
		"files: {a: {path: /x, watch: changes, events: renamed}}":                    `found "renamed"`,
		"files: {a: {path: /x, serial: {}}}":                                         `the key "speed" is missing`,
		"files: {a: {path: /x, serial: {speed: 9600, mode: 8X1}}}":                   "such as 8N1 or 7E1",
		"files: {a: {path: /x, serial: {speed: 9600}, watch: sigio}}":                "with serial watch is epoll",
		"files: {a: {path: /x, serial: {speed: 9600}, read: all}}":                   "events would never end",
		"files: {a: {path: /x, read: record, end: x}}":                               "start and end go with `read: line`",
		"files: {a: {path: /x, read: line, gap: 1s}}":                                "length and gap go with `read: record`",
		"files: {a: {path: /x, length: 5000}}":                                       "length: 5000 is more than max: 4096",
		"files: {a: {path: /x, read: line, end: ''}}":                                "a string of 1 to 16 bytes",
		"files: {'a*': {path: /x}}":                                                  "looks like a pattern",
		"rules: [{file: a}]":                                                         "no file \"a\" is declared; declare it: files: {a: {path: …}}",
		"files: {sensor: {path: /x}}\nrules: [{file: senosr}]":                       `did you mean "sensor"?`,
		"files: {sensor: {path: /x}}\nrules: [{file: 'q*'}]":                         "; declared: sensor",
		"files: {a: {path: /x}}\nrules: [{file: a, is: changed}]":                    "f:2:23: changed never happens: a has `watch: sigio`, which reports readable, writable, urgent, hung-up",
		"files: {a: {path: /x, watch: changes}}\nrules: [{file: a, is: [readable]}]": "which reports changed",
		"files: {a: {path: /x}}\nrules: [{file: a, is: redable}]":                    `did you mean "readable"?`,
	} {
		if _, ps := compile("", yaml); !ps.Failed() || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %q lacks %q", yaml, ps.Error(), want)
		}
	}
}

func TestTriggerTopics(t *testing.T) {
	const files = "{a: {path: /a}, b: {path: /b, watch: priority}, c: {path: /c, watch: changes}, d: {path: /d, watch: epoll, read: none}}"
	for yaml, want := range map[string]string{
		"{file: a}":                          "a/readable: BAND CODE DATA FILE PATH SYNTHETIC TEXT TRUNCATED",
		"{file: '*'}":                        "a/readable b/changed c/changed d/readable: BAND CODE DATA EVENT FILE NAME PATH SYNTHETIC TEXT TRUNCATED",
		"{file: [d, b], is: [urgent]}":       "d/urgent b/changed: BAND CODE DATA FILE PATH SYNTHETIC TEXT TRUNCATED",
		"{file: a, is: [hung-up, writable]}": "a/hung-up a/writable: BAND CODE FILE PATH SYNTHETIC",
		"{file: c, is: changed}":             "c/changed: EVENT FILE NAME PATH SYNTHETIC",
	} {
		p, ps := compile("", "files: "+files)
		fields, compile := p.Triggers()[0].New()
		n, _ := config.Parse("f", []byte(yaml), ps)
		config.Object(fields...).Read(n, ps)
		tr := &sources.Trigger{}
		compile(tr, ps)
		var topics []string
		for _, topic := range tr.Topics {
			topics = append(topics, topic.Name+"/"+topic.State)
		}
		slices.Sort(tr.Fields)
		if got := strings.Join(topics, " ") + ": " + strings.Join(tr.Fields, " "); ps.Failed() || got != want {
			t.Errorf("%s: %s, want %s %v", yaml, got, want, ps)
		}
	}
}

func TestCheckSignals(t *testing.T) {
	p, ps := compile("", "files: {a: {path: /a}, b: {path: /b, signal: SIGRTMIN+9}, c: {path: /c, watch: epoll}}")
	p.CheckSignals(func(n int) bool { return n == 43 }, ps)
	if got := ps.Error(); !strings.Contains(got, `warning: the file "b" sends SIGRTMIN+9`) || strings.Count(got, "\n") != 0 {
		t.Errorf("got %s", got)
	}
}

func TestOverhears(t *testing.T) {
	for yaml, want := range map[string]string{
		"files: {}": "", "files: {a: {path: /a, watch: changes}}": "",
		"files: {a: {path: /a}}": "uevent loss signal", "files: {a: {path: /a, watch: epoll}}": "uevent loss",
	} {
		p, _ := compile("", yaml)
		if got := strings.Join(p.Subscribes(), " "); got != want {
			t.Errorf("%s: %q, want %q", yaml, got, want)
		}
	}
}
