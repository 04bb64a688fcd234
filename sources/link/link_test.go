// SPDX-License-Identifier: MIT

package link

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"reflexd/agent/loop/looptest"
	"reflexd/agent/state"
	"reflexd/config"
	"reflexd/sources"
)

// TestMain runs the tests in a network of their own, where that may be made:
// other links come and go as they like.
func TestMain(m *testing.M) {
	if os.Getenv("REFLEXD_LINK_TEST") != "" || os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), "REFLEXD_LINK_TEST=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	err := c.Run()
	if c.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "no network of our own:", err)
		os.Exit(m.Run())
	}
	os.Exit(c.ProcessState.ExitCode())
}

// rig runs one source on a loop. All but its methods belong to the loop's
// thread.
type rig struct {
	*looptest.Stand
	t        *testing.T
	source   *Source
	triggers []*sources.Trigger
	heard    []string
	losses   int
	table    *state.Table // of the events so far
}

func newRig(t *testing.T) *rig {
	t.Helper()
	stand, l := looptest.New(t)
	r := &rig{Stand: stand, t: t, table: state.New()}
	r.Missed = func() string { return fmt.Sprintf("heard: %q, status: %+v", r.heard, r.source.Status()) }
	r.source = Open(sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler), Emit: r.take})
	r.Run(nil, r.source.Close)
	return r
}

func (r *rig) take(e *sources.Event) {
	r.table.Take(e)
	if e.Topic.Kind == "loss" {
		r.losses++
	}
	if e.Standing > sources.Begins {
		return
	}
	for i, t := range r.triggers {
		for _, topic := range t.Topics {
			if topic.Kind == e.Topic.Kind && (topic.Name == "" || topic.Name == e.Topic.Name) && topic.State == e.Topic.State && t.Accepts(e) {
				r.heard = append(r.heard, fmt.Sprintf("%d %s", i, line(e)))
			}
		}
	}
}

// line writes an event as "eth0 address-added ADDRESS=10.0.0.1".
func line(e *sources.Event) string {
	s := e.Topic.Name + " " + e.Topic.State
	for _, name := range []string{"PREVIOUS", "ADDRESS", "PREFIX", "FAMILY", "SCOPE", "RESCAN", "SYNTHETIC"} {
		if v, ok := e.Lookup(name); ok {
			s += " " + name + "=" + v.String()
		}
	}
	return s
}

// expect waits for as many events and compares them.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	r.Await("events", func() bool { return len(r.heard) >= len(want) })
	r.Do(func() {
		if diff := cmp.Diff(want, r.heard); diff != "" {
			r.t.Errorf("heard (-want +got):\n%s", diff)
		}
		r.heard = nil
	})
}

func (r *rig) apply(triggers ...string) {
	r.t.Helper()
	plan := &Plan{}
	var ps config.Problems
	var all []*sources.Trigger
	for _, text := range triggers {
		all = append(all, compile(plan, text, &ps))
	}
	if ps.Failed() {
		r.t.Fatal(&ps)
	}
	r.Do(func() {
		r.triggers = all
		r.source.Apply(plan)
	})
	r.Await("the table", func() bool { return r.source.known || !plan.wanted() })
}

func compile(p *Plan, text string, ps *config.Problems) *sources.Trigger {
	fields, compile := p.Triggers()[0].New()
	n, _ := config.Parse("f", []byte(text), ps)
	config.Object(fields...).Read(n, ps)
	t := &sources.Trigger{}
	compile(t, ps)
	return t
}

const everything = "{link: ['rf*'], is: [up, down, added, removed, renamed, changed, address-added, address-removed]}"

// tap is a link that we made: an Ethernet card whose cable we hold.
type tap struct {
	t    *testing.T
	name string
	fd   int
}

func newTap(t *testing.T, name string) *tap {
	t.Helper()
	if os.Getenv("REFLEXD_LINK_TEST") == "" {
		t.Skip("only in a network of our own")
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Skip(err)
	}
	p := &tap{t, name, fd}
	t.Cleanup(p.remove)
	p.cable(false)
	return p
}

func (p *tap) remove() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}

// cable plugs it in or pulls it.
func (p *tap) cable(in bool) {
	p.t.Helper()
	carrier := 0
	if in {
		carrier = 1
	}
	const tunSetCarrier = 0x400454e2
	if err := unix.IoctlSetPointerInt(p.fd, tunSetCarrier, carrier); err != nil {
		p.t.Fatal(err)
	}
}

// do makes one of the ioctls of netdevice(7).
func (p *tap) do(number uint, fill func(*unix.Ifreq)) {
	p.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(p.name)
	if err != nil {
		p.t.Fatal(err)
	}
	fill(request)
	if err := unix.IoctlIfreq(fd, number, request); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tap) admin(up bool) {
	p.t.Helper()
	p.do(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) {
		if up {
			r.SetUint16(unix.IFF_UP)
		}
	})
}

func (p *tap) mtu(n uint32) { p.do(unix.SIOCSIFMTU, func(r *unix.Ifreq) { r.SetUint32(n) }) }

func (p *tap) address(ip [4]byte) {
	p.do(unix.SIOCSIFADDR, func(r *unix.Ifreq) {
		if err := r.SetInet4Addr(ip[:]); err != nil {
			p.t.Error(err)
		}
	})
}

func (p *tap) rename(name string) {
	p.do(unix.SIOCSIFNAME, func(r *unix.Ifreq) {
		// struct ifreq: the name, and then what is asked for.
		copy(unsafe.Slice((*byte)(unsafe.Pointer(r)), 2*unix.IFNAMSIZ)[unix.IFNAMSIZ:], name+"\x00")
	})
	p.name = name
}

// A card from its being plugged in to its being pulled out. Up is what has a
// carrier: that somebody switched it on does not count.
func TestLifeOfALink(t *testing.T) {
	r := newRig(t)
	r.apply(everything, "{link: rf1, is: renamed}", "{link: rf0, is: [renamed, up]}")
	p := newTap(t, "rf0")
	r.expect("0 rf0 added")
	p.admin(true)
	p.cable(true)
	r.Await("up", func() bool { return len(r.heard) >= 2 && strings.Contains(strings.Join(r.heard, " "), "up") })
	r.Do(func() {
		// An address of IPv6 comes by itself, some time.
		r.triggers = r.triggers[:0]
		r.heard = nil
	})
	r.apply("{link: rf0, is: [down, up, changed]}", "{link: 'rf*', is: [address-added, address-removed, removed, renamed, down]}", "{link: rf0, is: renamed}")
	p.address([4]byte{10, 9, 8, 7})
	r.Await("address", func() bool {
		return strings.Contains(fmt.Sprint(r.heard), "ADDRESS=10.9.8.7 PREFIX=8 FAMILY=inet SCOPE=global")
	})
	r.Do(func() { r.heard = nil })
	r.apply("{link: rf0, is: [down, up, changed]}", "{link: 'rf*', is: [removed, renamed]}", "{link: rf0, is: renamed}")
	r.Do(func() { r.heard = nil })
	p.cable(false)
	r.expect("0 rf0 down")
	p.cable(true)
	r.expect("0 rf0 up")
	p.mtu(1400)
	r.expect("0 rf0 changed")
	p.admin(false)
	r.expect("0 rf0 down")
	p.rename("rf1")
	r.expect("1 rf1 renamed PREVIOUS=rf0", "2 rf1 renamed PREVIOUS=rf0")
	p.remove()
	r.expect("1 rf1 removed")
}

// The state at start is no news, and known: what is told is a change of it.
func TestStateAtStart(t *testing.T) {
	p := newTap(t, "rf0")
	p.admin(true)
	p.address([4]byte{10, 0, 0, 1})
	r := newRig(t)
	r.apply("{link: rf0, is: [up, down, added, removed, changed]}", "{link: rf0, is: address-removed, }", "{link: rf9, is: up}")
	r.Do(func() {
		states := r.source.Status()
		want := []sources.State{{Name: "rf0", Detail: "down, 10.0.0.1/8", OK: true}, {Name: "rf9", Error: "no such link"}}
		if !states[0].OK || !reflect.DeepEqual(states[1:], want) {
			t.Errorf("status is %+v, want %+v", states[1:], want)
		}
	})
	p.cable(true)
	r.expect("0 rf0 up")
	p.remove()
	r.Await("end", func() bool { return strings.Contains(fmt.Sprint(r.heard), "removed]") })
	r.Do(func() {
		all := strings.Join(r.heard, "\n")
		if !strings.HasPrefix(all, "0 rf0 down\n") || !strings.Contains(all, "ADDRESS=10.0.0.1") {
			t.Errorf("heard %q", all)
		}
	})
}

// The states of links that are there, renamed, removed, named and not named.
func TestStatesOfLinks(t *testing.T) {
	p := newTap(t, "rf0")
	p.admin(true)
	p.cable(true)
	r := newRig(t)
	stands := func(when string, want map[string]string) {
		t.Helper()
		r.Do(func() {
			for name, state := range want {
				if got, _ := r.table.State("link", name); got != state {
					t.Errorf("%s: %s is %q, want %q", when, name, got, state)
				}
			}
		})
	}
	const both = "{link: [rf0, rf1, rf9], is: [up, down, removed, renamed]}"
	r.apply(both)
	r.Await("the links", func() bool { return r.source.known })
	stands("at first", map[string]string{"rf0": "up", "rf1": "down", "rf9": "down"})
	p.admin(false)
	r.expect("0 rf0 down")
	p.rename("rf1")
	r.expect("0 rf1 renamed PREVIOUS=rf0")
	p.admin(true)
	r.expect("0 rf1 up")
	stands("renamed", map[string]string{"rf0": "down", "rf1": "up"})
	r.apply("{link: '*', is: up}")
	stands("when nothing is named", map[string]string{"rf0": "", "rf1": "up", "rf9": ""})
	r.apply(both)
	stands("named again", map[string]string{"rf0": "down", "rf1": "up", "rf9": "down"})
	p.remove()
	r.expect("0 rf1 down", "0 rf1 removed")
	stands("removed", map[string]string{"rf0": "down", "rf1": "down"})
	r.apply()
	stands("when nobody asks", map[string]string{"rf0": "", "rf1": "", "lo": ""})
}

// The same plan again, and a wider one, ask nothing and tell nothing.
func TestReload(t *testing.T) {
	newTap(t, "rf0")
	r := newRig(t)
	r.apply(everything)
	var fd int
	r.Do(func() { fd = r.source.socket.FD })
	r.apply(everything, "{link: '*', is: up}")
	r.Do(func() {
		if r.source.socket.FD != fd || len(r.heard) > 0 {
			t.Errorf("socket %d then %d, heard %q", fd, r.source.socket.FD, r.heard)
		}
	})
	r.apply()
	r.Do(func() {
		if r.source.socket.FD >= 0 || r.source.Status() != nil {
			t.Error("nobody asks, and the socket is open")
		}
	})
}

// A socket that overflows while the loop is held up: one loss, and then what
// is different.
func TestOverflowRepaired(t *testing.T) {
	p := newTap(t, "rf0")
	gone := newTap(t, "rf1")
	r := newRig(t)
	r.apply("{link: 'rf*', is: [up, down, added, removed, changed, renamed]}")
	r.Do(func() {
		room(t, r.source.socket.FD, 4096)
		for i := range 100 {
			p.mtu(1000 + uint32(i))
		}
		gone.remove()
		newTap(t, "rf2")
		p.admin(true)
		p.cable(true)
	})
	r.Await("loss", func() bool { return r.losses > 0 })
	// What the kernel reports of links that are there may come after the loss, too: it tells of their carrier later.
	for _, want := range []string{"rf1 removed RESCAN=1 SYNTHETIC=1", "rf2 added"} {
		r.Await(want, func() bool { return strings.Contains(strings.Join(r.heard, "\n"), want) })
	}
	r.Await("up", func() bool { return r.source.table.named("rf0").up })
	r.Do(func() {
		if mtu := r.source.table.named("rf0").mtu; mtu != 1099 {
			t.Errorf("the MTU is %d, 1099 was the last", mtu)
		}
		r.heard = nil
	})
	p.mtu(1500)
	r.Await("what comes after", func() bool { return len(r.heard) > 0 })
	r.Do(func() {
		if r.losses != 1 {
			t.Errorf("%d losses", r.losses)
		}
	})
}

// The loop reads while links change faster than it keeps up with: the socket
// overflows again before it was empty, and while the kernel is asked what there is.
func TestStormsEndInTheRightState(t *testing.T) {
	p := newTap(t, "st0")
	r := newRig(t)
	r.apply("{link: 'st*', is: [up, down, changed]}")
	r.Do(func() {
		room(t, r.source.socket.FD, 4096)
	})
	const storms, changes = 3000, 40
	for storm := range storms {
		for i := range changes + storm%37 {
			p.mtu(1000 + uint32(i))
		}
		last := 2000 + storm
		p.mtu(uint32(last))
		r.Await(fmt.Sprint("the MTU ", last), func() bool { return r.source.table.named("st0").mtu == last })
	}
}

// A loss is made up for even if the last message that waits is the last of what is read at a time.
func TestLossIsRepairedAfterHoweverManyMessages(t *testing.T) {
	p := newTap(t, "lo0")
	r := newRig(t)
	r.apply("{link: lo0, is: [up, down, changed]}")
	for n := range 2*batch + 2 {
		r.Do(func() {
			room(t, r.source.socket.FD, receiveBuffer)
			for i := range n {
				p.mtu(1000 + uint32(i%2))
			}
			room(t, r.source.socket.FD, 0)
			p.mtu(2000 + uint32(n))
		})
		r.Await(fmt.Sprint("the MTU ", 2000+n), func() bool { return r.source.table.named("lo0").mtu == 2000+n })
	}
}

// room sets the size of a receive buffer; of what waits in it, nothing is lost.
func room(t *testing.T, fd, size int) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size); err != nil {
		t.Error(err)
	}
}

func (t *table) named(name string) link {
	for _, l := range t.links {
		if l.name.String() == name {
			return l
		}
	}
	return link{}
}

func TestComplaints(t *testing.T) {
	for text, want := range map[string]string{
		"{link: eth0, is: upp}":                 `f:1:18: expected up, down, added, removed, renamed, changed, address-added or address-removed, found "upp"; did you mean "up"?`,
		"{link: eth0}":                          `f:1:1: the key "is" is missing: up, down, added, removed, renamed, changed, address-added or address-removed`,
		"{link: a-name-of-17bytes, is: up}":     `f:1:8: "a-name-of-17bytes" is longer than any link name: at most 15 bytes`,
		"{link: [eth0, eth/0], is: up}":         `f:1:8: "eth/0" is not a valid link name`,
		"{link: 'enx0123456789ab*', is: added}": "",
	} {
		var ps config.Problems
		compile(&Plan{}, text, &ps)
		if diff := cmp.Diff(want, ps.Error()); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}
