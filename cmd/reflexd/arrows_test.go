// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// The arrows of the house: who may import whom within the module. A pattern
// ending in /... stands for a package and all below it.
var arrows = map[string][]string{
	"reflexd/cmd/...":             {"reflexd/agent", "reflexd/agent/recording", "reflexd/agent/rule", "reflexd/agent/scenario", "reflexd/client", "reflexd/config", "reflexd/journal", "reflexd/learn", "reflexd/machine", "reflexd/selftest", "reflexd/sources/...", "reflexd/board"},
	"reflexd/selftest":            {"reflexd/client", "reflexd/machine", "reflexd/sources", "reflexd/sources/gpio"},
	"reflexd/journal":             {},
	"reflexd/journal/logtest":     {},
	"reflexd/machine":             {"reflexd/board", "reflexd/sources", "reflexd/sources/gpio"},
	"reflexd/learn":               {"reflexd/blkid", "reflexd/machine", "reflexd/sources", "reflexd/sources/gpio", "reflexd/sources/input"},
	"reflexd/agent":               {"reflexd/agent/...", "reflexd/client", "reflexd/sources/...", "reflexd/config", "reflexd/board", "reflexd/regular"},
	"reflexd/agent/loop":          {"reflexd/sources"},
	"reflexd/agent/loop/looptest": {"reflexd/agent/loop"},
	"reflexd/agent/gesture":       {"reflexd/sources"},
	"reflexd/agent/rule":          {"reflexd/agent/action", "reflexd/agent/vars", "reflexd/config", "reflexd/sources"},
	"reflexd/agent/vars":          {"reflexd/config", "reflexd/regular", "reflexd/sources"},
	"reflexd/agent/action":        {"reflexd/agent/account", "reflexd/agent/bridge", "reflexd/client/topic", "reflexd/agent/expand", "reflexd/agent/mount", "reflexd/agent/mount/fstype", "reflexd/agent/output", "reflexd/agent/spawn", "reflexd/agent/vars", "reflexd/config", "reflexd/regular", "reflexd/sources", "reflexd/sources/counter", "reflexd/sources/input", "reflexd/sources/netlink", "reflexd/sources/signal"},
	"reflexd/agent/output":        {"reflexd/config", "reflexd/sources"},
	"reflexd/agent/spawn":         {"reflexd/agent/account", "reflexd/config", "reflexd/sources"},
	"reflexd/agent/account":       {"reflexd/config"},
	"reflexd/agent/expand":        {"reflexd/config", "reflexd/sources"},
	"reflexd/agent/control":       {"reflexd/agent/account", "reflexd/client", "reflexd/config", "reflexd/sources"},
	"reflexd/client":              {},
	"reflexd/agent/scenario":      {"reflexd/agent", "reflexd/agent/action", "reflexd/agent/rule", "reflexd/config", "reflexd/regular", "reflexd/sources"},
	"reflexd/agent/state":         {"reflexd/sources"},
	"reflexd/agent/diagram":       {},
	"reflexd/agent/lint":          {"reflexd/agent/rule", "reflexd/config", "reflexd/sources", "reflexd/sources/clock"},
	"reflexd/sources":             {"reflexd/config"},
	"reflexd/sources/...":         {"reflexd/sources", "reflexd/config", "reflexd/board", "reflexd/sources/inotify", "reflexd/sources/nl"},
	"reflexd/sources/nl":          {},
	"reflexd/sources/file":        {"reflexd/sources", "reflexd/config", "reflexd/sources/inotify", "reflexd/sources/signal"},
	"reflexd/config":              {"reflexd/regular"},
	"reflexd/config/complaints":   {},
	"reflexd/regular":             {},
	"reflexd/board":               {},
	"reflexd/agent/bridge":        {"reflexd/client", "reflexd/client/topic", "reflexd/config", "reflexd/sources"},
	"reflexd/client/topic":        {},
	"reflexd/cmd/reflexd-mqtt":    {"reflexd/bridge", "reflexd/client"},
	"reflexd/bridge":              {"reflexd/client", "reflexd/client/topic"},

	"reflexd/agent/recording":     {"reflexd/agent", "reflexd/agent/action", "reflexd/agent/rule", "reflexd/agent/scenario", "reflexd/client", "reflexd/config", "reflexd/sources"},
	"reflexd/sources/clock":       {"reflexd/sources", "reflexd/sources/clock/sun", "reflexd/config", "reflexd/regular", "reflexd/sources/inotify"},
	"reflexd/sources/clock/...":   {},
	"reflexd/sources/input/typed": {},
	"reflexd/sources/input":       {"reflexd/sources", "reflexd/config", "reflexd/sources/inotify", "reflexd/sources/input/typed"},

	"reflexd/blkid":              {},
	"reflexd/agent/mount/fstype": {},
	"reflexd/agent/mount": {"reflexd/agent/account", "reflexd/agent/expand", "reflexd/agent/mount/...", "reflexd/blkid", "reflexd/config", "reflexd/regular", "reflexd/sources",
		"reflexd/sources/uevent"},
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, p := range list(t, "reflexd/cmd/...", "reflexd/agent/...", "reflexd/sources/...", "reflexd/config/...", "reflexd/board/...", "reflexd/regular/...", "reflexd/blkid/...", "reflexd/machine", "reflexd/learn", "reflexd/selftest", "reflexd/journal", "reflexd/client/...", "reflexd/bridge") {
		allowed, ok := arrows[p.ImportPath]
		if !ok {
			allowed, ok = arrows[parent(p.ImportPath)]
		}
		if !ok {
			t.Errorf("%s stands in no arrow", p.ImportPath)
		}
		for _, imported := range p.Imports {
			ours := strings.HasPrefix(imported, "reflexd/")
			if ours && !slices.ContainsFunc(allowed, func(pattern string) bool { return covers(pattern, imported) }) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// parent returns the pattern for what stands beside p.
func parent(p string) string { return path.Dir(p) + "/..." }

func covers(pattern, p string) bool {
	stem, tree := strings.CutSuffix(pattern, "/...")
	return p == stem || tree && strings.HasPrefix(p, stem+"/")
}

func TestOnlyOneFileKnowsTheYAMLLibrary(t *testing.T) {
	for _, p := range list(t, "reflexd/...") {
		if p.ImportPath != "reflexd/config" && slices.Contains(p.Imports, "gopkg.in/yaml.v3") {
			t.Errorf("%s imports it", p.ImportPath)
		}
	}
}

func TestHeavyPackagesStayOut(t *testing.T) {
	for _, p := range list(t, "-deps", "reflexd/cmd/reflexd") {
		if slices.Contains([]string{"net", "net/http", "text/template", "os/exec"}, p.ImportPath) || strings.HasPrefix(p.ImportPath, "github.com/eclipse/") {
			t.Errorf("the program links %s", p.ImportPath)
		}
	}
}
