// SPDX-License-Identifier: MIT

// List: the sensors of this machine, for people.

package sensor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"reflexd/sources"
)

// Listed is one sensor that a machine has.
type Listed struct {
	Name        string `json:"name"`        // that would suit it
	Declaration string `json:"declaration"` // {thermal: cpu-thermal}
	Path        string `json:"path"`
	Value       string `json:"value,omitempty"`
	Unit        string `json:"unit,omitempty"`
	Error       string `json:"error,omitempty"` // why it cannot be read

	settings settings
}

// List returns the sensors of the machine whose /sys is there, with their values.
// It may block for as long as the drivers take. What is also another kind of sensor
// is not listed as a hwmon chip: thermal zones, batteries and thermometers on 1-wire are
// there as well.
func List(sys string) []Listed {
	var all []Listed
	for _, kind := range []string{thermal, hwmon, iio, w1, powerSupply} {
		devices, _ := classOf(kind).devices(sys)
		if kind == hwmon {
			devices = slices.DeleteFunc(devices, device.isOther)
		}
		for _, d := range devices {
			for _, attribute := range attributesOf(kind, d.folder) {
				st := settings{kind: kind, name: d.name, attribute: attribute}
				alike := func(other device) bool { return other.name == d.name && other.folder != d.folder }
				if (kind == hwmon || kind == iio) && slices.ContainsFunc(devices, alike) {
					st.device = d.parent
				}
				all = append(all, st.list(sys))
			}
		}
	}
	number := map[string]int{}
	for i := range all {
		name := all[i].Name
		if number[name]++; number[name] > 1 {
			all[i].Name = fmt.Sprintf("%s-%d", name, number[name])
		}
	}
	return all
}

// isOther reports whether a hwmon chip is a sensor of another kind.
func (d device) isOther() bool {
	subsystem, err := os.Readlink(filepath.Join(d.folder, "device/subsystem"))
	return err == nil && slices.Contains([]string{"thermal", "power_supply", "w1"}, filepath.Base(subsystem))
}

// attributesOf returns what can be read of a device, "" for one that has only one.
func attributesOf(kind, folder string) []string {
	if kind == thermal {
		return []string{""}
	}
	var all []string
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		name := e.Name()
		what, suffix := name, ""
		if i := strings.LastIndexByte(name, '_'); i > 0 {
			what, suffix = name[:i], name[i:]
		}
		switch {
		case kind == w1 && (name == "temperature" || name == "w1_slave"):
			return []string{""}
		case kind == hwmon && slices.Contains([]string{"_input", "_average", "_alarm", "_fault"}, suffix):
			all = append(all, name)
		case kind == iio && strings.HasPrefix(name, "in_") && (suffix == "_raw" || suffix == "_input") && !slices.Contains(all, what):
			all = append(all, what)
		case kind == powerSupply && slices.Contains(supplied, name):
			all = append(all, name)
		}
	}
	return all
}

// supplied are the attributes of power supplies that change.
var supplied = strings.Fields("capacity capacity_level charge_now current_now energy_now health online power_now present status temp time_to_empty_now voltage_now")

// list reads a sensor for the list.
func (st settings) list(sys string) Listed {
	r := reading{settings: st}
	r.do(sys)
	l := Listed{Declaration: st.declaration(), Value: r.value.text, Unit: r.unit, settings: st}
	if r.place != nil {
		l.Path = r.place.path
	}
	if r.err != nil {
		l.Error = r.err.Error()
	}
	l.Name = strings.Map(func(c rune) rune {
		if c == '/' || sources.IsPattern(string(c)) || c == ' ' {
			return '-'
		}
		return c
	}, strings.TrimSuffix(strings.TrimSuffix(strings.Trim(st.name+"-"+st.attribute, "-"), "_input"), "_raw"))
	return l
}

// declaration writes st as a configuration has it.
func (st *settings) declaration() string {
	words := []string{st.kind + ": " + quoted(st.name)}
	key := "attribute"
	if st.kind == iio {
		key = "channel"
	}
	if st.attribute != "" {
		words = append(words, key+": "+quoted(st.attribute))
	}
	if st.device != "" {
		words = append(words, "device: "+quoted(st.device))
	}
	return "{" + strings.Join(words, ", ") + "}"
}

// quoted writes a name as YAML, in quotes if it could mean something else.
func quoted(s string) string {
	plain := func(c rune) bool {
		return strings.ContainsRune("_-./", c) || unicode.IsLetter(c) || '0' <= c && c <= '9'
	}
	if s == "" || !unicode.IsLetter(rune(s[0])) || strings.ContainsFunc(s, func(c rune) bool { return !plain(c) }) ||
		slices.Contains(strings.Fields("y n yes no on off true false null"), strings.ToLower(s)) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// Examine implements sources.Examiner. No attribute is read: a driver may have to
// ask its device.
func (p *Plan) Examine(x *sources.Report) {
	for _, name := range p.Names() {
		s := p.sensors[name]
		subject := "sensor " + name
		place, err := s.find(x.Path("/sys"))
		if err == nil {
			shown := place.path
			if rest, ok := strings.CutPrefix(shown, x.Path("/sys")); ok {
				shown = filepath.Join("/sys", rest)
			}
			x.Check(&s.at, subject, shown+" can be read", sources.PathError("read", shown, x.Access(shown, 4)), "run the agent as root, or in the group of the file")
			continue
		}
		x.Bad(&s.at, subject, err.Error(), "`reflexd sensors` lists the sensors; `run` waits for it")
	}
}
