// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPart(t *testing.T) {
	for symbol, want := range map[string]string{
		"main.main":                                   "reflexd/cmd/reflexd",
		"reflexd/agent/rule.(*Index).Find":            "reflexd/agent/rule",
		"reflexd/config.listOf[go.shape.int].Read":    "reflexd/config",
		"gopkg.in/yaml%2ev3.resolve":                  "gopkg.in/yaml.v3",
		"golang.org/x/sys/unix.Open":                  "golang.org/x/sys/unix",
		"internal/runtime/maps.(*Iter).Next":          "runtime",
		"regexp/syntax.parse":                         "regexp",
		"sort.Sort":                                   "other std",
		"slices.Sort[go.shape.*reflexd/agent/x.y]":    "slices",
		"type:.eq.reflexd/blkid.Content":              "",
		"go:func.*":                                   "",
		"reflexd/sources/uevent.(*Source).Apply-fm":   "reflexd/sources/uevent",
		"github.com/holoplot/go-evdev.init":           "github.com/holoplot/go-evdev",
		"reflexd/agent/action.(*set).Start.deferwrap": "reflexd/agent/action",
	} {
		if got := part(symbol); got != want {
			t.Errorf("%s: %q, want %q", symbol, got, want)
		}
	}
}

func TestBudget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "budget")
	c := costs{"a": 1000, "b": 5000}
	if err := os.WriteFile(path, c.budget(), 0o600); err != nil {
		t.Fatal(err)
	}
	allowed, err := readBudget(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.print(allowed); err != nil {
		t.Errorf("its own budget: %v", err)
	}
	c["b"], c["new"] = 20_000, 1
	if err := c.print(allowed); err == nil || !strings.Contains(err.Error(), "b, new") {
		t.Errorf("over the budget: %v", err)
	}
	if err := os.WriteFile(path, []byte("many a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readBudget(path); err == nil || !strings.Contains(err.Error(), `"many a"`) {
		t.Errorf("a budget that cannot be read: %v", err)
	}
}
