// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

const heard = `
netlink: {drv: {protocol: usersock, groups: [3]}}
rules: [{when: {netlink: drv}, do: {log: "heard {TEXT}"}}]
`

// Whoever waits for the agent's word that it has started may send at once.
func TestStartedMeansListening(t *testing.T) {
	for i := range 20 {
		r := start(t, heard)
		r.do(func() {
			if s := r.agent.netlink.Status()[0]; !s.OK {
				t.Errorf("start %d: %+v", i, s)
			}
		})
		r.stop()
	}
}

// The same holds for a reload; and one that is asked for while another is
// under way is done after it, for the file may have changed meanwhile.
func TestReloadsFollowEachOther(t *testing.T) {
	r := start(t, "rules: []")
	results := make(chan string, 3)
	r.do(func() {
		for i := range cap(results) {
			if i == 1 {
				r.write(heard)
			}
			r.agent.reload(fmt.Sprint("test ", i), func(err error) {
				results <- fmt.Sprint(i, err, len(r.agent.netlink.Status()))
			})
		}
	})
	var all []string
	for range cap(results) {
		all = append(all, answer(t, results))
	}
	if got := strings.Join(all[1:], " "); got != "1 <nil> 1 2 <nil> 1" {
		t.Errorf("the reloads ended with %s", got)
	}
	r.expect("msg=reloaded", `why="test 1"`)
	if r.count("msg=reloaded") != 2 {
		t.Errorf("two of three can be done in one go:\n%s", r.log)
	}
}

// answer returns what comes through c.
func answer[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nobody was told how the reload ended")
		panic("unreachable")
	}
}

// hanging is a source that does not get its device open.
type hanging struct{ sources.Source }

func (hanging) Started() bool { return false }

// What hangs in a driver holds nobody up for ever: rules least of all, and not
// whoever waits for a reload, also if the agent stops.
func TestStartHasALimit(t *testing.T) {
	r := start(t, "rules: [{when: {agent: reloaded}, do: {log: first of all}}]")
	results := make(chan error, 2)
	reload := func(why string) {
		r.do(func() {
			r.agent.sources[0] = hanging{r.agent.sources[0]}
			r.agent.reload(why, func(err error) { results <- err })
		})
	}
	reload("first")
	for unsettled := false; !unsettled; {
		r.do(func() { unsettled = r.agent.startup.limit != nil })
	}
	r.expect("first of all")
	if len(results) != 0 || r.count("msg=reloaded") != 0 {
		t.Fatal("the reload did not wait")
	}
	r.do(func() { r.agent.startup.late = true })
	if err := answer(t, results); err != nil {
		t.Error(err)
	}
	r.expect("no longer waiting", "source="+kinds[0].Name)

	reload("second")
	r.stop()
	if err := answer(t, results); err != errStopping {
		t.Errorf("the reload ended with %v", err)
	}
}
