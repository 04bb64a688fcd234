// SPDX-License-Identifier: MIT

// Package gpio serves lines of GPIO chips through their character devices,
// /dev/gpiochipN, in version 2 of the kernel's interface
// (Documentation/userspace-api/gpio/, linux/gpio.h, Linux 5.10 and later).
//
// Every line is a request of its own, so that a reload can hand each over by
// itself. Requests never carry GPIO_V2_LINE_FLAG_ACTIVE_LOW: the kernel deals
// in physical levels, as EDGE and LEVEL do, and what `active` means is worked
// out here.
//
// Chips are opened and lines requested on the loop's thread, at Apply and when
// a chip appears. A controller on the processor's own bus does all that in
// microseconds; one behind I²C takes about a millisecond for each line that is
// requested, read or set. That was preferred to doing it beside the loop,
// where start-up would have to wait for it before any rule may see `started`
// and every order to an output would have to queue behind it.
package gpio

import "reflexd/sources"

// Kind is the entry of GPIO in the agent's list of sources.
var Kind = sources.Kind{
	Name: "gpio",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },
}
