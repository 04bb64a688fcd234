// SPDX-License-Identifier: MIT

// Names of codes: one name for each code, and the code of each name and alias
// of linux/input-event-codes.h.

package input

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
)

// nameTable holds the names of one event type. The tables are in nametable.go.
type nameTable struct {
	what    string   // "key": for complaints
	prefix  string   // of a code that has no name: KEY_84
	names   []string // by code
	order   []uint16 // the codes that have names, in the order of these
	aliases []alias  // in the order of their names
}

// alias is one more name for a code.
type alias struct {
	name string
	code uint16
}

// code returns the code of a name in the header.
func (t *nameTable) code(name string) (code uint16, ok bool) {
	if i, ok := slices.BinarySearchFunc(t.order, name, func(c uint16, name string) int { return strings.Compare(t.names[c], name) }); ok {
		return t.order[i], true
	}
	if i, ok := slices.BinarySearchFunc(t.aliases, name, func(a alias, name string) int { return strings.Compare(a.name, name) }); ok {
		return t.aliases[i].code, true
	}
	return 0, false
}

// known returns all names of the header.
func (t *nameTable) known() []string {
	var list []string
	for _, code := range t.order {
		list = append(list, t.names[code])
	}
	for _, a := range t.aliases {
		list = append(list, a.name)
	}
	slices.Sort(list)
	return list
}

// parse returns the code that text names.
func (t *nameTable) parse(text string) (uint16, error) {
	if code, ok := t.code(text); ok {
		return code, nil
	}
	digits, _ := strings.CutPrefix(text, t.prefix)
	number, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case err != nil || digits == text || int(number) >= len(t.names):
		return 0, unknownName{t, text}
	case t.names[number] != text:
		return 0, fmt.Errorf("no %s is called %q; code %d is %s", t.what, text, number, t.names[number])
	}
	return uint16(number), nil
}

// unknownName is the error for a word that is no name. What was meant is worked
// out only where it is printed.
type unknownName struct {
	table *nameTable
	text  string
}

func (u unknownName) Error() string {
	return fmt.Sprintf("no %s is called %q%s", u.table.what, u.text, u.table.suggest(u.text))
}

// suggest finds what text may have meant: most often the prefix is missing,
// or the case is wrong.
func (t *nameTable) suggest(text string) string {
	upper := strings.ToUpper(text)
	for _, name := range []string{upper, t.prefix + upper, "BTN_" + upper} {
		if _, ok := t.code(name); ok {
			return fmt.Sprintf("; did you mean %q?", name)
		}
	}
	if n, err := strconv.Atoi(text); err == nil && 0 <= n && n < len(t.names) {
		return fmt.Sprintf("; code %s is %s", text, t.names[n])
	}
	prefix := t.prefix
	if strings.HasPrefix(upper, "BTN_") {
		prefix = "BTN_"
	}
	var rests []string // what they have in common makes no two names alike
	for _, name := range t.known() {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			rests = append(rests, rest)
		}
	}
	if rest := config.Nearest(strings.TrimPrefix(upper, prefix), rests); rest != "" {
		return fmt.Sprintf("; did you mean %q?", prefix+rest)
	}
	return ""
}

// KeyName returns the name of a key code: KEY_POWER, BTN_LEFT, or KEY_84 for
// one that has no name. Codes that the kernel does not know are "".
func KeyName(code uint16) string {
	if int(code) >= len(keyNames.names) {
		return ""
	}
	return keyNames.names[code]
}

// KeyCode returns the code of the key that text names, in the kernel's words,
// aliases among them, or as KeyName writes it.
func KeyCode(text string) (uint16, error) { return keyNames.parse(text) }

// axis is one axis of the types EV_REL and EV_ABS.
type axis struct{ typ, code uint16 }

func parseAxis(text string) (axis, error) {
	if strings.HasPrefix(text, relNames.prefix) {
		code, err := relNames.parse(text)
		return axis{evRel, code}, err
	}
	code, err := absNames.parse(text)
	if err != nil && !strings.HasPrefix(text, absNames.prefix) {
		return axis{}, fmt.Errorf("unknown axis %q: names begin with ABS_ or REL_, as in ABS_X or REL_WHEEL", text)
	}
	return axis{evAbs, code}, err
}

// name returns the name of a, whose code exists.
func (a axis) name() string {
	if a.typ == evRel {
		return relNames.names[a.code]
	}
	return absNames.names[a.code]
}
