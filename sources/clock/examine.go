// SPDX-License-Identifier: MIT

// What the verb doctor says of the clock and its zone.

package clock

import (
	"strings"
	"time"

	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) {
	if p.asked != nil {
		p.examine(x, time.Now())
	}
}

func (p *Plan) examine(x *sources.Report, now time.Time) {
	if now.Before(plausible) {
		x.Bad(p.asked, "clock", "it is not set: it shows "+now.UTC().Format(time.DateTime), "no `time` or `sun` holds or fires until a time server sets it; boards without a real-time clock need one at each boot")
	} else {
		x.Good(p.asked, "clock", "it is set")
	}
	path, location, err := zoneOf(tzOf(x.Environ))
	if err == nil && path != "" {
		var f zoneFile
		f, err = readZone(x.Path(path))
		location = f.location
		if err == nil && f.data == nil {
			x.Note(p.asked, "time zone", path+" does not exist: the time is UTC", "timedatectl set-timezone, or a symbolic link to a file below /usr/share/zoneinfo")
			return
		}
	}
	if err != nil {
		x.Bad(p.asked, "time zone", err.Error(), "the time is taken for UTC")
		return
	}
	x.Good(p.asked, "time zone", location.String())
}

// tzOf returns TZ of an environment, and whether it is there.
func tzOf(environ []string) (string, bool) {
	for _, entry := range environ {
		if tz, ok := strings.CutPrefix(entry, "TZ="); ok {
			return tz, true
		}
	}
	return "", false
}
