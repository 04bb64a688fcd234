// SPDX-License-Identifier: MIT

package typed

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const (
	enter = 28
	ms    = time.Millisecond
)

func noneDown(uint16) bool { return false }

func spec(layout string) Spec {
	return Spec{Layout: ByName(layout), End: []uint16{enter}, Pause: 200 * ms, Max: 256}
}

// keyOf returns the code of a key by its name in XKB's keycodes, where D03 is
// the third of the row D.
func keyOf(name string) (uint16, bool) {
	firsts := map[string]int{"AE": key1, "AD": keyQ, "AC": keyA, "AB": keyZ}
	switch name {
	case "TLDE":
		return keyGrave, true
	case "BKSL":
		return keyBackslash, true
	case "LSGT":
		return key102nd, true
	}
	n, err := strconv.Atoi(name[2:])
	return uint16(firsts[name[:2]] + n - 1), err == nil && firsts[name[:2]] != 0
}

// xkb is a table of layouts as XKB writes them: key <AE01> { [ 1, exclam ] };
type xkb struct {
	t       *testing.T
	keysyms map[string]rune
	blocks  map[string]string
}

func readXKB(t *testing.T) *xkb {
	x := &xkb{t, map[string]rune{}, map[string]string{}}
	symbols, err := os.ReadFile("testdata/symbols")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`//.*`).ReplaceAllString(string(symbols), "")
	for _, m := range regexp.MustCompile(`(?s)xkb_symbols "(.*?)" \{(.*?)\n\};`).FindAllStringSubmatch(text, -1) {
		x.blocks[m[1]] = m[2]
	}
	f, err := os.Open("testdata/keysyms")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(number, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		x.keysyms[name] = rune(n)
	}
	return x
}

// char returns the character of a keysym.
func (x *xkb) char(name string) rune {
	if c, size := utf8.DecodeRuneInString(name); size == len(name) {
		return c
	}
	if c, ok := x.keysyms[name]; ok {
		return c
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(name, "U"), "0x100"), 16, 32)
	if err != nil {
		x.t.Fatalf("what is the keysym %q?", name)
	}
	return rune(n)
}

// levels returns the characters of all keys of a block, and of those that it
// includes.
func (x *xkb) levels(block string) map[uint16][4]rune {
	all := map[uint16][4]rune{}
	statement := regexp.MustCompile(`(?s)include "(\w+)(\(\w+\))?"|key <(\w+)>\s*\{(.*?)\}\s*;`)
	for _, m := range statement.FindAllStringSubmatch(x.blocks[block], -1) {
		if m[1] == "latin" {
			variant := m[2]
			if variant == "" {
				variant = "(basic)"
			}
			for code, chars := range x.levels("latin" + variant) {
				all[code] = chars
			}
			continue
		}
		code, ok := keyOf(m[3] + "   ")
		if m[3] != "" {
			code, ok = keyOf(m[3])
		}
		if !ok {
			continue
		}
		list := regexp.MustCompile(`\[([^\[\]]*,[^\[\]]*)\]`).FindStringSubmatch(m[4])[1]
		chars := all[code]
		for i, name := range strings.Split(list, ",") {
			if i < len(chars) {
				chars[i] = x.char(strings.TrimSpace(name))
			}
		}
		all[code] = chars
	}
	return all
}

func TestLayoutsAreXKBs(t *testing.T) {
	x := readXKB(t)
	for name, block := range map[string]string{"us": "us(basic)", "uk": "gb(basic)", "de": "de(basic)", "fr": "fr(basic)"} {
		l := ByName(name)
		keys := x.levels("pc(pc105)")
		for code, chars := range x.levels(block) {
			keys[code] = chars
		}
		if len(keys) != 48 {
			t.Fatalf("%s has %d keys, expected 48", name, len(keys))
		}
		for code, chars := range keys {
			for level := range 4 {
				want := chars[level]
				if level >= 2 && !l.hasAltGr() {
					want = chars[level-2] // AltGr is no modifier there
				}
				if got := l.char(code, level&1 != 0, level&2 != 0, false); got != want {
					t.Errorf("%s: key %d at level %d types %q, expected %q", name, code, level, got, want)
				}
			}
		}
	}
}

// keyboard types characters with a layout, as a scanner does.
type keyboard struct {
	reader *Reader
	at     time.Duration
	gap    time.Duration
	texts  []string
}

func newKeyboard(s Spec) *keyboard {
	return &keyboard{reader: New(s, 0, noneDown), at: 201 * ms, gap: ms}
}

func (k *keyboard) press(codes ...uint16) Outcome {
	outcome := Typing
	for _, code := range codes {
		k.at += k.gap
		if o := k.reader.Press(k.at, code); o != Typing {
			outcome = o
		}
		if outcome == Complete && slices.Contains(k.reader.spec.End, code) {
			k.texts = append(k.texts, string(k.reader.Text()))
		}
	}
	for _, code := range codes {
		k.reader.Release(code)
	}
	return outcome
}

// with presses code while others are down.
func (k *keyboard) with(code uint16, others ...uint16) { k.press(append(others, code)...) }

// write types text and the key that ends it.
func (k *keyboard) write(text string) Outcome {
	for _, c := range text {
		code, others := k.reader.spec.Layout.Keys(c)
		k.with(code, others...)
	}
	return k.press(k.reader.spec.End[0])
}

func TestEachLayoutTypesCodes(t *testing.T) {
	for _, tc := range []struct{ layout, text string }{
		{"us", `0123456789 ABCxyz-_+=/\|[]{}()<>?!@#$%^&*.,:;'"` + "`~"},
		{"uk", `0123456789 ABCxyz-_+=/\|[]{}()<>?!@#$%^&*.,:;'"` + "`~£€¬"},
		{"de", `0123456789 ABCxyzäöüÄÖÜß-_+=/\|[]{}()<>?!@#$%&*.,:;'"~€µ§°²³`},
		{"fr", `0123456789 ABCxyzéèçàù-_+=/\|[]{}()<>?!@#$%&*.,:;'"~€µ§°²` + "^`"},
	} {
		k := newKeyboard(spec(tc.layout))
		if k.write(tc.text); !slices.Equal(k.texts, []string{tc.text}) {
			t.Errorf("%s: typed %q, read %q", tc.layout, tc.text, k.texts)
		}
	}
}

func TestDeadKeys(t *testing.T) {
	const dead = keyEqual // dead_acute, with Shift dead_grave
	for _, tc := range []struct {
		name  string
		write func(k *keyboard)
		text  string
	}{
		{"composes", func(k *keyboard) { k.with(dead); k.with(18); k.with(dead, keyLeftShift); k.with(30, keyLeftShift) }, "éÀ"},
		{"with space is itself", func(k *keyboard) { k.with(keyGrave); k.with(57); k.with(dead); k.with(57) }, "^´"},
		{"twice is itself", func(k *keyboard) { k.with(keyGrave); k.with(keyGrave) }, "^"},
		{"before what does not compose", func(k *keyboard) { k.with(keyGrave); k.with(2) }, "^1"},
		{"before another dead key", func(k *keyboard) { k.with(keyGrave); k.with(dead); k.with(18) }, "^é"},
		{"before the end", func(k *keyboard) { k.with(2); k.with(keyGrave) }, "1^"},
		{"erased", func(k *keyboard) { k.with(2); k.with(keyGrave); k.press(keyBackspace); k.with(18) }, "1e"},
	} {
		k := newKeyboard(spec("de"))
		tc.write(k)
		if k.press(enter); !slices.Equal(k.texts, []string{tc.text}) {
			t.Errorf("%s: read %q, expected %q", tc.name, k.texts, tc.text)
		}
	}
}

func TestModifiersAndEditing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		layout string
		do     func(k *keyboard)
		text   string
	}{
		{"right Shift", "us", func(k *keyboard) { k.with(30, keyRightShift); k.with(30) }, "Aa"},
		{"Caps Lock counts for letters", "de", func(k *keyboard) { k.press(keyCapsLock); k.with(30); k.with(2); k.with(39); k.with(30, keyLeftShift) }, "A1Öa"},
		{"Alt and Meta type nothing", "us", func(k *keyboard) { k.with(30, keyLeftAlt); k.with(30, keyLeftMeta); k.with(2) }, "1"},
		{"AltGr of a layout without types nothing", "us", func(k *keyboard) { k.with(30, keyRightAlt); k.with(2) }, "1"},
		{"Ctrl types control characters", "us", func(k *keyboard) { k.with(2); k.with(keyRightBrace, keyLeftCtrl); k.with(2, keyLeftCtrl); k.with(3) }, "1\x1d2"},
		{"Backspace", "us", func(k *keyboard) { k.press(keyBackspace, 2, 3, keyBackspace, 4) }, "13"},
		{"Esc", "us", func(k *keyboard) { k.press(2, 3, keyEsc, 4) }, "3"},
		{"keypad", "us", func(k *keyboard) { k.press(79, 82, 83, 78) }, "10.+"},
		{"Tab and Space", "us", func(k *keyboard) { k.press(15, 57, 2) }, "\t 1"},
		{"keys without characters", "us", func(k *keyboard) { k.press(2, 59, 115, 0x2ff, 3) }, "12"},
	} {
		k := newKeyboard(spec(tc.layout))
		tc.do(k)
		if k.press(enter); !slices.Equal(k.texts, []string{tc.text}) {
			t.Errorf("%s: read %q, expected %q", tc.name, k.texts, tc.text)
		}
	}
}

func TestPauseDiscards(t *testing.T) {
	k := newKeyboard(spec("us"))
	k.press(2, 3)
	k.at += 200 * ms // and a millisecond more with the next key
	if got := k.press(4, enter); got != Complete || k.texts[0] != "3" {
		t.Errorf("%v, read %q", got, k.texts)
	}
	k.press(2, 3)
	k.at += 200 * ms
	if got := k.press(enter); got != Typing || len(k.texts) != 1 {
		t.Errorf("after a pause the end key alone made %v, read %q", got, k.texts)
	}
	k.press(2)
	k.at += 199 * ms
	k.press(3, enter)
	if k.texts[1] != "12" {
		t.Errorf("a shorter pause made %q", k.texts)
	}
	s := spec("us")
	s.Pause = 0
	k = newKeyboard(s)
	k.press(2)
	k.at += time.Hour
	if k.press(3, enter); k.texts[0] != "12" {
		t.Errorf("without pause: %q", k.texts)
	}
}

func TestMaxPrefixAndSuffix(t *testing.T) {
	s := spec("us")
	s.Max, s.Prefix, s.Suffix = 6, "]c", "#"
	for _, tc := range []struct {
		typed string
		want  Outcome
		text  string
	}{
		{"]c123#", Complete, "123"}, {"]c1234#", TooLong, ""}, {"c123#", Unfit, ""}, {"]c123", Unfit, ""}, {"]c#", Unfit, ""}, {"]c1#", Complete, "1"},
	} {
		k := newKeyboard(s)
		if got := k.write(tc.typed); got != tc.want || tc.text != strings.Join(k.texts, " ") {
			t.Errorf("%q: %v, read %q", tc.typed, got, k.texts)
		}
		// Whatever became of it, the next text is whole.
		if k.texts = nil; k.write("]c77#") != Complete || k.texts[0] != "77" {
			t.Errorf("after %q: read %q", tc.typed, k.texts)
		}
	}
}

// What may have begun before it was listened to, or lost keys, is no text.
func TestSpoiltTexts(t *testing.T) {
	s := spec("us")
	r := New(s, time.Second, noneDown)
	k := &keyboard{reader: r, at: time.Second, gap: ms}
	if got := k.press(2, 3, enter); got != Spoilt || k.texts != nil {
		t.Errorf("typed as it was opened: %v, read %q", got, k.texts)
	}
	if got := k.press(2, 3, enter); got != Complete || k.texts[0] != "12" {
		t.Errorf("the next: %v, read %q", got, k.texts)
	}
	k.press(2, 3)
	if r.Len() != 2 {
		t.Errorf("Len is %d", r.Len())
	}
	r.Spoil(k.at, func(code uint16) bool { return code == keyRightShift })
	if got := k.press(4, keyEsc, 5, enter); got != Spoilt || len(k.texts) != 1 {
		t.Errorf("the rest of one that lost keys: %v, read %q", got, k.texts)
	}
	r.Spoil(k.at, func(code uint16) bool { return code == keyRightShift })
	k.at += 200 * ms
	if got := k.press(30, enter); got != Complete || k.texts[1] != "A" {
		t.Errorf("after a pause, with Shift down: %v, read %q", got, k.texts)
	}
	s.Pause = 0
	k = &keyboard{reader: New(s, time.Second, noneDown), at: time.Second, gap: ms}
	if k.press(2, enter); !slices.Equal(k.texts, []string{"1"}) {
		t.Errorf("without pause the first text is %q", k.texts)
	}
}

func TestTakes(t *testing.T) {
	s := spec("us")
	s.End = []uint16{enter, 15}
	r := New(s, 0, noneDown)
	for code, want := range map[uint16]bool{2: true, 57: true, keyBackspace: true, enter: false, 15: false, keyLeftShift: false, 59: false, 0x2ff: false} {
		if r.Takes(code) != want {
			t.Errorf("Takes(%d) is %t", code, !want)
		}
	}
}

func TestPressAllocatesNothing(t *testing.T) {
	for _, l := range Layouts {
		k := New(spec(l.Name), 0, noneDown)
		if n := testing.AllocsPerRun(100, func() {
			for code := uint16(0); code < 256; code++ {
				k.Press(0, code)
				k.Release(code)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", l.Name, n)
		}
	}
}

// Whatever keys come at whatever times, a text is valid, is not longer than it
// may be, and has no character that was not typed after the last one ended.
func FuzzReader(f *testing.F) {
	f.Add([]byte{2, 0, 3, 0, enter, 0}, uint8(0))
	f.Add([]byte{keyGrave, 1, 18, 1, enter, 1, keyBackspace, 9, enter, 0}, uint8(2))
	f.Fuzz(func(t *testing.T, keys []byte, layout uint8) {
		s := Spec{Layout: Layouts[int(layout)%len(Layouts)], End: []uint16{enter, 96}, Pause: 100 * ms, Max: 8}
		r := New(s, 0, noneDown)
		at, since := time.Duration(0), 0
		for ; len(keys) >= 2; keys = keys[2:] {
			code, flags := uint16(keys[0]), keys[1]
			at += time.Duration(flags&0x7f) * ms
			if flags&0x80 != 0 {
				r.Release(code)
				continue
			}
			since++
			switch r.Press(at, code) {
			case Typing:
				continue
			case Complete:
				text := r.Text()
				if n := utf8.RuneCount(text); !utf8.Valid(text) || n == 0 || n > s.Max || n > since {
					t.Fatalf("%q of %d keys", text, since)
				}
			}
			if r.Len() != 0 {
				t.Fatal("something is left of a text that ended")
			}
			since = 0
		}
	})
}
