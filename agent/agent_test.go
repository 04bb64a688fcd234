// SPDX-License-Identifier: MIT

package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/client"
	"reflexd/sources"
)

func TestProgramSeesTheEvent(t *testing.T) {
	r := start(t, `
rules:
  - name: show
    when: {event: go}
    do:
      - run: [sh, -c, 'echo "arg=$0 field=$COLOUR rule=$REFLEXD_RULE path=$PATH lib=$LD_PRELOAD ifs=[$IFS] x=$X"', "${COLOUR}-${SHAPE:-round}"]
      - shell: 'echo "in shell: $COLOUR"; echo to stderr >&2'
`)
	path := os.Getenv("PATH")
	r.send("go", "COLOUR=red; touch /tmp/x", "PATH=/evil", "LD_PRELOAD=/evil.so", "IFS=x", "X=")
	r.expect("msg=output", "rule=show", `arg=red; touch /tmp/x-round field=red; touch /tmp/x rule=show path=`+path+" lib= ifs=[ ")
	r.expect("in shell: red; touch /tmp/x")
	r.expect("to stderr")
}

func TestFailureEndsTheListAndRunsOnFailure(t *testing.T) {
	r := start(t, `
rules:
  - name: fails
    when: {event: go}
    do:
      - run: {command: ["false"]}
        ignore_failure: true
      - log: "went on"
      - run: [sh, -c, "exit 3"]
      - log: "never"
    on_failure:
      - log: "because ${ERROR}"
      - run: [/nowhere/program]
      - log: "never either"
`)
	r.send("go")
	r.expect("went on")
	r.expect(`"because exit status 3"`)
	r.expect("action failed", "/nowhere/program", "no such file")
	r.send("go") // the rule is free again
	r.expect("msg=fired", "rule=fails")
	if r.count("never") != 0 {
		t.Error(r.log)
	}
}

func TestModes(t *testing.T) {
	r := start(t, `
rules:
  - {name: queued, when: {event: queued}, do: [{log: "queued ${N}"}, {wait: 30ms}], max: 2}
  - {name: single, when: {event: single}, mode: single, do: [{log: "single ${N}"}, {wait: 30ms}, {emit: single-done}]}
  - {name: restart, when: {event: restart}, mode: restart, do: [{log: "restart ${N}"}, {run: [sleep, "${FOR}"]}, {log: "restart over ${N}"}]}
  - {name: parallel, when: {event: parallel}, mode: parallel, max: 2, do: [{log: "parallel ${N}"}, {wait: 10s}]}
  - {name: coalesce, when: {event: coalesce}, mode: coalesce, do: [{log: "coalesce ${N}"}, {wait: 30ms}]}
`)
	r.do(func() { // all at once: none of them is over before the last one
		for n := range 5 {
			for _, mode := range []string{"queued", "single", "parallel", "coalesce"} {
				r.emit(mode, fmt.Sprint("N=", n))
			}
		}
	})
	r.send("restart", "N=0", "FOR=30")
	r.send("restart", "N=1", "FOR=0")
	r.expect(`msg="restart over 1"`)
	r.expect("queued 2")
	r.expect("coalesce 4")
	r.expect("single-done")
	for want, words := range map[int][]string{
		3: {`msg="queued`}, 1: {`msg="single 0"`}, 2: {`msg="parallel`},
	} {
		if got := r.count(words...); got != want {
			t.Errorf("%v: %d times, want %d", words, got, want)
		}
	}
	if r.count("restart over 0") != 0 || r.count(`msg="coalesce`) != 2 {
		t.Error(r.log)
	}
	r.do(func() {
		for _, s := range r.agent.runner.Status(r.agent.config.Rules) {
			if s.Name == "queued" && s.Dropped != 2 || s.Name == "parallel" && (s.Dropped != 3 || len(s.Running) != 2) {
				t.Errorf("%+v", s)
			}
		}
	})
}

// Time is the event's own: a cooldown counts from stamp to stamp.
func TestCooldownAndLimit(t *testing.T) {
	r := start(t, `
rules:
  - {name: cool, when: {event: go}, cooldown: 500ms, do: {log: "cool ${N}"}}
  - {name: limited, when: {event: go}, limit: 2/1s, do: {log: "limited ${N}"}}
`)
	for n, ms := range []int{0, 400, 500, 950, 999, 1000, 1400} {
		r.do(func() {
			r.agent.emit(&sources.Event{
				Time: time.Hour + time.Duration(ms)*time.Millisecond, Topic: sources.Topic{Kind: "event", Name: "go", State: "sent"},
				Fields: []sources.Field{{Name: "N", Value: sources.Int(int64(n))}},
			})
		})
	}
	r.expect("limited 6")
	var got []string
	for n := range 7 {
		for _, rule := range []string{"cool", "limited"} {
			if r.count(fmt.Sprintf(`"%s %d"`, rule, n)) > 0 {
				got = append(got, fmt.Sprint(rule, n))
			}
		}
	}
	if want := "cool0 limited0 limited1 cool2 cool5 limited5 limited6"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestWriteAction(t *testing.T) {
	r := start(t, `
rules:
  - {name: one, when: {event: go}, do: {write: {path: "DIR/led*/brightness", text: "${N}"}}}
  - {name: many, when: {event: go}, do: {write: {path: "DIR/*/brightness", text: "x"}}}
  - {name: none, when: {event: go}, do: {write: {path: "DIR/mistyped", text: "x"}}}
  - {name: fifo, when: {event: go}, do: {write: {path: "DIR/fifo", text: "x"}}}
`)
	for _, dir := range []string{"led0", "other"} {
		os.Mkdir(filepath.Join(r.dir, dir), 0o755)
		os.WriteFile(filepath.Join(r.dir, dir, "brightness"), nil, 0o644)
	}
	unix.Mkfifo(filepath.Join(r.dir, "fifo"), 0o600)
	r.send("go", "N=42")
	r.expect("rule=many", "2 files match")
	r.expect("rule=none", "mistyped: no such file or directory")
	r.expect("rule=fifo", "no such device")
	r.do(func() {}) // one more turn of the loop
	for {
		text, _ := os.ReadFile(filepath.Join(r.dir, "led0/brightness"))
		if string(text) == "42" {
			break
		}
		r.do(func() {})
	}
	if _, err := os.Stat(filepath.Join(r.dir, "mistyped")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a mistyped path became a file")
	}
}

func TestWriteAppends(t *testing.T) {
	r := start(t, `
vars: {n: {initial: 0}}
rules:
  - name: log
    when: {event: go}
    do: [{var: {n: {add: 1}}}, {write: {path: DIR/log, text: "${var.n}\n", append: true}}, {log: "logged ${var.n}"}]
  - {name: link, when: {event: go}, do: {write: {path: DIR/link, text: "x", append: true}}}
  - {name: folder, when: {event: go}, do: {write: {path: DIR/none/log, text: "x", append: true}}}
`)
	if err := os.Symlink("elsewhere", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	r.send("go")
	r.expect("logged 1")
	r.send("go")
	r.expect("logged 2")
	r.expect("rule=link", "DIR/link: expected a regular file, found a symbolic link"[len("DIR"):])
	r.expect("rule=folder", "none/log: no such file or directory")
	if text, err := os.ReadFile(filepath.Join(r.dir, "log")); err != nil || string(text) != "1\n2\n" {
		t.Errorf("%q, %v", text, err)
	}
	found := r.diagnose(r.file)
	if !strings.Contains(found, "file "+filepath.Join(r.dir, "log")+": can be written") || !strings.Contains(found, "none/log: write") {
		t.Error(found)
	}
}

// What rules write to one file is written in the order in which they fired.
func TestWritesOfRulesKeepTheirOrder(t *testing.T) {
	r := start(t, `
rules:
  - {name: one, when: {event: go}, do: {write: {path: DIR/log, text: "${N}a ", append: true}}}
  - {name: two, when: {event: go}, do: {write: {path: DIR//log, text: "${N}b ", append: true}}}
  - {name: three, when: {event: go}, do: [{write: {path: DIR/log, text: "${N}c ", append: true}}, {log: "round ${N}"}]}
`)
	want := ""
	for n := range 200 {
		r.send("go", fmt.Sprint("N=", n))
		r.expect(fmt.Sprintf(`"round %d"`, n))
		want += fmt.Sprintf("%da %db %dc ", n, n, n)
	}
	if text, err := os.ReadFile(filepath.Join(r.dir, "log")); err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
}

func TestSignalAction(t *testing.T) {
	r := start(t, `
rules:
  - {name: victim, when: {event: start}, do: {shell: 'echo $$ > DIR/pid.new; mv DIR/pid.new DIR/pid; echo ready; exec sleep 60'}}
  - {name: kill, when: {event: kill}, do: {signal: {to: DIR/pid, signal: SIGUSR2}}}
  - {name: nobody, when: {event: kill}, do: {signal: {to: no-such-process}}}
  - {name: value, when: {event: kill}, do: {signal: {to: "1", signal: SIGRTMIN+1, value: "${N}"}}}
`)
	r.send("start")
	r.expect("line=ready")
	r.send("kill", "N=many")
	r.expect("rule=nobody", "no process has that name")
	r.expect("rule=value", `value \"many\" is not a 32-bit integer`)
	r.expect("rule=victim", "killed by SIGUSR2")
}

func TestRulesThatSetEachOtherOffStarveNobody(t *testing.T) {
	r := start(t, `
rules:
  - {name: ping, when: [{event: ping}, {event: go}], do: {emit: pong}}
  - {name: pong, when: {event: pong}, do: {emit: ping}}
  - {name: other, when: {event: other}, do: {log: "still here"}}
`)
	r.send("go")
	r.send("other")
	r.expect("still here")
}

func TestTimerAndAgentEvents(t *testing.T) {
	r := start(t, `
rules:
  - {name: hello, when: {agent: [started, reloaded]}, do: {log: "pid is ${PID}"}}
  - {name: tick, when: {timer: 20ms}, limit: 3/1h, do: {log: "tick ${TICKS}"}}
  - {name: bye, when: {agent: stopping}, do: [{run: [echo, good bye]}]}
`)
	r.expect(fmt.Sprintf("pid is %d", os.Getpid()))
	r.expect("tick 3")
	r.stop()
	r.expect("good bye")
}

func TestLossIsATrigger(t *testing.T) {
	r := start(t, `
rules:
  - {name: any, when: {loss: "*"}, do: {log: "lost ${COUNT} of ${SOURCE}: ${HINT}"}}
  - {name: door, when: {loss: "gpio:door"}, do: {log: "the door"}}
  - {name: input, when: {loss: input}, do: {log: "not this"}}
`)
	r.do(func() {
		h := sources.Host{Loop: r.agent.loop, Emit: r.agent.emit, Log: r.agent.log}
		h.Lost("gpio", "door", 7, "turn this")
	})
	r.expect("lost 7 of gpio:door: turn this")
	r.expect("the door")
	if r.count("not this") != 0 {
		t.Error(r.log)
	}
}

func TestBadReloadChangesNothingAndIsTold(t *testing.T) {
	r := start(t, `rules: [{name: a, when: {event: go}, do: {log: "first"}}]`)
	r.write(`rules: [{name: a, when: {event: go}, do: {lgo: "second"}}]`)
	err := client.Call(filepath.Join(r.dir, "socket"), client.Request{Verb: "reload"}, nil, patience)
	if err == nil || !strings.Contains(err.Error(), `reflexd.yaml:1:43: unknown action "lgo"; did you mean "log"?`) {
		t.Errorf("told: %v", err)
	}
	r.send("go")
	r.expect(`msg=first`)
}

func TestReloadKeepsWhatRuns(t *testing.T) {
	yaml := `
rules:
  - {name: long, when: {event: go}, mode: single, do: [{run: [sh, -c, 'echo begun; read x < DIR/fifo; echo finished $x']}, {log: "list went on"}]}
  - {name: ever, when: {timer: 1h}, do: {log: never}}
`
	r := start(t, yaml)
	unix.Mkfifo(filepath.Join(r.dir, "fifo"), 0o600)
	r.send("go")
	r.expect("line=begun")
	r.write(yaml + "  - {name: new, when: {event: go}, do: {log: \"new rule\"}}\n")
	if err := unix.Kill(os.Getpid(), unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.expect("msg=reloaded", "rules=3")
	r.send("go")
	r.expect("new rule")
	r.expect("dropped", "rule=long", "still running")
	if err := os.WriteFile(filepath.Join(r.dir, "fifo"), []byte("well\n"), 0); err != nil {
		t.Fatal(err)
	}
	r.expect("finished well")
	r.expect("list went on")
}

func TestStopEndsStubbornProgramsWithinASecond(t *testing.T) {
	r := start(t, `rules: [{when: {event: go}, do: {shell: 'trap "" TERM; echo pid $$; while :; do sleep 1; done'}}]`)
	r.send("go")
	line := r.expect("pid ")
	var pid int
	if _, err := fmt.Sscanf(line[strings.Index(line, `line="pid `):], `line="pid %d"`, &pid); err != nil {
		t.Fatal(line, err)
	}
	begin := time.Now()
	r.stop()
	const busy = 3 // times slower than promised a loaded machine may be
	if took := time.Since(begin); took > busy*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if err := unix.Kill(pid, 0); err == nil && processState(pid) != "Z" {
		t.Errorf("process %d is still there", pid)
	}
}

func processState(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))[0]
}

func TestAThousandFiringsLeaveNothingBehind(t *testing.T) {
	r := start(t, `
rules:
  - {name: many, when: {event: go}, mode: parallel, max: 1000, do: {run: ["true"]}}
  - {name: last, when: {event: last}, do: {run: [echo, done]}}
`)
	r.send("last")
	r.expect("line=done")
	before, others := descriptors(t), zombies()
	for range 1000 {
		r.send("go")
	}
	for ended := false; !ended; {
		r.do(func() { ended = r.agent.runner.Running() == 0 && r.agent.loop.Pending() == 0 })
	}
	if after := descriptors(t); after > before+2 { // idle pooled threads may keep none; the rest is noise of the test
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	for _, pid := range zombies() {
		if !slices.Contains(others, pid) {
			t.Errorf("zombie %d", pid)
		}
	}
}

// zombies returns our children that nobody has waited for.
func zombies() (all []int) {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	for _, pid := range strings.Fields(string(children)) {
		if n, _ := strconv.Atoi(pid); processState(n) == "Z" {
			all = append(all, n)
		}
	}
	return all
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestStatusOverTheSocket(t *testing.T) {
	r := start(t, `rules: [{name: a, when: {event: go}, do: {log: x}}]`)
	r.send("go")
	r.expect("msg=x")
	var s Status
	if err := client.Call(filepath.Join(r.dir, "socket"), client.Request{Verb: "status"}, &s, patience); err != nil {
		t.Fatal(err)
	}
	if s.Pid != os.Getpid() || len(s.Rules) != 1 || s.Rules[0].Fired != 1 {
		t.Errorf("%+v", s)
	}
}

func TestEventsOfOneWakeupAreInOrderOfTheirStamps(t *testing.T) {
	r := start(t, `rules: [{when: {event: "x"}, do: {log: "n${N}"}}]`)
	r.do(func() {
		for _, n := range []int64{3, 1, 2} {
			r.agent.emit(&sources.Event{Time: time.Duration(n), Topic: sources.Topic{Kind: "event", Name: "x", State: "sent"},
				Fields: []sources.Field{{Name: "N", Value: sources.Int(n)}}})
		}
	})
	r.expect("msg=n3")
	log := r.log.String()
	if a, b, c := strings.Index(log, "msg=n1"), strings.Index(log, "msg=n2"), strings.Index(log, "msg=n3"); a > b || b > c {
		t.Error(log)
	}
}

// From the event to the decision that no rule wants it, nothing is allocated.
func TestDispatchAllocatesNothing(t *testing.T) {
	r := start(t, `
rules:
  - {when: {key: KEY_A, is: [pressed, released], where: {VALUE: {above: 7}}}, do: {log: x}}
  - {when: {event: y}, do: {log: x}}
`)
	fields := []sources.Field{{Name: "KEY", Value: sources.Text("KEY_A")}, {Name: "VALUE", Value: sources.Int(1)}}
	down := &sources.Event{Topic: sources.Topic{Kind: "key", Name: "KEY_A"}, Source: "test", Press: sources.Down, Fields: fields}
	up := *down
	up.Press = sources.Up
	r.do(func() {
		r.agent.log, r.agent.debug = quiet(), false
		allocs := testing.AllocsPerRun(1000, func() {
			r.agent.emit(down)
			r.agent.turn()
			r.agent.emit(&up)
			r.agent.turn()
		})
		if allocs != 0 {
			t.Errorf("%v allocations for a press and a release", allocs)
		}
	})
}

// What a rule on `agent: stopping` emits or sets still reaches rules.
func TestRulesHearEachOtherAtTheEnd(t *testing.T) {
	r := start(t, `
vars: {mode: {values: [day, night]}}
rules:
  - {when: {agent: stopping}, do: [{emit: bye}, {var: {mode: night}}]}
  - {when: {event: bye}, do: {log: "said bye"}}
  - {when: {var: mode, is: night}, do: {log: "went dark"}}
`)
	r.stop()
	if r.count("said bye") != 1 || r.count("went dark") != 1 {
		t.Error(r.log)
	}
}
