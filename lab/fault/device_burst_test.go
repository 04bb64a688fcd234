// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

package fault

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	goevdev "github.com/holoplot/go-evdev"
	"golang.org/x/sys/unix"

	reflexd "reflexd/agent"
	"reflexd/client"
)

const deviceBurstRules = `
lines:
  meter: {input: "header:17", bias: pull-down, edges: rising}
counters:
  pulses: {line: meter}
inputs:
  keys: {name: fault keys, grab: auto}
rules:
  - {name: edge, when: {line: meter, is: rising}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: key, when: {key: KEY_A, is: pressed, from: keys}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: down, when: {event: state}, if: {key: KEY_A, is: pressed}, do: {log: "is down"}}
  - {name: up, when: {event: state}, if: {key: KEY_A, is: released}, do: {log: "is up"}}
`

// sender sends a burst, and returns how many events it had.
type sender = func(t *testing.T, a *burstAgent, n int) (sent int)

// asleep has the agent sleep while a burst is sent.
func asleep(send sender) sender {
	return func(t *testing.T, a *burstAgent, n int) int {
		_ = a.cmd.Process.Signal(unix.SIGSTOP)
		defer func() { _ = a.cmd.Process.Signal(unix.SIGCONT) }()
		return send(t, a, n)
	}
}

// Of a burst of edges each is handled, dropped and counted, or reported lost; of one of keys, too, as long as the kernel's
// queue has room. It does not count the keys for which it has none: that some are lost is reported, and the state is right.
func TestDeviceBursts(t *testing.T) {
	d := newDevices(t)
	n, err := strconv.Atoi(os.Getenv(BurstSize))
	if err != nil {
		t.Fatal(err)
	}
	pulses := func(t *testing.T, _ *burstAgent, n int) int {
		f, err := os.OpenFile(d.lines+"/sim_gpio17/pull", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range n {
			for _, to := range []string{"pull-up", "pull-down"} {
				if _, err := f.WriteAt([]byte(to), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		return n
	}
	keys := func(t *testing.T, _ *burstAgent, n int) int {
		for range n {
			if err := d.strike(goevdev.KEY_A); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	again := func(t *testing.T) { pulses(t, nil, 1) }
	for _, mode := range []string{"queued", "coalesce", "single"} {
		t.Run(mode, func(t *testing.T) {
			a := launchBurst(t, deviceBurstRules, mode)
			a.accountPulses(t, &burst{rule: "edge", losses: "gpio:meter", send: asleep(pulses), again: again}, mode, n)
			a.accountKeys(t, d, &burst{rule: "key", losses: "input", send: asleep(keys)}, mode, n)
		})
	}
	t.Run("awake", func(t *testing.T) {
		n := n
		if !everyFault { // it has to be woken for almost each
			n /= 10
		}
		a := launchBurst(t, deviceBurstRules, "queued")
		a.accountPulses(t, &burst{rule: "edge", losses: "gpio:meter", send: pulses, again: again}, "queued", n)
		a.accountKeys(t, d, &burst{rule: "key", losses: "input", send: keys}, "queued", n)
	})
}

// accountPulses accounts for edges, none of which a counter may miss.
func (a *burstAgent) accountPulses(t *testing.T, b *burst, mode string, n int) {
	sent := a.account(t, b, mode, n)
	s, err := reflexd.AskStatus(a.socket(), patience)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range s.Sources {
		if want := fmt.Sprintf("line meter, %d", sent); source.Source == "counter" && source.States[0].Detail != want {
			t.Errorf("the counter: %s, want %s", source.States[0].Detail, want)
		}
	}
}

// accountKeys waits until the presses that were sent are accounted for, as far as they can be: the kernel reports that
// keys are lost, but not how many.
func (a *burstAgent) accountKeys(t *testing.T, d *devices, b *burst, mode string, n int) {
	sent := b.send(t, a, n)
	for _, state := range []struct {
		value int
		log   string
	}{{1, "is down"}, {0, "is up"}} {
		if err := d.send(goevdev.EV_KEY, goevdev.KEY_A, state.value); err != nil {
			t.Fatal(err)
		}
		sent += state.value
		a.awaitState(t, state.log)
	}
	var last handled
	for end := time.Now().Add(patience); time.Now().Before(end); {
		is, err := a.handled(b, mode)
		switch all := is.all(); {
		case err != nil:
			t.Fatal(err)
		case all > sent:
			t.Fatalf("keys: pressed %d times, %v", sent, is)
		case is != last:
			end = time.Now().Add(patience)
		case !is.runs && (all == sent || is.losses > 0):
			t.Logf("keys: pressed %d times, %v", sent, is)
			return
		}
		last = is
	}
	t.Errorf("silence: keys: pressed %d times, %v", sent, last)
}

// awaitState asks for the key's state until the log says that it is as it must be: a key that the kernel lost is no event
// to wait for.
func (a *burstAgent) awaitState(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err := client.Call(a.socket(), client.Request{Verb: "emit", Name: "state"}, nil, patience); err != nil {
			t.Fatal(err)
		}
		if contains(a.since(0), want) {
			return
		}
	}
	t.Fatalf("after a burst of keys it does not say that the key %s", want)
}
