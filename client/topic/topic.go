// SPDX-License-Identifier: MIT

// Package topic has the rules for topics and topic filters of MQTT that the agent
// and its bridge share. All of them are below the bridge's base topic.
package topic

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// longestTopic is the length in bytes of the longest topic below the base.
const longestTopic = 512

// reserved are the first words of the topics that the bridge itself uses.
var reserved = []string{"availability", "status", "line", "led", "pwm", "var", "sensor", "counter", "event"}

// Reserved reports whether the topic is one of the bridge's own, and its first
// word.
func Reserved(topic string) (word string, ok bool) {
	word, _, _ = strings.Cut(topic, "/")
	return word, slices.Contains(reserved, word)
}

// CheckOwn returns why nothing can be published under the topic, nil if it
// can.
func CheckOwn(topic string) error {
	if word, ok := Reserved(topic); ok {
		return fmt.Errorf("the topic %q is reserved: reflexd-mqtt uses those that begin with %s", topic, word)
	}
	_, err := Parse(topic)
	return err
}

// Parse returns a topic, or why it is none.
func Parse(s string) (string, error) {
	if strings.ContainsAny(s, "+#") {
		return "", fmt.Errorf("the topic %q holds a wildcard", s)
	}
	return s, Check(s)
}

// Check returns why s can be neither a topic nor a filter.
func Check(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the topic is empty")
	case len(s) > longestTopic:
		return fmt.Errorf("a topic of %d bytes is too long: %d are allowed", len(s), longestTopic)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 || r == utf8.RuneError }):
		return fmt.Errorf("the topic %+q holds control characters, or is not UTF-8", s)
	case s[0] == '/' || s[0] == '$' || s[len(s)-1] == '/':
		return fmt.Errorf("the topic %q begins or ends with /, or begins with $: it is below the base topic", s)
	}
	return nil
}

// ParseFilter returns a topic filter, or why it is none of a rule.
func ParseFilter(s string) (string, error) {
	if err := Check(s); err != nil {
		return "", err
	}
	words := strings.Split(s, "/")
	for i, w := range words {
		if w == "#" && i < len(words)-1 || w != "#" && w != "+" && strings.ContainsAny(w, "+#") {
			return "", fmt.Errorf("%q is not a topic filter: + stands for one whole level, # for all that follow", s)
		}
	}
	if word, ok := Reserved(s); ok {
		return "", fmt.Errorf("topics that begin with %s are those of reflexd-mqtt itself: no rule can match %q", word, s)
	}
	return s, nil
}

// Match reports whether the topic matches the filter, in which + stands for a
// level and # for all that follow. It allocates nothing.
func Match(filter, topic string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, restT, moreT := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		if !moreT {
			return !moreF || restF == "#"
		}
		if !moreF {
			return false
		}
		filter, topic = restF, restT
	}
}

// Disjoint returns filters that match what all match, and no topic twice: a broker
// sends a message once for each filter that matches, or once in all. Where two overlap
// and neither covers the other, whole stands for them and must cover both.
func Disjoint(all []string, whole string) []string {
	for i, f := range all {
		for _, g := range all[:i] {
			if overlap(f, g) && !Covers(f, g) && !Covers(g, f) {
				all = append([]string{whole}, all...)
				return uncovered(all)
			}
		}
	}
	return uncovered(all)
}

// uncovered returns the filters that no other one covers.
func uncovered(all []string) []string {
	var kept []string
	for i, f := range all {
		covered := slices.ContainsFunc(all[i+1:], func(g string) bool { return Covers(g, f) }) ||
			slices.ContainsFunc(kept, func(g string) bool { return Covers(g, f) })
		if !covered {
			kept = append(kept, f)
		}
	}
	return kept
}

// Covers reports whether filter matches all that other matches.
func Covers(filter, other string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		g, restG, moreG := strings.Cut(other, "/")
		switch {
		case f == "#":
			return true
		case g == "#" || f != "+" && f != g:
			return false
		case !moreG:
			return !moreF || restF == "#"
		case !moreF:
			return false
		}
		filter, other = restF, restG
	}
}

// overlap reports whether some topic matches both filters.
func overlap(a, b string) bool {
	for {
		f, restF, moreF := strings.Cut(a, "/")
		g, restG, moreG := strings.Cut(b, "/")
		switch {
		case f == "#" || g == "#":
			return true
		case f != "+" && g != "+" && f != g:
			return false
		case !moreF || !moreG:
			return moreF == moreG || restF == "#" || restG == "#"
		}
		a, b = restF, restG
	}
}
