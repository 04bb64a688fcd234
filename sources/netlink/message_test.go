// SPDX-License-Identifier: MIT

package netlink

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"plain":              "plain",
		"with NUL\x00\x00":   "with NUL",
		"old\x00rubbish\xff": "old",
		"line\n\x00":         "line",
		"two\nlines\n\n":     `two\x0alines\x0a`,
		"tab\tstays":         "tab\tstays",
		"Grüße":              "Grüße",
		"\x1b[2J\x7f":        `\x1b[2J\x7f`,
		"bad \xc3 UTF-8":     `bad \xc3 UTF-8`,
		"\u202eevil":         `\xe2\x80\xaeevil`,
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestAttributesBecomeFields(t *testing.T) {
	var b []byte
	b = nl.AppendAttr(b, 1, []byte("text\x00"))
	b = nl.AppendAttr(b, 2, order.AppendUint32(nil, 77))
	b = nl.AppendAttr(b, 3|unix.NLA_F_NET_BYTEORDER, []byte{1, 2})
	b = nl.AppendAttr(b, 4|unix.NLA_F_NESTED, nl.AppendAttr(nil, 9, []byte{5}))
	b = nl.AppendAttr(b, 5, nil)
	b = nl.AppendAttr(b, 1, []byte("twice\x00"))
	b = nl.AppendAttr(b, 6, []byte("a\x00b\x00"))
	s := Open(sources.Host{})
	sound := s.addAttrs(b)
	var got []string
	for _, f := range s.fields {
		got = append(got, f.Name+"="+f.Value.String())
	}
	want := []string{"ATTR_1=text", "ATTR_2=4d000000", "ATTR_2_INT=77", "ATTR_3=0102", "ATTR_3_INT=258",
		"ATTR_4=0500090005000000", "ATTR_4_INT=21474836480", "ATTR_5=", "ATTR_6=61006200", "ATTR_6_INT=6422625"}
	if order.Uint32([]byte{1, 0, 0, 0}) == 1 { // the bytes above are little-endian
		got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "ATTR_4_INT") })
		want = slices.DeleteFunc(want, func(s string) bool { return strings.HasPrefix(s, "ATTR_4_INT") })
		if !sound || !slices.Equal(got, want) {
			t.Errorf("%v %q, want %q", sound, got, want)
		}
	}
	for range 1000 {
		b = nl.AppendAttr(b, uint16(len(b)), nil)
	}
	s.fields = nil
	if s.addAttrs(b); len(s.fields) > 2*mostAttrs {
		t.Errorf("%d fields", len(s.fields))
	}
}

func TestFindFamilyKnowsNlctrl(t *testing.T) {
	f, err := findFamily("nlctrl")
	if err != nil {
		t.Fatal(err)
	}
	if f.number != unix.GENL_ID_CTRL || !slices.Contains(f.groups, groupID{"notify", notifyGroup}) {
		t.Errorf("%+v", f)
	}
	err = f.joinAll(&nl.Socket{FD: -1}, []group{{name: "notifi"}})
	if err == nil || !strings.Contains(err.Error(), `the family has no such group; did you mean "notify"?`) {
		t.Error(err)
	}
}

func TestInodeOf(t *testing.T) {
	const table = `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
00000000ec651eef 25  0          00000000 0        0        0     2        0        4
00000000ec651eef 2   77         00000000 0        0        0     2        0        5
00000000ec651eef 25  77         00000000 0        0        0     2        0        6
`
	if got := inodeOf(table, 25, 77); got != "6" {
		t.Error(got)
	}
	if got := inodeOf(table, 3, 77); got != "" {
		t.Error(got)
	}
}

// FuzzMessages reads datagrams in all the ways that there are.
func FuzzMessages(f *testing.F) {
	f.Add([]byte{})
	f.Add(message(16, "text"))
	f.Add(append(message(16, "text"), 0, 0, 0))
	f.Add(bytes.Repeat(message(16, ""), 4096))
	f.Add(familyRequest("nlctrl").Append(nil))
	f.Add(message(unix.NLMSG_ERROR, strings.Repeat("\xff", 40)))
	nested := []byte{1}
	for range 1000 { // for ever, as far as 16 bits go
		nested = nl.AppendAttr(nil, unix.NLA_F_NESTED|unix.CTRL_ATTR_MCAST_GROUPS, nested)
	}
	f.Add(message(unix.GENL_ID_CTRL, "\x01\x02\x00\x00"+string(nested)))
	f.Add(message(unix.GENL_ID_CTRL, "\x01\x02\x00\x00"+strings.Repeat("\x04\x00\x07\x00", 4096)))
	refusal := append([]byte{1, 0, 0, 0}, message(17, "asked")...)
	f.Add(nl.Message{Type: unix.NLMSG_ERROR, Flags: unix.NLM_F_ACK_TLVS, Body: refusal}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for m := range nl.Datagram(b).Each {
			if a, err := nl.ParseAnswer(m); err == nil && !utf8.ValidString(describe(a)) {
				t.Errorf("%q is no text", describe(a))
			}
			_, _ = parseFamily(m)
			_, _ = parseNews(m.Body)
			s := Open(sources.Host{})
			s.addAttrs(m.Body)
			for _, field := range s.fields {
				if !sources.ValidField(field.Name) || !utf8.ValidString(field.Value.String()) {
					t.Errorf("field %q is %q", field.Name, field.Value)
				}
			}
			if text := printable(m.Body); !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\n") {
				t.Errorf("%q is no text", text)
			}
		}
	})
}
