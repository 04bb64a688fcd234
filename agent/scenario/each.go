// SPDX-License-Identifier: MIT

// Parameters: one test that is played with several values.

package scenario

import (
	"maps"
	"slices"
	"strings"

	"reflexd/config"
)

// instance is a test with values for its parameters.
type instance struct {
	node   config.Node
	suffix string
}

// instances returns the tests that n stands for: one for each entry of `each`.
func instances(n config.Node, ps *config.Problems) []instance {
	i := slices.IndexFunc(n.Entries, func(e config.Entry) bool { return e.Key == "each" })
	if i < 0 {
		return []instance{{node: n}}
	}
	each := n.Entries[i]
	var sets []map[string]*word
	eachValue(&sets).Read(each.Value, ps)
	n.Entries = slices.Delete(slices.Clone(n.Entries), i, i+1)
	if each.Value.Kind == config.List && len(each.Value.Items) == 0 {
		ps.Errorf(each.At, "`each` is empty: the test would not be played")
	}
	var all []instance
	for _, set := range sets {
		if len(set) > 0 {
			all = append(all, newInstance(n, set, ps))
		}
	}
	return all
}

// eachValue reads the values of parameters.
func eachValue(sets *[]map[string]*word) config.Value {
	return config.ListOf(sets, func(m *map[string]*word) config.Value { return wordsValue(m) })
}

// newInstance returns the test with the values of set. It complains of
// parameters that stand for nothing.
func newInstance(n config.Node, set map[string]*word, ps *config.Problems) instance {
	names := slices.Sorted(maps.Keys(set))
	s := substitution{values: set, names: names, used: map[string]bool{}, problems: ps}
	node := s.node(n)
	var parts []string
	for _, name := range names {
		parts = append(parts, name+"="+set[name].text)
		switch {
		case !isParameter(name):
			ps.Errorf(set[name].at, "%q is no parameter: its name has lower-case letters, digits and _", name)
		case !s.used[name]:
			ps.Errorf(set[name].at, "the parameter %s is not used: write ${%s} in the test", name, name)
		}
	}
	return instance{node, " (" + strings.Join(parts, " ") + ")"}
}

// isParameter reports whether name is in lower case: those of event fields are
// not.
func isParameter(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
}

// substitution replaces ${NAME} by the values of parameters.
type substitution struct {
	values   map[string]*word
	names    []string
	used     map[string]bool
	problems *config.Problems
}

func (s *substitution) node(n config.Node) config.Node {
	n.Text = s.text(n.Text, n.Pos)
	n.Items, n.Entries = slices.Clone(n.Items), slices.Clone(n.Entries)
	for i := range n.Items {
		n.Items[i] = s.node(n.Items[i])
	}
	for i := range n.Entries {
		n.Entries[i].Key = s.text(n.Entries[i].Key, n.Entries[i].At)
		n.Entries[i].Value = s.node(n.Entries[i].Value)
	}
	return n
}

func (s *substitution) text(text string, at config.Pos) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		b.WriteString(before)
		switch {
		case !found:
			return b.String()
		case !closed || !isParameter(name):
			b.WriteString("${")
			text = rest
			continue
		case s.values[name] == nil:
			s.problems.Errorf(at, "no parameter %q is in `each`%s", name, config.Known(name, s.names))
		default:
			s.used[name] = true
			b.WriteString(s.values[name].text)
		}
		text = after
	}
}
