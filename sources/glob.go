// SPDX-License-Identifier: MIT

// Glob: the patterns of the language.

package sources

import (
	"path"
	"strings"
)

// ValidGlob reports whether pattern is one: each [ is closed.
func ValidGlob(pattern string) bool {
	_, err := path.Match(pattern, "")
	return err == nil
}

// Glob reports whether text matches pattern, in which * stands for any run of
// bytes, ? for any one byte, and [a-z], [!a-z] for one of a set. It takes time
// in proportion to the product of the lengths at worst, and allocates nothing.
func Glob(pattern, text string) bool {
	// The classic walk with one point of return: after a failed try, the
	// last * swallows one byte more. An earlier * never needs another look.
	starPattern, starText := "", ""
	star := false
	for {
		switch {
		case pattern != "" && pattern[0] == '*':
			pattern = pattern[1:]
			star, starPattern, starText = true, pattern, text
			continue
		case pattern == "" && text == "":
			return true
		case pattern != "" && text != "" && pattern[0] == text[0] && text[0] != '[':
			pattern, text = pattern[1:], text[1:] // whatever stands for any byte stands for itself
			continue
		case pattern != "" && text != "":
			if rest, ok := globByte(pattern, text[0]); ok {
				pattern, text = rest, text[1:]
				continue
			}
		}
		if !star || starText == "" {
			return false
		}
		starText = starText[1:]
		pattern, text = starPattern, starText
	}
}

// globByte matches one byte with the head of pattern and returns the rest.
func globByte(pattern string, b byte) (rest string, ok bool) {
	switch pattern[0] {
	case '?':
		return pattern[1:], true
	case '[':
		if set, rest, closed := cutSet(pattern); closed {
			return rest, inSet(set, b)
		}
	}
	return pattern[1:], pattern[0] == b
}

// cutSet splits "[set]rest"; a ] that is the first of the set belongs to it.
func cutSet(pattern string) (set, rest string, ok bool) {
	from := 1
	if from < len(pattern) && (pattern[from] == '!' || pattern[from] == '^') {
		from++
	}
	if from >= len(pattern) {
		return "", "", false
	}
	end := strings.IndexByte(pattern[from+1:], ']')
	if end < 0 {
		return "", "", false
	}
	end += from + 1
	return pattern[1:end], pattern[end+1:], true
}

func inSet(set string, b byte) bool {
	negated := set[0] == '!' || set[0] == '^'
	if negated {
		set = set[1:]
	}
	found := false
	for i := 0; i < len(set); i++ {
		if i+2 < len(set) && set[i+1] == '-' {
			found = found || set[i] <= b && b <= set[i+2]
			i += 2
			continue
		}
		found = found || set[i] == b
	}
	return found != negated
}
