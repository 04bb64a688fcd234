// SPDX-License-Identifier: MIT

// Package netlink is the source of messages on netlink sockets of one's own
// (netlink(7)): multicasts of a driver's, dialogues with one, and families of
// generic netlink. Uevents and the state of network links have sources of
// their own.
//
// Everything but receiving is done in the background. A driver's input callback
// runs inside of sendmsg(2) and may sleep there; socket(2) may load a module;
// joining a group, and leaving it in close(2), may call the driver and wait
// for locks that it holds.
//
// A port is the address of a socket, as the kernel calls it nl_pid: it need
// not be the number of a process. Port 0 is the kernel.
package netlink

import "reflexd/sources"

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "netlink",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },
}

// The states in an event's Topic.
const (
	stateMessage = "message"
	stateError   = "error" // NLMSG_ERROR that no send waits for
	stateDone    = "done"  // the end of a multi-part answer
)
