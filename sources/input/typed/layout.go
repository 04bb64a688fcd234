// SPDX-License-Identifier: MIT

// Package typed turns the keys of a keyboard, a scanner of barcodes or a reader
// of RFID tags into the text that they type: pure functions of key codes and
// time.
//
// This file has the layouts: which character each key types. They are those of
// xkeyboard-config 2.35.1, symbols/us, gb, de, fr, latin and pc, each in its
// variant "basic"; the test compares them with its text.
package typed

import (
	"strings"
	"unicode"
)

// Layout says which character each key types.
type Layout struct {
	Name string
	// levels are the characters of the keys without a modifier, with Shift, with
	// AltGr and with both, in the order of position. A space stands for none, and
	// a combining character for a dead key.
	levels [4]string
}

// Layouts are those that there are.
var Layouts = [...]*Layout{
	{"us", [4]string{
		"`1234567890-=" + "qwertyuiop[]" + "asdfghjkl;'\\" + "<zxcvbnm,./",
		"~!@#$%^&*()_+" + "QWERTYUIOP{}" + "ASDFGHJKL:\"|" + ">ZXCVBNM<>?"}},
	{"uk", [4]string{
		"`1234567890-=" + "qwertyuiop[]" + "asdfghjkl;'#" + "\\zxcvbnm,./",
		"¬!\"£$%^&*()_+" + "QWERTYUIOP{}" + "ASDFGHJKL:@~" + "|ZXCVBNM<>?",
		"|¹²³€½¾{[]}\\\u0327" + "@ſe¶ŧ←↓→øþ\u0308\u0303" + "æßðđŋħ\u0309ĸł\u0301\u0302\u0300" + "|«»¢„“”µ•·\u0323",
		"|¡⅛£¼⅜⅝⅞™±°¿\u0328" + "Ω§E®Ŧ¥↑ıØÞ\u030a\u0304" + "ÆẞÐªŊĦ\u031b&Ł\u030b\u030c\u0306" + "¦<>©‚‘’º×÷\u0307"}},
	{"de", [4]string{
		"\u03021234567890ß\u0301" + "qwertzuiopü+" + "asdfghjklöä#" + "<yxcvbnm,.-",
		"°!\"§$%&/()=?\u0300" + "QWERTZUIOPÜ*" + "ASDFGHJKLÖÄ'" + ">YXCVBNM;:_",
		"′¹²³¼½¬{[]}\\\u0327" + "@ſ€¶ŧ←↓→øþ\u0308~" + "æſðđŋħ\u0323ĸł\u030b\u0302’" + "|»«¢„“”µ·…–",
		"″¡⅛£¤⅜⅝⅞™±°¿\u0328" + "Ω§€®Ŧ¥↑ıØÞ\u030a¯" + "ÆẞÐªŊĦ\u0307&Ł\u0323\u030c\u0306" + "\u0331›‹©‚‘’º×÷—"}},
	{"fr", [4]string{
		"²&é\"'(-è_çà)=" + "azertyuiop\u0302$" + "qsdfghjklmù*" + "<wxcvbn,;:!",
		"~1234567890°+" + "AZERTYUIOP\u0308£" + "QSDFGHJKLM%µ" + ">WXCVBN?./§",
		"¬¹~#{[|`\\^@]}" + "æ«€¶ŧ←↓→øþ\u0308¤" + "@ßðđŋħ\u0309ĸłµ\u0302\u0300" + "|ł»¢„“”\u0301•·\u0323",
		"¬¡⅛£$⅜⅝⅞™±°¿\u0328" + "Æ<¢®Ŧ¥↑ıØÞ\u030a\u0304" + "ΩẞÐªŊĦ\u031b&Łº\u030c\u0306" + "¦Ł>©‚‘’\u030b×÷\u0307"}},
}

// ByName returns the layout of that name, nil if there is none.
func ByName(name string) *Layout {
	for _, l := range Layouts {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// position returns where a key stands in a layout: the row of digits, those of
// Q, of A and of Z, each from left to right.
func position(code uint16) (int, bool) {
	c := int(code)
	switch {
	case c == keyGrave:
		return 0, true
	case key1 <= c && c <= keyEqual:
		return c - key1 + 1, true
	case keyQ <= c && c <= keyRightBrace:
		return c - keyQ + 13, true
	case keyA <= c && c <= keyApostrophe:
		return c - keyA + 25, true
	case c == keyBackslash:
		return 36, true
	case c == key102nd:
		return 37, true
	case keyZ <= c && c <= keySlash:
		return c - keyZ + 38, true
	}
	return 0, false
}

// char returns the character that a key types, 0 for none, or the combining
// character that stands for a dead key. caps is the state of Caps Lock, which
// counts for letters only.
func (l *Layout) char(code uint16, shift, altGr, caps bool) rune {
	if int(code) < len(everywhere) && everywhere[code] != 0 {
		return everywhere[code]
	}
	i, ok := position(code)
	if !ok {
		return 0
	}
	level := 0
	if altGr && l.hasAltGr() {
		level = 2
	}
	plain, shifted := l.at(level, i), l.at(level+1, i)
	if caps && plain != shifted && unicode.ToUpper(plain) == shifted {
		shift = !shift
	}
	if shift {
		return shifted
	}
	return plain
}

// Keys returns the key that types a character, and those that are down meanwhile;
// 0 if none does by itself.
func (l *Layout) Keys(c rune) (code uint16, others []uint16) {
	for code := uint16(1); code < 256; code++ {
		for level := range 4 {
			if l.char(code, level&1 != 0, level&2 != 0, false) == c {
				if level&1 != 0 {
					others = append(others, keyLeftShift)
				}
				if level&2 != 0 {
					others = append(others, keyRightAlt)
				}
				return code, others
			}
		}
	}
	return 0, nil
}

// hasAltGr reports whether the right Alt key chooses characters.
func (l *Layout) hasAltGr() bool { return l.levels[2] != "" }

func (l *Layout) at(level, i int) rune {
	for _, c := range l.levels[level] {
		if i == 0 && c != ' ' {
			return c
		}
		i--
	}
	return 0
}

// everywhere are the keys that type the same in all layouts. The keypad types
// digits whatever Num Lock is.
var everywhere = [...]rune{
	57: ' ', 15: '\t', // KEY_SPACE, KEY_TAB
	71: '7', 72: '8', 73: '9', 75: '4', 76: '5', 77: '6', 79: '1', 80: '2', 81: '3', 82: '0', // KEY_KP7 to KEY_KP0
	55: '*', 74: '-', 78: '+', 83: '.', 98: '/', 117: '=', 121: ',', 179: '(', 180: ')', // KEY_KPASTERISK to KEY_KPRIGHTPAREN
}

// The codes of linux/input-event-codes.h by which keys are found.
const (
	keyEsc        = 1
	key1          = 2
	keyEqual      = 13
	keyBackspace  = 14
	keyQ          = 16
	keyRightBrace = 27
	keyLeftCtrl   = 29
	keyA          = 30
	keyApostrophe = 40
	keyGrave      = 41
	keyLeftShift  = 42
	keyBackslash  = 43
	keyZ          = 44
	keySlash      = 53
	keyRightShift = 54
	keyLeftAlt    = 56
	keyCapsLock   = 58
	key102nd      = 86
	keyRightCtrl  = 97
	keyRightAlt   = 100
	keyLeftMeta   = 125
	keyRightMeta  = 126
)

// accent is a dead key: with space it types plain, with one of bases the
// character at the same place of composed, and with any other its plain and
// that one.
type accent struct {
	dead                   rune
	plain, bases, composed string
}

// accents are those of the layouts. What they compose is the canonical
// composition of Unicode.
var accents = [...]accent{
	{'\u0300', "`", "aeinouwyAEINOUWY", "àèìǹòùẁỳÀÈÌǸÒÙẀỲ"},
	{'\u0301', "´", "acegiklmnoprsuwyzACEGIKLMNOPRSUWYZ", "áćéǵíḱĺḿńóṕŕśúẃýźÁĆÉǴÍḰĹḾŃÓṔŔŚÚẂÝŹ"},
	{'\u0302', "^", "aceghijosuwyzACEGHIJOSUWYZ", "âĉêĝĥîĵôŝûŵŷẑÂĈÊĜĤÎĴÔŜÛŴŶẐ"},
	{'\u0303', "~", "aeinouvyAEINOUVY", "ãẽĩñõũṽỹÃẼĨÑÕŨṼỸ"},
	{'\u0304', "¯", "aegiouyAEGIOUY", "āēḡīōūȳĀĒḠĪŌŪȲ"},
	{'\u0306', "˘", "aegiouAEGIOU", "ăĕğĭŏŭĂĔĞĬŎŬ"},
	{'\u0307', "˙", "abcdefghmnoprstwxyzABCDEFGHIMNOPRSTWXYZ", "ȧḃċḋėḟġḣṁṅȯṗṙṡṫẇẋẏżȦḂĊḊĖḞĠḢİṀṄȮṖṘṠṪẆẊẎŻ"},
	{'\u0308', "¨", "aehiotuwxyAEHIOUWXY", "äëḧïöẗüẅẍÿÄËḦÏÖÜẄẌŸ"},
	{'\u0309', "", "aeiouyAEIOUY", "ảẻỉỏủỷẢẺỈỎỦỶ"},
	{'\u030a', "°", "auwyAU", "åůẘẙÅŮ"},
	{'\u030b', "˝", "ouOU", "őűŐŰ"},
	{'\u030c', "ˇ", "acdeghijklnorstuzACDEGHIKLNORSTUZ", "ǎčďěǧȟǐǰǩľňǒřšťǔžǍČĎĚǦȞǏǨĽŇǑŘŠŤǓŽ"},
	{'\u031b', "", "ouOU", "ơưƠƯ"},
	{'\u0323', "", "abdehiklmnorstuvwyzABDEHIKLMNORSTUVWYZ", "ạḅḍẹḥịḳḷṃṇọṛṣṭụṿẉỵẓẠḄḌẸḤỊḲḶṂṆỌṚṢṬỤṾẈỴẒ"},
	{'\u0327', "¸", "cdeghklnrstCDEGHKLNRST", "çḑȩģḩķļņŗşţÇḐȨĢḨĶĻŅŖŞŢ"},
	{'\u0328', "˛", "aeiouAEIOU", "ąęįǫųĄĘĮǪŲ"},
	{'\u0331', "", "bdhklnrtzBDKLNRTZ", "ḇḏẖḵḻṉṟṯẕḆḎḴḺṈṞṮẔ"},
}

// accentOf returns the accent of a dead key, nil if c is none.
func accentOf(c rune) *accent {
	for i := range accents {
		if accents[i].dead == c {
			return &accents[i]
		}
	}
	return nil
}

// with returns the character that the dead key and then c type, 0 if they do
// not compose.
func (a *accent) with(c rune) rune {
	n := strings.IndexRune(a.bases, c) // of bytes and of characters alike
	for _, composed := range a.composed {
		if n == 0 {
			return composed
		}
		n--
	}
	return 0
}
