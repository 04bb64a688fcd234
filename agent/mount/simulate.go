// SPDX-License-Identifier: MIT

package mount

import (
	"fmt"
	"maps"
	"slices"

	"reflexd/sources"
)

// Simulated returns the event that something happened to what is mounted at
// point, with fields such as DEVNAME and LABEL, for tests of rules.
func Simulated(point, is string, fields map[string]string) (*sources.Event, error) {
	if !slices.Contains([]string{Mounted, Unmounted, Failed, Yanked, Ignored}, is) {
		return nil, fmt.Errorf("nothing that is mounted becomes %q", is)
	}
	device := fields["DEVNAME"]
	if device == "" {
		device = "/dev/sda1"
	}
	e := &sources.Event{Topic: sources.Topic{Kind: "mount", Name: point, State: is}, Source: "mount:" + device, Standing: sources.Begins}
	if is == Failed || is == Ignored {
		e.Standing = sources.NoState
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		e.Fields = append(e.Fields, sources.Field{Name: name, Value: sources.Text(fields[name])})
	}
	if _, given := fields["DEVNAME"]; !given {
		e.Fields = append(e.Fields, sources.Field{Name: "DEVNAME", Value: sources.Text(device)})
	}
	e.Fields = append(e.Fields, sources.Field{Name: "MOUNTPOINT", Value: sources.Text(point)})
	return e, nil
}
