// SPDX-License-Identifier: MIT

// The verb test: rules are played in virtual time, without hardware.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/scenario"
	"reflexd/config"
	"reflexd/sources"
)

// testOptions are the flags of the verb.
type testOptions struct {
	config        pathsFlag
	run, junit    string
	list, trace   bool
	json          bool
	coverage      bool
	leastCoverage string
}

func testVerb(c *command) func([]string) int {
	o := &testOptions{}
	c.flags.Var(&o.config, "c", "the configuration to test, a `FILE` or folder; default: what each test file says")
	c.flags.StringVar(&o.run, "run", "", "play only tests whose name matches `PATTERN`")
	c.flags.BoolVar(&o.list, "list", false, "list the tests, and play none")
	c.flags.BoolVar(&o.trace, "trace", false, "print all that happened in each test, with its times")
	c.flags.StringVar(&o.junit, "junit", "", "write the results to `FILE` as JUnit XML")
	c.flags.BoolVar(&o.json, "json", false, "print the results as JSON, a line for each test")
	c.flags.BoolVar(&o.coverage, "coverage", false, "list the rules and triggers that no test fired, and the conditions that kept none from firing")
	c.flags.StringVar(&o.leastCoverage, "min-coverage", "", "fail if the tests fired less than `N%` of the rules")
	return func(args []string) int { return c.test(args, o) }
}

// testRun is one run of the verb.
type testRun struct {
	*command
	*testOptions
	outcomes []*scenario.Outcome
	more     int // actions that no `expect` mentions
	failed   int
	shown    *scenario.Coverage
}

func (c *command) test(args []string, o *testOptions) int {
	files, err := testFiles(args)
	if err != nil {
		return c.fail(err)
	}
	least, err := percentage(o.leastCoverage)
	if err != nil {
		fmt.Fprintf(c.stderr, "reflexd test: --min-coverage: %v\n", err)
		return wrong
	}
	r := &testRun{command: c, testOptions: o, shown: scenario.NewCoverage()}
	begin := time.Now()
	for _, path := range files {
		if code := r.file(path); code != done {
			return code
		}
	}
	if o.list {
		return done
	}
	covered := r.shown.Fired()
	if !o.json {
		r.summary(time.Since(begin), covered)
	}
	if o.junit != "" {
		if err := r.writeJUnit(); err != nil {
			return c.fail(err)
		}
	}
	if covered < least {
		fmt.Fprintf(c.stderr, "reflexd test: --min-coverage %v%%: only %d%% of the rules fired\n", least, int(covered))
		return failed
	}
	if r.failed > 0 {
		return failed
	}
	return done
}

// testFiles returns the files that the arguments stand for: of a folder, and
// without arguments of this one, the files of tests in it.
func testFiles(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var all []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, err
		case !info.IsDir():
			all = append(all, arg)
			continue
		}
		found, err := filepath.Glob(filepath.Join(arg, "*"+scenario.Suffix))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no files *%s in %s", scenario.Suffix, arg)
		}
		all = append(all, found...)
	}
	return all, nil
}

func percentage(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return 0, fmt.Errorf("expected a percentage such as 80%%, found %q", s)
	}
	return n, nil
}

// file plays the tests of one file.
func (r *testRun) file(path string) int {
	ps := &config.Problems{}
	f, err := scenario.Load(path, r.config, ps)
	if err != nil {
		return r.fail(err)
	}
	if ps.Failed() {
		fmt.Fprintln(r.stderr, ps)
		return wrong
	}
	for _, t := range f.Tests {
		if r.run != "" && !sources.Glob(r.run, t.Name) {
			continue
		}
		if r.list {
			fmt.Fprintf(r.stdout, "%s: %s\n", t.Pos, t.Name)
			continue
		}
		o, err := f.Play(t, r.shown)
		if ps := new(config.Problems); errors.As(err, &ps) {
			fmt.Fprintln(r.stderr, ps)
			return wrong
		}
		if err != nil {
			return r.fail(err)
		}
		r.take(o)
	}
	return done
}

// take notes how a test went, and prints it.
func (r *testRun) take(o *scenario.Outcome) {
	r.outcomes = append(r.outcomes, o)
	r.more += len(o.Unmentioned)
	if o.Failure != "" {
		r.failed++
	}
	if r.json {
		r.printJSON(o)
		return
	}
	if o.Failure != "" {
		fmt.Fprintf(r.stdout, "%s: %s: %s\n", o.At, o.Test, o.Failure)
	}
	if r.trace {
		fmt.Fprintf(r.stdout, "%s: %s\n%s", o.At, o.Test, o.Trace)
	}
	if o.Failure == "" && len(o.Unmentioned) > 0 && r.trace {
		fmt.Fprintf(r.stdout, "  no expect mentions:\n    %s\n", strings.Join(o.Unmentioned, "\n    "))
	}
}

// testResult is the form of a line of --json.
type testResult struct {
	Test        string   `json:"test"`
	File        string   `json:"file"`
	At          string   `json:"at"`
	OK          bool     `json:"ok"`
	Failure     string   `json:"failure,omitempty"`
	Seconds     float64  `json:"seconds"` // of virtual time
	Unmentioned []string `json:"unmentioned,omitempty"`
}

func (r *testRun) printJSON(o *scenario.Outcome) {
	line, _ := json.Marshal(testResult{o.Test, o.File, o.At.String(), o.Failure == "", o.Failure, o.Took.Seconds(), o.Unmentioned})
	fmt.Fprintf(r.stdout, "%s\n", line)
}

func (r *testRun) summary(took time.Duration, covered float64) {
	if r.coverage {
		for _, line := range r.shown.Missing() {
			fmt.Fprintln(r.stdout, line)
		}
	}
	verdict := counted(len(r.outcomes), "test") + " passed"
	if r.failed > 0 {
		verdict = fmt.Sprintf("%d of %s failed", r.failed, counted(len(r.outcomes), "test"))
	}
	fmt.Fprintf(r.stdout, "%s in %v; %d%% of the rules fired\n", verdict, took.Round(time.Millisecond), int(covered))
	if r.more > 0 && r.failed == 0 && !r.trace {
		fmt.Fprintf(r.stdout, "no `expect` mentions %s; --trace lists them\n", counted(r.more, "action"))
	}
}

// writeJUnit writes the results in the form that CI systems read.
func (r *testRun) writeJUnit() error {
	f, err := os.Create(r.junit)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"reflexd\" tests=\"%d\" failures=\"%d\">\n", len(r.outcomes), r.failed)
	for _, o := range r.outcomes {
		fmt.Fprintf(f, "  <testcase classname=\"%s\" name=\"%s\" time=\"%.3f\"", xmlText(o.File), xmlText(o.Test), o.Took.Seconds())
		if o.Failure == "" {
			fmt.Fprintln(f, "/>")
			continue
		}
		fmt.Fprintf(f, ">\n    <failure message=\"%s\">%s</failure>\n  </testcase>\n", xmlText(o.At.String()), xmlText(o.Failure))
	}
	_, err = io.WriteString(f, "</testsuite>\n")
	return err
}

// xmlText returns s as XML has it, without the characters that it cannot have.
func xmlText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
