// SPDX-License-Identifier: MIT

// Virtual devices: keys that we press ourselves, through /dev/uinput.

package input

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// What a Stroke does.
const (
	Tap     = "tap"
	Press   = "press"
	Release = "release"
)

// Stroke is what is done to keys of a virtual device: pressed in their order,
// released in the reverse one, or both.
type Stroke struct {
	Keys []uint16
	Is   string
}

// virtualDevice is a virtual device, made or to be made.
type virtualDevice struct {
	source  *source
	name    string
	keys    [keyBytes]byte // that it has
	fd      int            // -1 unless made
	sysname string         // input7
	making  bool
	closed  bool
	err     error // why it could not be made
	down    []uint16
	waiting []func(error) // calls when it is made, or was not
}

// ParseDeviceName checks the name of a virtual device.
func ParseDeviceName(s string) (string, error) {
	switch {
	case s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", errors.New("expected the name of a device")
	case len(s) >= uinputNameSize:
		return "", fmt.Errorf("a device's name has at most %d bytes", uinputNameSize-1)
	}
	return s, nil
}

// ownPhys is what our virtual devices say of where they are, by which they are
// distinct from everyone else's: no rule matches what rules press.
func ownPhys() string { return fmt.Sprintf("reflexd-%d/keys", os.Getpid()) }

// isOwn reports whether phys is what a virtual device of any agent's says.
func isOwn(phys string) bool {
	return strings.HasPrefix(phys, "reflexd-") && strings.HasSuffix(phys, "/keys")
}

// Strike presses or releases keys of the virtual device of that name, which
// the plan must have with these keys. done is called once, perhaps before
// Strike returns. A device that could not be made before is tried again.
func (s *source) Strike(device string, stroke Stroke, done func(error)) {
	v := s.virtuals[device]
	switch {
	case s.simulated != nil:
		done(nil)
	case v == nil:
		done(fmt.Errorf("press keys: no virtual device %q", device))
	case v.fd >= 0:
		done(v.strike(stroke))
	default:
		v.waiting = append(v.waiting, func(err error) {
			if err == nil {
				err = v.strike(stroke)
			}
			done(err)
		})
		v.make()
	}
}

// applyVirtual makes the virtual devices that the plan has. One that has all
// the keys of its plan already stays, with no key down; one that lacks some is
// replaced.
func (s *source) applyVirtual() {
	old := s.virtuals
	s.virtuals = map[string]*virtualDevice{}
	for _, name := range slices.Sorted(maps.Keys(s.plan.Virtual)) {
		var keys [keyBytes]byte
		for _, key := range s.plan.Virtual[name] {
			setBit(keys[:], key, true)
		}
		v := old[name]
		if v == nil || !v.hasAll(keys[:]) {
			v = &virtualDevice{source: s, name: name, keys: keys, fd: -1}
		} else {
			delete(old, name)
			v.releaseAll()
		}
		s.virtuals[name] = v
		if v.fd < 0 && !s.host.DryRun && s.simulated == nil {
			v.make()
		}
	}
	closeVirtual(old)
}

func closeVirtual(all map[string]*virtualDevice) {
	for _, v := range all {
		v.close()
	}
}

func (v *virtualDevice) hasAll(keys []byte) bool {
	for key := range eachBit(keys) {
		if !hasBit(v.keys[:], key) {
			return false
		}
	}
	return true
}

// make makes the device in the background.
func (v *virtualDevice) make() {
	if v.making {
		return
	}
	v.making = true
	host := &v.source.host
	var fd int
	var sysname string
	var err error
	host.Loop.Beside(func() {
		fd, sysname, err = v.source.makeVirtual(filepath.Join(host.Dev, "uinput"), v.name, ownPhys(), v.keys[:])
	}, func() {
		v.making = false
		v.made(fd, sysname, err)
	})
}

func (v *virtualDevice) made(fd int, sysname string, err error) {
	log := v.source.host.Log
	switch {
	case err != nil:
		known := v.err != nil
		v.err = explainUinput(v.name, err)
		if !known {
			log.Warn("cannot press keys", "device", v.name, "error", v.err)
		}
	case v.closed:
		v.source.discard(fd)
	default:
		v.fd, v.sysname, v.err = fd, sysname, nil
		log.Info("virtual device created", "device", v.name, "at", sysname)
	}
	result := v.err
	if v.closed {
		result = fmt.Errorf("press keys of %q: the device was closed", v.name)
	}
	waiting := v.waiting
	v.waiting = nil
	for _, tell := range waiting {
		tell(result)
	}
}

// explainUinput says what helps when a virtual device cannot be made.
func explainUinput(name string, err error) error {
	err = fmt.Errorf("create virtual device %q: %w", name, err)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: load the kernel's module: modprobe uinput", err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: run the agent as root, or add a udev rule that gives the node to a group of its user: "+
			`KERNEL=="uinput", GROUP="input", MODE="0660"`, err)
	}
	return err
}

// strike has the device say what s does, and notes which keys are down.
func (v *virtualDevice) strike(s Stroke) error {
	var levels []keyLevel
	if s.Is != Release {
		for _, key := range s.Keys {
			levels = append(levels, keyLevel{key, true})
		}
	}
	if s.Is != Press {
		for _, key := range slices.Backward(s.Keys) {
			levels = append(levels, keyLevel{key, false})
		}
	}
	if err := writeKeys(v.fd, levels); err != nil {
		v.lose()
		return fmt.Errorf("press keys of virtual device %q: %w", v.name, err)
	}
	for _, l := range levels {
		v.down = slices.DeleteFunc(v.down, func(key uint16) bool { return key == l.code })
		if l.down {
			v.down = append(v.down, l.code)
		}
	}
	return nil
}

// releaseAll releases what is still down.
func (v *virtualDevice) releaseAll() {
	if len(v.down) == 0 {
		return
	}
	if err := v.strike(Stroke{slices.Clone(v.down), Release}); err != nil {
		v.source.host.Log.Warn("keys stay pressed", "error", err)
	}
}

// lose closes the descriptor, with which the kernel takes the device away and
// releases its keys. That blocks, so it is done in the background.
func (v *virtualDevice) lose() {
	if v.fd >= 0 {
		v.source.discard(v.fd)
		v.fd, v.down = -1, nil
	}
}

func (v *virtualDevice) close() {
	v.closed = true
	v.releaseAll()
	v.lose()
}

// state describes the device for Status.
func (v *virtualDevice) state() sources.State {
	st := sources.State{Name: v.name, Detail: "virtual device", OK: v.fd >= 0}
	switch {
	case v.fd >= 0:
		st.Detail += " " + v.sysname
		for i, key := range v.down {
			st.Detail += [2]string{", down: ", " "}[min(i, 1)] + KeyName(key)
		}
	case v.err != nil:
		st.Error = v.err.Error()
	case v.source.host.DryRun:
		st.Detail, st.OK = "virtual device, not created in a dry run", true
	}
	return st
}
