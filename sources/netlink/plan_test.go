// SPDX-License-Identifier: MIT

package netlink

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

func TestComplaints(t *testing.T) {
	for yaml, want := range map[string]string{
		"{protocol: usersok}":                                 `test.yaml:1:25: expected a protocol's name or its number, found "usersok"; did you mean "usersock"?`,
		"{protocol: 32}":                                      "1:25: no protocol 32: they are from 0 to 31",
		"{groups: [1]}":                                       "1:11: socket x: a protocol is missing, or a family of generic netlink",
		"{protocol: usersock, groups: [33]}":                  "1:43: socket x: usersock has the groups 1 to 32, and no group 33",
		"{protocol: 2, groups: 0x21}":                         "1:36: a group is a plain decimal number and not a mask: the mask 0x4 is group 3; found 0x21",
		"{protocol: 25, groups: [0]}":                         "1:38: groups are numbered 1 to 65536, found 0",
		"{protocol: 25, groups: [news]}":                      "group news: only the groups of a family of generic netlink have names",
		"{family: acpi_event, groups: [3]}":                   "write the groups of a family by name",
		"{family: acpi_event, protocol: 25}":                  "families belong to the protocol generic, not to protocol 25",
		"{protocol: 25, port: 0}":                             `expected auto or a number from 1 to 4294967295, found "0"`,
		"{protocol: 25, from: root}":                          `expected kernel, any, a port or {uid: N}, found "root"`,
		"{protocol: 25, from: {uid: root}}":                   `expected the number of a user, found "root"`,
		"{protocol: 25, decode: json}":                        `expected text, hex or attrs, found "json"`,
		"{protocol: 25, buffer: 1G}":                          `expected a size from 1K to 256M such as 64K or 1M, found "1G"`,
		"{protocol: 25, message: 2M}":                         "expected a size from 1K to 1M",
		"{protocol: 25, prot: 3}":                             `unknown key "prot"`,
		"{protocol: 25, port: 7}, y: {protocol: 25, port: 7}": "port 7 of protocol 25 is already that of socket x, at test.yaml:1:11",
	} {
		_, ps := read("netlink: {x: " + yaml + "}")
		if !ps.Failed() || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v, want %s", yaml, ps, want)
		}
	}
}

func TestDeclarations(t *testing.T) {
	p, ps := read(`
netlink:
  a: {protocol: 25, groups: [40, 2], port: 9, from: any, buffer: 64K, message: 2K, decode: [hex, attrs]}
  b: {family: acpi_event, groups: acpi_mc_group, from: 0}
`)
	if ps.Failed() {
		t.Fatal(ps)
	}
	a, b := p.Socket("a"), p.Socket("b")
	if !a.same(&settings{25, "", []group{{number: 40}, {number: 2}}, 9, 64 << 10, true}) || a.longest != 2<<10 || a.decodes(asText) || !a.decodes(asAttrs) {
		t.Errorf("%+v", a)
	}
	if !b.same(&settings{unix.NETLINK_GENERIC, "acpi_event", []group{{name: "acpi_mc_group"}}, 0, defaultBuffer, false}) || !b.decodes(asText) {
		t.Errorf("%+v", b)
	}
	if kinds := p.Subscribes(); len(kinds) != 2 {
		t.Error(kinds)
	}
	if p, _ := read("netlink: {b: {family: x}}"); p.Subscribes() != nil {
		t.Error("nlctrl tells of families; no uevent is needed")
	}
}

func TestTriggers(t *testing.T) {
	p, _ := read("netlink: {a: {protocol: 25}, a2: {protocol: 25, decode: hex, from: any}, b: {family: x, decode: attrs}}")
	for yaml, want := range map[string]string{
		"{netlink: a}":                       "a message; TYPE FLAGS SEQ PORT GROUP LENGTH TEXT",
		"{netlink: a*, is: [message, done]}": "a message, a done, a2 message, a2 done; TYPE FLAGS SEQ PORT GROUP LENGTH TEXT DATA SENDER_PID SENDER_UID",
		"{netlink: [a, b]}":                  "a message, b message; ",
		"{netlink: a2, is: error}":           "a2 error; TYPE FLAGS SEQ PORT GROUP LENGTH ERRNO TEXT DATA SENDER_PID SENDER_UID",
		"{netlink: c}":                       `test.yaml:1:11: no netlink socket "c" is declared; declared: a, a2, b`,
		"{netlink: z*}":                      `no declared netlink socket matches "z*"`,
		"{netlink: a, is: lost}":             `expected message, error or done, found "lost"`,
	} {
		if got := compiled(p, yaml); !strings.Contains(got, want) || strings.HasSuffix(want, "; ") && got != want {
			t.Errorf("%s: %q, want %q", yaml, got, want)
		}
	}
}

// compiled returns what a trigger matches and its fields, or the complaints.
func compiled(p *Plan, yaml string) string {
	ps := &config.Problems{}
	n, _ := config.Parse("test.yaml", []byte(yaml), ps)
	fields, compile := p.Triggers()[0].New()
	config.Object(fields...).Read(n, ps)
	var tr sources.Trigger
	compile(&tr, ps)
	if ps.Failed() {
		return ps.Error()
	}
	var topics []string
	for _, topic := range tr.Topics {
		topics = append(topics, topic.Name+" "+topic.State)
	}
	return strings.Join(topics, ", ") + "; " + strings.Join(tr.Fields, " ")
}
