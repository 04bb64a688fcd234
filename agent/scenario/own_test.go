// SPDX-License-Identifier: MIT

package scenario

import (
	"flag"
	"path/filepath"
	"testing"

	"reflexd/config"
)

// runs is how often each of the project's own tests is played.
var runs = flag.Int("runs", 6, "play each of the project's own tests so many times")

// own returns the files of tests of the examples and recipes.
func own(t testing.TB) []*File {
	t.Helper()
	paths, err := filepath.Glob("../../examples/*" + Suffix)
	if err != nil {
		t.Fatal(err)
	}
	recipes, err := filepath.Glob("../../examples/recipes/*" + Suffix)
	if err != nil || len(paths) < 20 || len(recipes) < 40 {
		t.Fatal(len(paths), len(recipes), err)
	}
	var files []*File
	for _, path := range append(paths, recipes...) {
		ps := &config.Problems{}
		f, err := Load(path, nil, ps)
		if err != nil || ps.Failed() {
			t.Fatal(err, ps)
		}
		files = append(files, f)
	}
	return files
}

// What happens in the project's own tests, all of it with its times, is the same
// each time: in about a thousand runs of them here, and more with -runs.
func TestOwnTestsAreAlwaysTheSame(t *testing.T) {
	first := map[string]string{}
	played := 0
	for range *runs {
		for _, f := range own(t) {
			for _, one := range f.Tests {
				o, err := f.Play(one, NewCoverage())
				if err != nil {
					t.Fatal(err)
				}
				name := f.Path + ": " + one.Name
				if before, again := first[name]; again && before != o.Trace {
					t.Fatalf("%s: first\n%s\nthen\n%s", name, before, o.Trace)
				}
				first[name] = o.Trace
				played++
			}
		}
	}
	if t.Logf("%d runs of %d tests", played, len(first)); played < 1000 && *runs > 5 {
		t.Errorf("only %d runs", played)
	}
}

// BenchmarkOwn plays the project's own tests, and says how long a thousand of them
// take.
func BenchmarkOwn(b *testing.B) {
	files, played := own(b), 0
	for b.Loop() {
		for _, f := range files {
			for _, one := range f.Tests {
				if o, err := f.Play(one, NewCoverage()); err != nil || o.Failure != "" {
					b.Fatal(err, o.Failure)
				}
				played++
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(played), "s/1000tests")
}
