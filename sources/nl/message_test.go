// SPDX-License-Identifier: MIT

package nl

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func message(kind uint16, text string) []byte {
	return Message{Type: kind, Seq: 7, Body: []byte(text)}.Append(nil)
}

// split returns the bodies of a datagram, and the error at its end.
func split(b []byte) (bodies []string, err error) {
	for m, e := range Datagram(b).Each {
		if e == nil {
			bodies = append(bodies, string(m.Body))
		}
		err = e
	}
	return bodies, err
}

func TestMessages(t *testing.T) {
	spoiled := func(length uint32) []byte {
		b := message(16, "abcd")
		order.PutUint32(b, length)
		return b
	}
	one := message(16, "one")
	padded := append(slices.Clone(one), 0)
	for what, test := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":             {nil, "[] <nil>"},
		"one":                 {one, "[one] <nil>"},
		"one and its padding": {padded, "[one] <nil>"},
		"two":                 {append(slices.Clone(padded), message(3, "")...), "[one ] <nil>"},
		"three bytes after":   {append(slices.Clone(padded), 1, 2, 3), "[one] trailing bytes"},
		"four bytes after":    {append(slices.Clone(padded), 1, 2, 3, 4), "[one] a length that does not fit"},
		"half a header":       {one[:headerSize-1], "[] a length that does not fit"},
		"length 0":            {spoiled(0), "[] a length that does not fit"},
		"length 15":           {spoiled(15), "[] a length that does not fit"},
		"length too much":     {spoiled(21), "[] a length that does not fit"},
		"length at the end":   {spoiled(20), "[abcd] <nil>"},
		"length 2 GiB":        {spoiled(1 << 31), "[] a length that does not fit"},
		"length 4 GiB":        {spoiled(1<<32 - 1), "[] a length that does not fit"},
		"good and bad":        {append(slices.Clone(padded), spoiled(99)...), "[one] a length that does not fit"},
	} {
		bodies, err := split(test.b)
		if got := fmt.Sprint(bodies, " ", err); got != test.want {
			t.Errorf("%s: %s, want %s", what, got, test.want)
		}
	}
	for m := range Datagram(Message{1, 2, 3, 4, []byte("x")}.Append(nil)).Each {
		if m.Type != 1 || m.Flags != 2 || m.Seq != 3 || m.Port != 4 || string(m.Body) != "x" {
			t.Errorf("%+v", m)
		}
	}
}

func TestAttributes(t *testing.T) {
	var b []byte
	b = AppendAttr(b, 1, []byte("text\x00rest"))
	b = AppendAttr(b, 2, order.AppendUint32(nil, 77))
	b = AppendAttr(b, 3|unix.NLA_F_NET_BYTEORDER, []byte{1, 2})
	b = AppendAttr(b, 4|unix.NLA_F_NESTED, AppendAttr(nil, 9, []byte{5}))
	b = AppendAttr(b, 5, nil)
	b = AppendAttr(b, 6, order.AppendUint64(nil, 1<<40))
	var got []string
	for a, err := range Attributes(b).Each {
		n, ok := a.Int()
		got = append(got, fmt.Sprint(a.Type, a.Nested, a.BigEndian, len(a.Value), " ", a.Text()[:min(4, len(a.Text()))], n, ok, err))
		if a.Type == 4 {
			for a := range Attributes(a.Value).Each {
				got = append(got, fmt.Sprint("nested ", a.Type, a.Value))
			}
		}
	}
	want := []string{
		"1 false false 9 text0 false <nil>", "2 false false 4 M77 true <nil>", "3 false true 2 \x01\x02258 true <nil>",
		"nested 9 [5]", "5 false false 0 0 false <nil>", fmt.Sprint("6 false false 8 ", int64(1<<40), " true <nil>"),
	}
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "4 ") })
	if order.Uint16([]byte{1, 0}) == 1 && !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAttributesWithWrongLengths(t *testing.T) {
	good := AppendAttr(nil, 1, []byte{1, 2, 3, 4})
	spoiled := func(length uint16) []byte {
		b := slices.Clone(good)
		order.PutUint16(b, length)
		return b
	}
	for what, test := range map[string]struct {
		b    []byte
		want error
	}{
		"good":        {good, nil},
		"length 0":    {spoiled(0), ErrLength},
		"length 3":    {spoiled(3), ErrLength},
		"length 9":    {spoiled(9), ErrLength},
		"length 7":    {spoiled(7), nil}, // padded
		"length most": {spoiled(1<<16 - 1), ErrLength},
		"header cut":  {good[:3], ErrTrailing},
		"value cut":   {good[:7], ErrLength},
		"trailing":    {append(slices.Clone(good), 4, 0), ErrTrailing},
	} {
		var last error
		for _, err := range Attributes(test.b).Each {
			last = err
		}
		if last != test.want {
			t.Errorf("%s: %v, want %v", what, last, test.want)
		}
	}
}

// What a loop over messages leaves early is not gone on with.
func TestIterationEndsEarly(t *testing.T) {
	b := append(message(1, "a"), make([]byte, 3)...)
	b = append(b, message(2, "b")...)
	for m := range Datagram(b).Each {
		if m.Type != 1 {
			t.Error("went on")
		}
		break
	}
	for a := range Attributes(append(AppendAttr(nil, 1, nil), 1)).Each {
		if a.Type != 1 {
			t.Error("went on")
		}
		break
	}
}

func TestSplittingAllocatesNothing(t *testing.T) {
	body := AppendAttr(AppendAttr(nil, 1, []byte("text")), 2|unix.NLA_F_NESTED, AppendAttr(nil, 3, []byte{1, 2, 3, 4}))
	b := append(message(16, string(body)), message(17, string(body))...)
	sum := int64(0)
	allocs := testing.AllocsPerRun(100, func() {
		for m, err := range Datagram(b).Each {
			if err != nil {
				t.Error(err)
			}
			for a := range Attributes(m.Body).Each {
				for nested := range Attributes(a.Value).Each {
					n, _ := nested.Int()
					sum += n
				}
			}
		}
	})
	if allocs != 0 || sum == 0 {
		t.Errorf("%v allocations, sum %d", allocs, sum)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte{})
	f.Add(message(16, "text"))
	f.Add(append(message(16, "text"), 0, 0, 0))
	f.Add(bytes.Repeat(message(16, ""), 4096))
	f.Add(message(unix.NLMSG_ERROR, strings.Repeat("\xff", 40)))
	nested := []byte{1}
	for range 1000 { // for ever, as far as 16 bits go
		nested = AppendAttr(nil, unix.NLA_F_NESTED|7, nested)
	}
	f.Add(message(16, string(nested)))
	f.Add(message(16, strings.Repeat("\x04\x00\x07\x00", 4096)))
	refusal := append([]byte{1, 0, 0, 0}, message(17, "asked")...)
	f.Add(Message{Type: unix.NLMSG_ERROR, Flags: unix.NLM_F_ACK_TLVS, Body: refusal}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		taken := 0
		for m, err := range Datagram(b).Each {
			if err != nil {
				continue
			}
			if taken += headerSize + len(m.Body); taken > len(b) {
				t.Fatalf("%d bytes of %d", taken, len(b))
			}
			if again, _ := split(m.Append(nil)); len(again) != 1 || again[0] != string(m.Body) {
				t.Errorf("%q comes back as %q", m.Body, again)
			}
			answer, err := ParseAnswer(m)
			if err == nil && strings.Contains(answer.Text, "\x00") {
				t.Errorf("answer %+v", answer)
			}
			descend(t, m.Body, 0)
		}
	})
}

// descend reads b as attributes within attributes.
func descend(t *testing.T, b []byte, depth int) {
	taken := 0
	for a, err := range Attributes(b).Each {
		if err != nil {
			continue
		}
		if taken += attrHeaderSize + len(a.Value); taken > len(b) {
			t.Fatalf("%d bytes of %d, %d deep", taken, len(b), depth)
		}
		if n, ok := a.Int(); !ok && n != 0 || strings.Contains(a.Text(), "\x00") {
			t.Errorf("%+v is %d %q", a, n, a.Text())
		}
		if depth < 16 {
			descend(t, a.Value, depth+1)
		}
	}
}
