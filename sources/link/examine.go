// SPDX-License-Identifier: MIT

// What the verb doctor says of network links.

package link

import (
	"os"
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// Examine implements sources.Examiner. A link that is not there may come: that
// is no fault.
func (p *Plan) Examine(x *sources.Report) {
	if len(p.names) == 0 {
		return
	}
	s, err := openSocket()
	if err == nil {
		s.Close()
	}
	at := x.At("link", "")
	x.Check(at, "links", "can be watched", err, "")
	entries, _ := os.ReadDir(x.Path("/sys/class/net"))
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	for _, name := range p.names {
		if !slices.ContainsFunc(there, func(n string) bool { return sources.Glob(name, n) }) {
			x.Note(at, "link "+name, "no link has this name now"+config.Suggest(name, there), "`ls /sys/class/net` lists the links")
		}
	}
}
