// SPDX-License-Identifier: MIT

// What the verb doctor says of uevents: whether their groups can be joined,
// and whether a udevd runs where rules wait for it.

package uevent

import (
	"errors"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) {
	if p.wanted() || !x.Configured {
		examineGroup(x, x.At("uevent", ""), "uevents", kernelGroup)
	}
	if p.udev == 0 {
		return
	}
	const subject = "uevents of udev"
	if !listenedOn(x.Path("/proc"), udevControl) {
		x.Bad(x.At("udev", ""), subject, noUdevd+udevControl, "use `stage: kernel`, or leave out stage")
		return
	}
	examineGroup(x, x.At("udev", ""), subject, udevGroup)
}

// examineGroup joins and leaves a group.
func examineGroup(x *sources.Report, at *config.Pos, subject string, group uint32) {
	const little = 4 << 10
	s, err := openSocket(little, group)
	if err == nil {
		s.Close()
	}
	advice := ""
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		advice = "a container or sandbox blocks netlink: run the agent outside of it, or allow AF_NETLINK (RestrictAddressFamilies= of its unit)"
	}
	x.Check(at, subject, "can be received", err, advice)
}
