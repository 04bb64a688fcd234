// SPDX-License-Identifier: MIT

// Environ: the environment of a program, and where in it its file is looked
// for.

package spawn

import (
	"path"
	"strings"
)

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment joins layers of KEY=value: a key of a later layer replaces that
// of an earlier one.
func environment(layers ...[]string) []string {
	most := 0
	for _, layer := range layers {
		most += len(layer)
	}
	env := make([]string, 0, most)
	for i, layer := range layers {
		if i == len(layers)-1 {
			return append(env, layer...)
		}
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
	for _, layer := range layers {
		if _, ok := variable(layer, key); ok {
			return true
		}
	}
	return false
}

func variable(env []string, key string) (value string, ok bool) {
	for _, entry := range env {
		if n := len(key); len(entry) > n && entry[n] == '=' && entry[:n] == key {
			return entry[n+1:], true
		}
	}
	return "", false
}

// place says where a program starts: PWD, which shells and others take for the
// working directory, links and all. After .. only the kernel knows the name.
func place(dir string) []string {
	if !path.IsAbs(dir) || strings.Contains(dir, "..") {
		return nil
	}
	return []string{"PWD=" + path.Clean(dir)}
}

// searchPath returns the PATH of env.
func searchPath(env []string) string {
	if list, ok := variable(env, "PATH"); ok && list != "" {
		return list
	}
	return defaultPath
}

// candidates are the files to try for a program's name, in order. A name with
// a slash is taken as it is. Relative entries of PATH are passed over: what a
// rule starts must not depend on where the agent was started.
func candidates(name, list string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var files []string
	for dir := range strings.SplitSeq(list, ":") {
		if strings.HasPrefix(dir, "/") {
			files = append(files, strings.TrimRight(dir, "/")+"/"+name)
		}
	}
	return files
}
