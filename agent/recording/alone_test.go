// SPDX-License-Identifier: MIT

package recording

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent"
	"reflexd/agent/rule"
	"reflexd/sources"
)

// rulesAtRandom are rules on few events that ask for few fields and words, and so are
// looked up by these.
func rulesAtRandom(r *rand.Rand, many int) (rules []string) {
	of := func(words ...string) string { return words[r.IntN(len(words))] }
	word := func() string {
		return of("0", "1", "-1", "7", "07", "0x7", "7.0", "10", "a", "A", "ab", "b", "c", "d", `"a b"`, `""`, `"1"`)
	}
	where := func() string {
		var asks []string
		for _, field := range []string{"A", "B"} {
			switch r.IntN(8) {
			case 0:
				asks = append(asks, field+": {not: "+word()+"}")
			case 1:
				asks = append(asks, field+`: "a*"`)
			case 2:
				asks = append(asks, field+": {above: 0.5}")
			case 3:
				asks = append(asks, fmt.Sprintf("%s: [%s, %s]", field, word(), word()))
			case 4, 5, 6:
				asks = append(asks, field+": "+word())
			}
		}
		return fmt.Sprintf("{event: %s, where: {%s}}", of("x", "x", "x", "y"), strings.Join(asks, ", "))
	}
	for i := range many {
		when := where()
		if r.IntN(3) == 0 {
			when = fmt.Sprintf("[%s, %s]", when, where())
		}
		rules = append(rules, fmt.Sprintf("{name: r%02d, when: %s, do: {log: fires}}", i, when))
	}
	return rules
}

// configured is the configuration with these rules.
func configured(rules ...string) string {
	return "rules:\n  - {name: marker, when: {event: marker}, enabled: off, do: {log: marker}}\n  - " + strings.Join(rules, "\n  - ") + "\n"
}

// sent is an event.
type sent struct {
	name   string
	fields map[string]string
}

func eventsAtRandom(r *rand.Rand, many int) (events []sent) {
	values := []string{"0", "1", "-1", "7", "07", "0x7", "7.0", "10", "a", "A", "ab", "abc", "b", "c", "a b", ""}
	for range many {
		e := sent{[]string{"x", "y"}[r.IntN(2)], map[string]string{}}
		for _, field := range []string{"A", "B"} {
			if r.IntN(5) > 0 {
				e.fields[field] = values[r.IntN(len(values))]
			}
		}
		events = append(events, e)
	}
	return events
}

// simulation is an agent in virtual time, and the rules that fired since it was last asked.
type simulation struct {
	*agent.Simulation
	t     *testing.T
	fired []string
}

func simulate(t *testing.T, yaml string) *simulation {
	t.Helper()
	s := &simulation{t: t}
	var err error
	s.Simulation, err = agent.NewSimulation(load(t, yaml), agent.SimulationOptions{
		Log: slog.New(slog.DiscardHandler), Wall: time.Unix(0, 0).UTC(),
		Outcome: func(name string, _ *sources.Event, o rule.Outcome, _ string) {
			if o == rule.Fired {
				s.fired = append(s.fired, name)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// send returns the rules that fire.
func (s *simulation) send(e sent) []string {
	var fields []sources.Field
	for _, name := range slices.Sorted(maps.Keys(e.fields)) {
		fields = append(fields, sources.Field{Name: name, Value: sources.Text(e.fields[name])})
	}
	s.fired = nil
	if err := s.Event(e.name, fields); err != nil {
		s.t.Fatal(err)
	}
	return s.fired
}

// Among many rules each fires as if it were the only one, in their order: from the start
// and after a reload, on a board, in virtual time and in a replay.
func TestEachRuleFiresAsIfAlone(t *testing.T) {
	const rules, events = 60, 60
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var board *driver
	var virtual *simulation
	for generation := range 2 {
		all := rulesAtRandom(r, rules)
		yaml := configured(all...)
		if generation == 0 {
			board, virtual = launch(t, yaml), simulate(t, yaml)
		} else {
			board.write(yaml)
			if err := board.acts.Reload(); err != nil {
				t.Fatal(err)
			}
			virtual.Reload(load(t, yaml))
		}
		board.settle()
		board.begin()
		var alone []*simulation
		for _, one := range all {
			alone = append(alone, simulate(t, configured(one)))
		}
		var whole []string
		for _, e := range eventsAtRandom(r, events) {
			var want []string
			for _, s := range alone {
				want = append(want, s.send(e)...)
			}
			whole = append(whole, want...)
			if got := virtual.send(e); !slices.Equal(got, want) {
				t.Fatalf("seed %d, %v in virtual time: %v, want %v\n%s", seed, e, got, want, yaml)
			}
			board.fired = nil
			if _, err := board.acts.Emit(e.name, e.fields); err != nil {
				t.Fatal(err)
			}
			if board.settle(); !slices.Equal(board.fired, want) {
				t.Fatalf("seed %d, %v: %v, want %v\n%s", seed, e, board.fired, want, yaml)
			}
		}
		if got := order(replayed(t, read(t, board.text.String()), yaml).Now); !slices.Equal(got, whole) {
			t.Fatalf("seed %d, in a replay: %v, want %v\n%s", seed, got, whole, yaml)
		}
		if len(whole) < events {
			t.Errorf("seed %d: %d firings in all", seed, len(whole))
		}
	}
}
