// SPDX-License-Identifier: MIT

// rig is an agent under test: a real one, on a thread of its own, whose log
// the test reads and whose events the test sends.

package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"reflexd/client"
	"reflexd/journal/logtest"
	"reflexd/sources"
)

type rig struct {
	t     testing.TB
	agent *Agent
	dir   string
	file  string
	log   *logtest.Log
	ended chan error
}

// patience is how long a test waits for what must come. It bounds a failure
// and measures nothing.
const patience = 20 * time.Second

// start runs an agent with the configuration yaml, in which DIR stands for a
// folder of the test's own.
func start(t testing.TB, yaml string, more ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: logtest.New(), ended: make(chan error, 1)}
	r.file = filepath.Join(r.dir, "reflexd.yaml")
	r.write(yaml)
	c, ps, err := Load([]string{r.file})
	if err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
	handler := slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	opts := Options{Log: slog.New(handler), Version: "test", Socket: filepath.Join(r.dir, "socket")}
	for _, change := range more {
		change(&opts)
	}
	r.agent, err = New(c, opts)
	if err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.agent.Run() }()
	t.Cleanup(r.stop)
	r.expect("msg=started")
	return r
}

func (r *rig) write(yaml string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(strings.ReplaceAll(yaml, "DIR", r.dir)), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// stop stops the agent and waits for its end; calling it again is harmless.
func (r *rig) stop() {
	r.t.Helper()
	if r.ended == nil {
		return
	}
	r.agent.Stop()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Error(err)
		}
	case <-time.After(patience):
		r.t.Error("the agent did not stop")
	}
	r.ended = nil
	checkKeys(r.t, r.log.String())
}

// tryReload has the agent read its configuration again, and returns how it
// went.
func (r *rig) tryReload() error {
	return client.Call(r.agent.opts.Socket, client.Request{Verb: "reload"}, nil, patience)
}

// do runs f on the loop's thread and waits for its end.
func (r *rig) do(f func()) {
	r.t.Helper()
	done := make(chan struct{})
	r.agent.loop.Post(func() {
		f()
		close(done)
	})
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatal("the loop does not answer")
	}
}

// send sends `event: NAME` with fields NAME=value.
func (r *rig) send(name string, fields ...string) {
	r.t.Helper()
	r.do(func() { r.emit(name, fields...) })
}

// emit is send on the loop's thread.
func (r *rig) emit(name string, fields ...string) {
	e := &sources.Event{Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "event", Name: name, State: "sent"}, Source: "test"}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		e.Fields = append(e.Fields, sources.Field{Name: key, Value: sources.Text(value)})
	}
	lend(e, r.agent.emit)
}

// lend has emit take e as a source sends it that uses its memory for the next
// event.
func lend(e *sources.Event, emit func(*sources.Event)) {
	c := e.Clone()
	c.Borrowed = true
	text := c.CopyStrings(nil)
	emit(c)
	clear(text)
	clear(c.Fields)
}

// expect waits for a line of the log with all the words and returns it.
func (r *rig) expect(words ...string) string {
	r.t.Helper()
	line, ok := r.log.Await(patience, words...)
	if !ok {
		r.t.Fatalf("the log has no line with %q:\n%s", words, r.log)
	}
	return line
}

// count returns how many lines of the log have all the words.
func (r *rig) count(words ...string) int { return r.log.Count(words...) }

// quiet is a logger that wants nothing.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// checkKeys complains of lines that have a key twice.
func checkKeys(t testing.TB, log string) {
	t.Helper()
	quoted, key := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`), regexp.MustCompile(`(?:^| )([a-z_]+)=`)
	for _, line := range strings.Split(log, "\n") {
		seen := map[string]bool{}
		for _, m := range key.FindAllStringSubmatch(quoted.ReplaceAllString(line, ""), -1) {
			if seen[m[1]] {
				t.Errorf("the key %s is there twice: %s", m[1], line)
			}
			seen[m[1]] = true
		}
	}
}
