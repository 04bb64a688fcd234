// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

const sigrtmin = 34 // as reflexd counts

func (a *agent) send(s syscall.Signal) {
	a.t.Helper()
	if err := a.proc.Signal(a.t.Context(), s); err != nil {
		a.t.Fatal(err)
	}
}

// expectVerb waits for a word in what a verb prints.
func (a *agent) expectVerb(word string, verb ...string) {
	a.t.Helper()
	for range 50 {
		if strings.Contains(a.verb(verb...), word) {
			return
		}
		time.Sleep(100 * time.Millisecond) // of the host; the guest cannot notify us
	}
	a.t.Fatalf("no %q in %s", word, a.verb(verb...))
}

func TestNetlinkGroupOfADriver(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.module(t, "group21")
		b.load(t, "group21")
		if out := b.shell(t, "echo nobody > /proc/group21; echo $?"); !strings.Contains(out, "1") {
			t.Errorf("nobody listens, and the driver was told %q", out)
		}
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, `
netlink:
  alarms: {protocol: usersock, groups: [21]}
  others: {protocol: usersock, groups: [21, 32], from: {uid: 0}}
rules:
  - {name: door, when: {netlink: alarms, where: {TEXT: door open}}, do: {log: "alarm: ${TEXT} of group ${GROUP} from ${PORT}"}}
  - {name: two, when: {netlink: others}, do: {log: "other: ${TEXT} ${TYPE} ${LENGTH} ${SENDER_PID}"}}
`)
			a.expectVerb("groups 21", "status")
			b.shell(t, "echo window > /proc/group21; echo door open > /proc/group21")
			// Of two sockets either may be read first.
			for _, line := range []string{"other: window 16 8 0", "alarm: door open of group 21 from 0"} {
				if _, err := b.AwaitMatch(t.Context(), a.dir+"/log", line); err != nil {
					t.Fatal(err)
				}
			}
			if n := count(a.log(), "msg=\"alarm"); n != 1 {
				t.Errorf("%d alarms", n)
			}
			a.finish()
		}
	})
}

func TestNetlinkBurst(t *testing.T) {
	b := on(t, lab.Virt)
	b.module(t, "group21")
	b.load(t, "group21")
	const messages = 2000
	for _, buffer := range []string{"1M", "16K"} {
		a := b.start(t, `
netlink: {alarms: {protocol: usersock, groups: [21], buffer: `+buffer+`}}
rules:
  - {name: each, mode: coalesce, when: {netlink: alarms}, do: {emit: {name: seen, fields: {N: "${TEXT}"}}}}
  - {name: loss, when: {loss: alarms}, do: {log: "lost ${COUNT}: ${KNOB}"}}
  - {name: end, when: {netlink: alarms, where: {TEXT: the end}}, do: {log: "that was all"}}
`)
		a.expectVerb("groups 21", "status")
		b.shell(t, fmt.Sprintf("echo burst %d > /proc/group21; sleep 1; echo the end > /proc/group21", messages))
		a.expect("that was all")
		status := a.verb("status")
		line := status[strings.Index(status, "groups 21"):]
		line, _, _ = strings.Cut(line, "\n")
		var size, received, foreign, malformed, lost int
		if _, err := fmt.Sscanf(line, "groups 21, receive buffer %d KiB, %d received, %d from others, %d malformed, %d lost",
			&size, &received, &foreign, &malformed, &lost); err != nil {
			t.Fatal(err, line)
		}
		t.Log(line)
		if received+lost != messages+1 {
			t.Errorf("%d of %d messages are accounted for", received+lost, messages+1)
		}
		if told := count(a.log(), "events lost") > 0; told != (lost > 0) {
			t.Errorf("%d lost, told: %v", lost, told)
		}
		a.finish()
	}
}

const dialogue = `
netlink:
  talk: {protocol: 25}
  second: {protocol: 25, groups: [40]}
rules:
  - {name: hello, when: {signal: SIGUSR1}, do: {send: {netlink: talk, text: "Hello you!"}}}
  - {name: answers, when: {netlink: talk}, do: {log: "answer: ${TEXT}, type ${TYPE}, to ${SEQ}, from ${PORT}"}}
  - name: slow
    when: {signal: SIGUSR2}
    do: [{log: begins}, {send: {netlink: talk, type: 17, text: slowly, ack: true}}, {log: "the slow one is taken"}]
  - name: refused
    when: {signal: SIGRTMIN+2}
    do: {send: {netlink: second, type: 18, ack: true}}
    on_failure: {log: "failed: ${ERROR}"}
  - {name: tick, when: {timer: 200ms}, do: {log: tick}}
`

func TestNetlinkDialogue(t *testing.T) {
	b := on(t, lab.Virt)
	b.module(t, "dialogue")
	a := b.start(t, dialogue)
	a.expect("protocol 25: protocol not supported")
	a.send(syscall.SIGUSR1)
	a.expect("action failed.*is its module loaded")
	b.load(t, "dialogue", "answers=10 pause=200 nap=2000") // after reflexd
	a.expect("netlink socket is open.*socket=talk")
	a.expectVerb("protocol 25, port", "status")

	a.send(syscall.SIGUSR1)
	for i := range 10 {
		a.expect(fmt.Sprintf("answer: Hello you! %d, type 16, to 1, from 0", i+1))
	}
	a.send(sigrtmin + 2)
	a.expect("failed: .*busy: not today")

	// A driver that sleeps in its callback holds up its sender alone.
	a.send(syscall.SIGUSR2)
	a.expect("begins")
	for range 4 {
		a.expect("msg=tick")
	}
	if strings.Contains(a.log(), "is taken") {
		t.Error("the slow callback was over too soon to tell")
	}
	a.expectVerb("a message in the kernel for", "status")
	a.expect("answer: slowly 2, type 16, to 2")
	if !strings.Contains(a.log(), "the slow one is taken") {
		t.Error("the ack was not heard")
	}

	// The sockets pin the module.
	if out := b.shell(t, "rmmod dialogue 2>&1; true"); out == "" {
		t.Error("the module went although it has open sockets")
	}
	a.configure("rules: [{when: {timer: 1h}, do: {log: x}}]")
	a.verb("reload")
	b.shell(t, "for i in 1 2 3 4 5; do rmmod dialogue && exit 0; sleep 1; done; exit 1")
	a.configure(dialogue)
	a.verb("reload")
	a.expect("netlink socket waits.*protocol 25")
	b.load(t, "dialogue", "answers=1")
	a.expect("netlink socket is open.*socket=talk")
	a.expectVerb("protocol 25, port", "status")
	a.send(syscall.SIGUSR1)
	a.expect("answer: Hello you! 1,")
}

func TestNetlinkPortTaken(t *testing.T) {
	b := on(t, lab.Virt)
	first := b.start(t, `
netlink: {talk: {protocol: usersock, port: 4711, from: any}}
rules: [{when: {netlink: talk}, do: [{log: "asked: ${TEXT} by ${PORT}"}, {send: {netlink: talk, to: "${PORT}", text: "yes"}}]}]
`)
	first.expectVerb("port 4711", "status")
	const second = `
netlink: {talk: {protocol: usersock, port: 4711}}
rules: [{when: {netlink: talk}, do: {log: x}}]
`
	a := b.start(t, second)
	a.expect("bind port 4711: address already in use: process " + fmt.Sprint(first.proc.PID) + " .reflexd. holds it")
	// Its neighbour with another port is believed by name alone.
	a.configure(`
netlink:
  asker: {protocol: usersock, port: 4712, from: 4711}
  deaf: {protocol: usersock, port: 4713}
rules:
  - {when: {signal: SIGUSR1}, do: [{send: {netlink: asker, to: 4711, text: "is it?"}}, {send: {netlink: deaf, to: 4711, text: "and you?"}}]}
  - {when: {netlink: asker}, do: {log: "heard ${TEXT}"}}
  - {when: {netlink: deaf}, do: {log: "believed ${TEXT}"}}
`)
	a.verb("reload")
	a.expectVerb("port 4713", "status")
	a.send(syscall.SIGUSR1)
	a.expect("heard yes")
	first.expect("asked: and you. by 4713")
	a.expectVerb("1 from others", "status")
	if strings.Contains(a.log(), "believed") {
		t.Error("a socket that believes the kernel alone believed a process")
	}
}

func TestNetlinkFamily(t *testing.T) {
	b := on(t, lab.Virt)
	b.module(t, "family")
	a := b.start(t, `
netlink: {lab: {family: lab_family, groups: [news], decode: attrs}}
rules:
  - {name: news, when: {netlink: lab, where: {CMD: 1}}, do: {log: "news: ${ATTR_1}, number ${ATTR_2_INT}"}}
  - {name: say, when: {signal: SIGUSR1}, do: {send: {netlink: lab, cmd: 1, data: "0700 0100 686900 00", ack: true}}}
  - {name: mute, when: {signal: SIGUSR2}, do: {send: {netlink: lab, cmd: 1, ack: true}}, on_failure: {log: "failed: ${ERROR}"}}
`)
	a.expect("no such family")
	for range 2 {
		b.load(t, "family")
		a.expect("netlink socket is open")
		b.shell(t, "echo -n it rains > /sys/module/family/parameters/tell")
		a.expect("news: it rains, number 1")
		a.send(syscall.SIGUSR1)
		a.expect("news: hi, number 2")
		a.send(syscall.SIGUSR2)
		a.expect("failed: .*invalid argument: nothing to say")
		b.shell(t, "rmmod family")
		a.expect("netlink socket waits.*no such family")
	}
}

// The agent ends within its second although a driver sleeps, and says for
// whom its process still waits.
func TestNetlinkStopNamesTheSleepingDriver(t *testing.T) {
	b := on(t, lab.Virt)
	b.module(t, "dialogue")
	b.load(t, "dialogue", "nap=3000 answers=1")
	a := b.start(t, dialogue)
	a.expectVerb("protocol 25, port", "status")
	a.send(syscall.SIGUSR2)
	a.expect("begins")
	a.expectVerb("a message in the kernel for", "status")
	a.send(syscall.SIGTERM)
	a.expect("waiting for a driver: its input callback has not returned.*socket=talk")
	a.finish()
}
