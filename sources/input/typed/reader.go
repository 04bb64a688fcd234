// SPDX-License-Identifier: MIT

// Reader: from keys to whole texts.

package typed

import (
	"bytes"
	"slices"
	"time"
	"unicode/utf8"
)

// Spec says what a text is.
type Spec struct {
	Layout *Layout
	// End are the keys after which a text is complete. They are no part of it.
	End []uint16
	// Pause is the longest time between two keys of a text; 0 for any.
	Pause time.Duration
	// Max is the most characters that a text may have.
	Max int
	// Prefix and Suffix are what a text must begin and end with; they are taken
	// off.
	Prefix, Suffix string
}

// Equal reports whether s and other mean the same texts.
func (s *Spec) Equal(other *Spec) bool {
	return s.Layout == other.Layout && slices.Equal(s.End, other.End) && s.Pause == other.Pause && s.Max == other.Max &&
		s.Prefix == other.Prefix && s.Suffix == other.Suffix
}

// Outcome is what became of a text with a key.
type Outcome uint8

// The outcomes. After all but Typing the next key begins a new text.
const (
	Typing   Outcome = iota
	Complete         // Text is valid until the next call
	TooLong          // it ended, and was longer than Max
	Unfit            // it ended, and lacks the Prefix or the Suffix
	Spoilt           // it ended, and keys of it may be missing
)

// Reader puts texts together from the keys of one device. Nothing depends on
// when it is called, but on the times that it is passed.
type Reader struct {
	spec   Spec
	text   []byte
	count  int           // characters of text
	last   time.Duration // when the last key of it was pressed
	dead   *accent       // the dead key that waits for its character
	over   bool          // it is longer than Max
	spoilt bool          // keys of it may be missing
	ended  bool          // what text holds was told: the next key begins another
	down   modifiers
	caps   bool
}

// modifiers is a set of keys that are down.
type modifiers uint16

// modifierOf returns the bit of a modifier, 0 for other keys.
func modifierOf(code uint16) modifiers {
	for i, c := range [...]uint16{keyLeftShift, keyRightShift, keyRightAlt, keyLeftCtrl, keyRightCtrl, keyLeftAlt, keyLeftMeta, keyRightMeta} {
		if c == code {
			return 1 << i
		}
	}
	return 0
}

const (
	shiftKeys modifiers = 1<<0 | 1<<1
	altGrKey  modifiers = 1 << 2
	ctrlKeys  modifiers = 1<<3 | 1<<4
	otherKeys modifiers = 1<<5 | 1<<6 | 1<<7
)

// New returns a reader of what spec says, for a device that is listened to since
// the time at. isDown reports which keys are down.
func New(spec Spec, at time.Duration, isDown func(code uint16) bool) *Reader {
	r := &Reader{spec: spec, text: make([]byte, 0, spec.Max*utf8.UTFMax)}
	r.Spoil(at, isDown)
	if spec.Pause == 0 {
		r.spoilt = false // or else the first text would never be read
	}
	return r
}

// Spec returns what the reader was made with.
func (r *Reader) Spec() *Spec { return &r.spec }

// Len returns the number of characters that were typed of a text that is not
// complete.
func (r *Reader) Len() int {
	if r.ended {
		return 0
	}
	return r.count
}

// Text returns the text that is complete, without prefix and suffix.
func (r *Reader) Text() []byte {
	return r.text[len(r.spec.Prefix) : len(r.text)-len(r.spec.Suffix)]
}

// Spoil says that keys before the time at may be missing. A text of which more
// keys follow before the Pause is over is worth nothing.
func (r *Reader) Spoil(at time.Duration, isDown func(code uint16) bool) {
	r.begin()
	r.spoilt, r.last, r.down = true, at, 0
	for code := uint16(0); code <= keyRightMeta; code++ {
		if m := modifierOf(code); m != 0 && isDown(code) {
			r.down |= m
		}
	}
}

func (r *Reader) begin() {
	r.text, r.count, r.dead = r.text[:0], 0, nil
	r.over, r.spoilt, r.ended = false, false, false
}

// Takes reports whether the key types part of a text, so that whoever sees it
// pressed learns of the text.
func (r *Reader) Takes(code uint16) bool {
	return !slices.Contains(r.spec.End, code) && (code == keyBackspace || r.spec.Layout.char(code, false, false, false) != 0)
}

// Release tells the reader that a key was released.
func (r *Reader) Release(code uint16) { r.down &^= modifierOf(code) }

// Press tells it that a key was pressed at the time at, of any clock. It
// allocates nothing.
func (r *Reader) Press(at time.Duration, code uint16) Outcome {
	if r.ended || r.spec.Pause > 0 && at-r.last > r.spec.Pause {
		r.begin()
	}
	r.last = at
	switch m := modifierOf(code); {
	case m != 0:
		r.down |= m
	case slices.Contains(r.spec.End, code):
		return r.end()
	case code == keyCapsLock:
		r.caps = !r.caps
	case code == keyEsc:
		spoilt := r.spoilt
		r.begin()
		r.spoilt = spoilt
	case code == keyBackspace:
		r.erase()
	default:
		r.press(code)
	}
	return Typing
}

// press adds what the key types, if it types anything.
func (r *Reader) press(code uint16) {
	altGr := r.down&altGrKey != 0
	if r.down&otherKeys != 0 || altGr && !r.spec.Layout.hasAltGr() {
		return
	}
	c := r.spec.Layout.char(code, r.down&shiftKeys != 0, altGr, r.caps)
	if r.down&ctrlKeys != 0 {
		c = control(c)
	}
	accent := accentOf(c)
	switch {
	case c == 0:
	case r.dead != nil:
		r.compose(c, accent)
	case accent != nil:
		r.dead = accent
	default:
		r.add(c)
	}
}

// control returns the character that c types with Ctrl, 0 for none: scanners
// type the separators of GS1 codes in this way.
func control(c rune) rune {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= '_' {
		return c & 0x1f
	}
	return 0
}

// compose adds what the dead key before and c type. next is the accent of c, if
// that is a dead key itself.
func (r *Reader) compose(c rune, next *accent) {
	dead := r.dead
	r.dead = nil
	composed := dead.with(c)
	switch {
	case composed != 0:
		r.add(composed)
	case c == ' ' || next == dead:
		r.addString(dead.plain)
	default:
		r.addString(dead.plain)
		if r.dead = next; next == nil {
			r.add(c)
		}
	}
}

func (r *Reader) addString(s string) {
	for _, c := range s {
		r.add(c)
	}
}

func (r *Reader) add(c rune) {
	if r.count == r.spec.Max {
		r.over = true
		return
	}
	r.text = utf8.AppendRune(r.text, c)
	r.count++
}

// erase takes the last character off.
func (r *Reader) erase() {
	if r.dead != nil {
		r.dead = nil
		return
	}
	_, size := utf8.DecodeLastRune(r.text)
	r.text = r.text[:len(r.text)-size]
	r.count = utf8.RuneCount(r.text)
}

// end completes the text. One without any character is none.
func (r *Reader) end() Outcome {
	if r.dead != nil {
		r.addString(r.dead.plain)
	}
	r.ended = true
	switch text := r.text; {
	case r.spoilt:
		return Spoilt
	case r.over:
		return TooLong
	case len(text) == 0:
		return Typing
	case len(text) <= len(r.spec.Prefix)+len(r.spec.Suffix),
		!bytes.HasPrefix(text, []byte(r.spec.Prefix)), !bytes.HasSuffix(text, []byte(r.spec.Suffix)):
		return Unfit
	}
	return Complete
}
