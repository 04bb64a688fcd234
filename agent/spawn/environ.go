// SPDX-License-Identifier: MIT

// Environ: the environment of a program, and where in it its file is looked
// for.

package spawn

import (
	"slices"
	"strings"
)

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment joins layers of KEY=value: a key of a later layer replaces that
// of an earlier one.
func environment(layers ...[]string) []string {
	var env []string
	for i, layer := range layers {
		for _, entry := range layer {
			key, _, ok := strings.Cut(entry, "=")
			if ok && !sets(layers[i+1:], key) {
				env = append(env, entry)
			}
		}
	}
	return env
}

func sets(layers [][]string, key string) bool {
	return slices.ContainsFunc(layers, func(layer []string) bool {
		_, ok := variable(layer, key)
		return ok
	})
}

func variable(env []string, key string) (value string, ok bool) {
	for _, entry := range env {
		if rest, ok := strings.CutPrefix(entry, key); ok && rest != "" && rest[0] == '=' {
			return rest[1:], true
		}
	}
	return "", false
}

// searchPath returns the PATH of env.
func searchPath(env []string) string {
	if path, ok := variable(env, "PATH"); ok && path != "" {
		return path
	}
	return defaultPath
}

// candidates are the files to try for a program's name, in order. A name with
// a slash is taken as it is. Relative entries of PATH are passed over: what a
// rule starts must not depend on where the agent was started.
func candidates(name, path string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var files []string
	for dir := range strings.SplitSeq(path, ":") {
		if strings.HasPrefix(dir, "/") {
			files = append(files, strings.TrimRight(dir, "/")+"/"+name)
		}
	}
	return files
}
