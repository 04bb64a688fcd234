// SPDX-License-Identifier: MIT

// Input devices without a kernel, for tests of rules: they have all keys,
// switches and axes, and what they send comes from the test, in the kernel's own
// bytes.

package input

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// Simulator is the source of a simulation.
type Simulator interface {
	sources.Source
	// SimulatePresence plugs in or pulls the device declared as input. Before
	// the plan is applied it says what is there at the start; p is that plan.
	SimulatePresence(p *Plan, input string, present bool) error
	// SimulateKey presses (1), repeats (2) or releases (0) a key of the device
	// declared as input; "" is a device that nothing declares.
	SimulateKey(input string, key Key, value int32) error
	// SimulateSwitch sets a switch, SimulateAxis an axis or wheel, by its name.
	SimulateSwitch(input, name string, on bool) error
	SimulateAxis(input, name string, value int32) error
}

// simulated is the devices that a simulated source has, by their nodes.
type simulated struct {
	inputs map[string]string // by which name each is declared; "" for none
	opened map[int]string    // the nodes, by descriptors
	made   int
}

// stranger is the node of the device that nothing declares.
const stranger = "event0"

// openWithoutKernel returns a source whose devices are simulated.
func openWithoutKernel(host sources.Host) *source {
	sim := &simulated{inputs: map[string]string{stranger: ""}, opened: map[int]string{}}
	s := open(host, kernel{
		open: func(path string) (int, error) {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			sim.opened[fd] = path[strings.LastIndexByte(path, '/')+1:]
			return fd, err
		},
		identify: func(fd int) (identity, error) {
			input := sim.inputs[sim.opened[fd]]
			return identity{name: "simulated " + input, simulates: input, has: everyCode}, nil
		},
		levels: func(int, *codes, *levels) error { return nil },
		mask:   func(int, *codes) error { return nil },
		grab:   func(int, bool) error { return nil },
		close:  unix.Close,
	})
	s.simulated = sim
	return s
}

// SimulatePresence implements Simulator.
func (s *source) SimulatePresence(p *Plan, input string, present bool) error {
	if p.Inputs[input] == nil {
		return fmt.Errorf("no input %q is declared", input)
	}
	node := s.nodeOf(input)
	switch {
	case present && node == "":
		s.simulated.made++
		s.simulated.inputs[fmt.Sprint("event", s.simulated.made)] = input
	case !present && node != "":
		delete(s.simulated.inputs, node)
	}
	if s.plan == p {
		s.scan()
		s.notice()
	}
	return nil
}

// Known returns the declared names of a recorded device: those of names that
// are declared or, if there are none, those of inputs that may mean a device
// with that path and name.
func (p *Plan) Known(path, name string, names []string) []string {
	var known []string
	for _, n := range names {
		if p.Inputs[n] != nil {
			known = append(known, n)
		}
	}
	if len(names) > 0 {
		return known
	}
	return p.namesOf(path, &identity{name: name, has: everyCode})
}

// nodeOf returns the node of the device declared as input, "" if it is absent.
func (s *source) nodeOf(input string) string {
	for node, name := range s.simulated.inputs {
		if name == input && (input != "" || node == stranger) {
			return node
		}
	}
	return ""
}

// SimulateKey implements Simulator.
func (s *source) SimulateKey(input string, key Key, value int32) error {
	if !key.isScancode() {
		return s.simulate(input, evKey, key.code, value)
	}
	d, err := s.simulatedDevice(input)
	if err != nil || d == nil || s.plan.scansOf(d.names)[key.scan] == "" {
		return err
	}
	d.setPress(value, false)
	d.event.Private = false
	d.emit(s.host.Loop.Now(), sources.Topic{Kind: "key", Name: key.String()}, "KEY", int64(key.scan.code), value, false)
	return nil
}

// TypedKey is a key that goes down (1) or up (0).
type TypedKey struct {
	Key   string
	Value int32
}

// Strokes returns what a declared input that types does for a text, and for its
// end.
func (p *Plan) Strokes(input, text string) ([]TypedKey, error) {
	in := p.Inputs[input]
	switch {
	case in == nil:
		return nil, fmt.Errorf("no input %q is declared", input)
	case in.Text == nil:
		return nil, fmt.Errorf("the input %s does not type: it has no `text`", input)
	}
	var all []TypedKey
	key := func(code uint16, value int32) { all = append(all, TypedKey{KeyName(code), value}) }
	for _, c := range in.Text.Prefix + text + in.Text.Suffix {
		code, others := in.Text.Layout.Keys(c)
		if code == 0 {
			return nil, fmt.Errorf("no key of the layout %s types %q by itself", in.Text.Layout.Name, c)
		}
		for _, other := range others {
			key(other, 1)
		}
		key(code, 1)
		key(code, 0)
		for _, other := range others {
			key(other, 0)
		}
	}
	key(in.Text.End[0], 1)
	key(in.Text.End[0], 0)
	return all, nil
}

// SimulateSwitch implements Simulator.
func (s *source) SimulateSwitch(input, name string, on bool) error {
	code, err := switchNames.parse(name)
	if err != nil {
		return err
	}
	return s.simulate(input, evSw, code, b2i(on))
}

// SimulateAxis implements Simulator.
func (s *source) SimulateAxis(input, name string, value int32) error {
	a, err := parseAxis(name)
	if err != nil {
		return err
	}
	return s.simulate(input, a.typ, a.code, value)
}

// simulate has a device send an event, if any rule wants what it sends.
func (s *source) simulate(input string, typ, code uint16, value int32) error {
	d, err := s.simulatedDevice(input)
	if err != nil || d == nil {
		return err
	}
	now := s.host.Loop.Now()
	b := encode(encode(nil, record{typ: typ, code: code, value: value}), record{typ: evSyn, code: synReport})
	stamp(b, now)
	stamp(b[eventSize:], now)
	d.take(b)
	return nil
}

// simulatedDevice returns the device declared as input; nil if no rule wants what
// it sends.
func (s *source) simulatedDevice(input string) (*device, error) {
	node := s.nodeOf(input)
	if node == "" {
		return nil, fmt.Errorf("the input %s is absent", input)
	}
	if n := s.nodes[s.dir+"/"+node]; n != nil {
		return n.device, nil
	}
	return nil, nil
}

// stamp makes at the time of the record that b begins with.
func stamp(b []byte, at time.Duration) {
	for i, n := range []time.Duration{at / time.Second, at % time.Second / time.Microsecond} {
		if longSize == 8 {
			binary.NativeEndian.PutUint64(b[i*longSize:], uint64(n))
		} else {
			binary.NativeEndian.PutUint32(b[i*longSize:], uint32(n))
		}
	}
}
