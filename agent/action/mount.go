// SPDX-License-Identifier: MIT

// The actions mount, unmount and eject.

package action

import (
	"strings"

	"reflexd/agent/expand"
	"reflexd/agent/mount"
	"reflexd/agent/mount/fstype"
	"reflexd/config"
	"reflexd/sources"
)

// Mounts are the mounts of block devices. The mount source is them. What they
// are asked to do takes its time: done is called afterwards, on the loop's
// thread.
type Mounts interface {
	Mount(r mount.Request, done func(error))
	Unmount(u mount.UnmountRequest, done func(error))
	// Eject unmounts all of the drive with that device name or mount point and
	// detaches it.
	Eject(device string, done func(error))
}

var mountKind = Kind{
	Key: "mount",
	Doc: "mount a block device",
	New: func() (config.Value, func(*Check) Action) {
		a := &mountAction{}
		a.At, _ = expand.Parse(mount.DefaultPoint)
		device := expand.Value(&a.device)
		option := func(s *string) config.Value { return config.Word(s, "an option") }
		return config.Either(device, config.Object(
			config.Field{Name: "device", Doc: "device name: /dev/sda1", Required: true, Value: device},
			config.Field{Name: "at", Doc: "the mount point, created if missing", Default: mount.DefaultPoint, Value: expand.Value(&a.At)},
			config.Field{Name: "type", Doc: "the filesystem", Default: "what the device holds", Value: config.OneOf(&a.Type, fstype.Names()...)},
			config.Field{Name: "options", Doc: "added to nosuid, nodev, noexec, relatime and the type's defaults",
				Value: config.At(&a.optionsAt, config.OneOrMore(&a.Options, option))},
			config.Field{Name: "read_only", Doc: "mount it read-only, and write nothing to it", Default: "off", Value: config.Bool(&a.ReadOnly)},
		)), a.check
	},
}

type mountAction struct {
	device expand.Text
	mount.Request
	optionsAt config.Pos
}

func (a *mountAction) check(c *Check) Action {
	c.Uses.Mounts = true
	c.Text(a.device)
	c.absolute(a.device, "a device name")
	if !strings.HasPrefix(a.At.Prefix(), "/") {
		c.Problems.Errorf(a.At.Pos, "at must be an absolute path whose first folder is fixed: /mnt/…")
	}
	with := *c
	if with.Fields != nil {
		with.Fields = append(append([]string{}, c.Fields...), mount.Fields...)
	}
	with.Text(a.At)
	for _, option := range a.Options {
		if err := fstype.Check(fstype.Find(a.Type), option); err != nil {
			c.Problems.Errorf(a.optionsAt, "%v", err)
		}
	}
	return a
}

// absolute complains of a path that does not begin with a slash or a field.
func (c *Check) absolute(t expand.Text, what string) {
	switch {
	case t.Pos.Line > 0 && t.String() == "":
		c.Problems.Errorf(t.Pos, "expected %s such as /dev/sda1, found empty quotes", what)
	case t.Relative():
		c.Problems.Errorf(t.Pos, "%s must be absolute, found %q; did you mean /dev/%s?", what, t.String(), t.String())
	}
}

// Describe implements Action.
func (a *mountAction) Describe(e *sources.Event) string { return "mount " + a.device.Expand(e) }

// Start implements Action.
func (a *mountAction) Start(r *Run) (Pending, error) {
	r.own() // the request keeps the event
	request := a.Request
	request.Device, request.Event = a.device.Expand(r.Event), r.Event
	r.Env.Mounts.Mount(request, r.Finish)
	return unstoppable{}, nil
}

var unmountKind = Kind{
	Key:  "unmount",
	Also: "umount",
	Doc:  "write all data back and unmount: a device, a mount point, or `all` that reflexd mounted",
	New: func() (config.Value, func(*Check) Action) {
		a := &unmountAction{}
		target := expand.Value(&a.target)
		return config.Either(target, config.Object(
			config.Field{Name: "target", Doc: "a device name (of a drive: all of its partitions), a mount point, or all", Required: true, Value: target},
			config.Field{Name: "lazy", Doc: "hide it at once, and unmount it when it is no longer in use", Default: "off", Value: config.Bool(&a.lazy)},
			config.Field{Name: "kill", Doc: "end the programs that use it: TERM, then KILL", Default: "off", Value: config.Bool(&a.kill)},
		)), a.check
	},
}

type unmountAction struct {
	target     expand.Text
	lazy, kill bool
}

func (a *unmountAction) check(c *Check) Action {
	c.Text(a.target)
	if t := a.target; t.Pos.Line > 0 && t.String() != "all" && !strings.HasPrefix(t.String(), "${") && !strings.HasPrefix(t.Prefix(), "/") {
		c.Problems.Errorf(t.Pos, "expected a device name, a mount point or all, found %q%s", t.String(), config.Suggest(t.String(), []string{"all"}))
	}
	return a
}

// Describe implements Action.
func (a *unmountAction) Describe(e *sources.Event) string { return "unmount " + a.target.Expand(e) }

// Start implements Action.
func (a *unmountAction) Start(r *Run) (Pending, error) {
	r.Env.Mounts.Unmount(mount.UnmountRequest{Target: a.target.Expand(r.Event), Lazy: a.lazy, Kill: a.kill}, r.Finish)
	return unstoppable{}, nil
}

var ejectKind = Kind{
	Key: "eject",
	Doc: "write all data back, unmount all partitions of a drive and detach it; then it can be removed",
	New: func() (config.Value, func(*Check) Action) {
		a := &eject{}
		return expand.Value(&a.device), func(c *Check) Action {
			c.Text(a.device)
			c.absolute(a.device, "a device name")
			return a
		}
	},
}

type eject struct{ device expand.Text }

// Describe implements Action.
func (a *eject) Describe(e *sources.Event) string { return "eject " + a.device.Expand(e) }

// Start implements Action.
func (a *eject) Start(r *Run) (Pending, error) {
	r.Env.Mounts.Eject(a.device.Expand(r.Event), r.Finish)
	return unstoppable{}, nil
}
