// SPDX-License-Identifier: MIT

// The words that all messages are made of: the names of keys, actions and
// subsystems.

package uevent

import "strings"

// mostWords is how many words a vocabulary remembers; those of a system are fewer.
const mostWords = 512

// vocabulary has words in memory of their own, which is not used again: who keeps
// an event need not copy them.
type vocabulary struct {
	words map[string]string
	keys  []string // of the message before, in their order: mostly the next has the same
}

// word returns s, in memory that stays as it is.
func (v *vocabulary) word(s string) string {
	w, known := v.words[s]
	if known {
		return w
	}
	if v.words == nil || len(v.words) == mostWords {
		v.words = map[string]string{}
	}
	w = strings.Clone(s)
	v.words[w] = w
	return w
}

// property is the function of that name for the key at that place of a message: those
// before it have been asked for. The key that it returns is a word.
func (v *vocabulary) property(pair string, place int) (key, value string, ok bool) {
	if place < len(v.keys) {
		key = v.keys[place]
		if n := len(key); n < len(pair) && pair[n] == '=' && pair[:n] == key {
			return key, pair[n+1:], true
		}
	}
	if key, value, ok = property(pair); ok {
		key = v.word(key)
		v.keys = append(v.keys[:place], key)
	}
	return key, value, ok
}
