// SPDX-License-Identifier: MIT

// The recipes: that each is right, does what its tests say, and is on the page.

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/agent"
	"reflexd/agent/scenario"
)

const recipes = "../../examples/recipes"

// recipeFiles returns the recipes, each of which has tests beside it.
func recipeFiles(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(recipes + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		partner := strings.TrimSuffix(f, ".yaml") + scenario.Suffix
		if base, isTest := strings.CutSuffix(f, scenario.Suffix); isTest {
			partner = base + ".yaml"
		} else {
			files = append(files, f)
		}
		if _, err := os.Stat(partner); err != nil {
			t.Errorf("%s is alone: %v", f, err)
		}
	}
	if len(files) < 30 {
		t.Errorf("found only %d recipes", len(files))
	}
	return files
}

func TestRecipesAreRight(t *testing.T) {
	for _, f := range recipeFiles(t) {
		_, ps, err := agent.Load([]string{f})
		if err != nil || len(ps.All()) > 0 {
			t.Errorf("%s: %v %v", f, err, ps)
		}
	}
}

// The tests of the recipes pass, and fire every rule.
func TestRecipesDoWhatTheySay(t *testing.T) {
	var out, complaints bytes.Buffer
	if code := run([]string{"test", "--coverage", "--min-coverage", "100%", recipes}, &out, &complaints); code != done {
		t.Errorf("exit %d\n%s%s", code, &out, &complaints)
	}
}

// The page describes each recipe once, and links to it.
func TestRecipesAreOnTheirPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/recipes/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range recipeFiles(t) {
		link := "](../../examples/recipes/" + filepath.Base(f) + ")"
		if n := strings.Count(string(page), link); n != 1 {
			t.Errorf("docs/recipes/README.md links %d times to %s", n, filepath.Base(f))
		}
	}
}
