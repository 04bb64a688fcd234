// SPDX-License-Identifier: MIT

// What the verb doctor says of input devices. Each is opened to be asked what
// it is, and closed again; none is grabbed.

package input

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) { p.examine(x, &driver) }

func (p *Plan) examine(x *sources.Report, k *kernel) {
	e := &examination{Report: x, plan: p, dir: x.Path("/dev/input")}
	e.look(k)
	for _, name := range slices.Sorted(maps.Keys(p.Inputs)) {
		e.declared(name, p.Inputs[name])
	}
	for _, from := range slices.Sorted(maps.Keys(p.wants)) {
		e.wanted(from, p.wants[from])
	}
	for _, name := range slices.Sorted(maps.Keys(p.Inputs)) {
		if p.Inputs[name].pass == passOthers {
			e.twin(name, p.Inputs[name])
		}
	}
	e.remotes()
	for _, name := range slices.Sorted(maps.Keys(p.Virtual)) {
		e.virtual(name)
	}
	for i := range rivals {
		if !p.idle() {
			rivals[i].Examine(x, nil)
		}
	}
}

// rivals are the programs that act on keys, or keep them to themselves.
var rivals = [...]sources.Conflict{
	{Comm: "thd", What: "is triggerhappy, which acts on keys too", Advice: "take the keys out of /etc/triggerhappy/triggers.d, or declare the input with grab: auto"},
	{Comm: "acpid", What: "acts on power keys and lids too", Advice: "see /etc/acpi/events, or declare the input with grab: auto"},
	{Comm: "actkbd", What: "acts on keys too", Advice: "see /etc/actkbd.conf, or declare the input with grab: auto"},
	{Comm: "inputlirc", What: "turns keys into those of LIRC", Advice: ""},
	{Comm: "keyd", What: "grabs keyboards", Advice: "declare its virtual device: name: keyd virtual keyboard"},
	{Comm: "evsieve", What: "may grab devices", Advice: "declare the device that it creates"},
	{Comm: "udevmon", What: "may grab devices (interception)", Advice: "declare the device that it creates"},
}

// examination is what is known while the devices are compared with a plan.
type examination struct {
	*sources.Report
	plan    *Plan
	dir     string // where the nodes are
	devices []seen
}

// seen is a device that could be asked what it is.
type seen struct {
	path string
	id   identity
}

func (d seen) String() string { return strings.TrimSpace(d.path + " " + d.id.name) }

// look asks all devices what they are.
func (e *examination) look(k *kernel) {
	const subject = "input devices"
	entries, _ := os.ReadDir(e.dir) // without the folder there are none
	paths := []string{}
	for _, entry := range entries {
		if isNode(entry.Name()) {
			paths = append(paths, filepath.Join(e.dir, entry.Name()))
		}
	}
	slices.SortFunc(paths, byNumber)
	readable, refused := 0, 0
	for _, path := range paths {
		o, err := k.look(path)
		switch {
		case err == nil:
			_ = k.close(o.fd)
			readable++
			e.take(path, &o.id)
		case !errors.Is(err, errNoInput):
			refused++
			e.refused(subject, explainOpen(path, err))
		}
	}
	switch {
	case readable+refused == 0 && !e.Configured:
		e.Note(nil, subject, "there are none (/dev/input/event*)", "")
	case readable > 0:
		e.Good(nil, subject, fmt.Sprintf("%d can be read", readable))
	}
}

// take takes note of a device, unless it is a virtual one of an agent's: no
// rule matches those.
func (e *examination) take(path string, id *identity) {
	if !isOwn(id.phys) {
		e.devices = append(e.devices, seen{path, *id})
	}
}

// refused adds that a device cannot be opened.
func (e *examination) refused(subject string, err error) {
	if e.Configured && e.plan.idle() {
		e.Note(nil, subject, err.Error(), "")
		return
	}
	e.Bad(nil, subject, err.Error(), "")
}

// declared adds which devices an entry of `inputs` is.
func (e *examination) declared(name string, in *Input) {
	subject := "input " + name
	var found []string
	for _, d := range e.devices {
		if in.matches(d.path, &d.id) {
			found = append(found, d.String())
		}
	}
	for _, r := range listReceivers(e.Path("/dev")) {
		if path := strings.TrimPrefix(r.Path, e.Root); in.matches(path, &identity{name: r.Name}) {
			found = append(found, strings.TrimSpace(path+" "+r.Name))
		}
	}
	if len(found) > 0 {
		e.Good(&in.Pos, subject, strings.Join(found, "; "))
		return
	}
	advice := "`reflexd inputs` lists the devices; `run` waits for it"
	if dir := linkDir(in.Path); in.Path != "" && dir != e.dir && e.Access(dir, unix.F_OK) != nil {
		advice = fmt.Sprintf("no folder %s: udevd creates such links; use name or id instead", dir)
	}
	e.Bad(&in.Pos, subject, "no such device"+e.near(in), advice)
}

// near suggests a device whose name or number is nearly what in asks for.
func (e *examination) near(in *Input) string {
	var names, ids []string
	for _, d := range e.devices {
		names, ids = append(names, d.id.name), append(ids, d.id.vendorProduct())
	}
	if s := config.Suggest(strings.Trim(in.Name, "*"), names); in.Name != "" && s != "" {
		return s
	}
	if (in.ID != ID{}) {
		return config.Suggest(in.ID.Vendor+":"+in.ID.Product, ids)
	}
	return ""
}

// wanted adds who has the codes that rules ask for.
func (e *examination) wanted(from string, c *codes) {
	in := e.plan.Inputs[from]
	var devices []seen
	for _, d := range e.devices {
		if in == nil || in.matches(d.path, &d.id) {
			devices = append(devices, d)
		}
	}
	if in != nil && len(devices) == 0 || c.keys == everyCode.keys {
		return // reported already, or any key will do
	}
	for _, t := range wantedTypes {
		for code := range eachBit(c.of(t.typ)) {
			e.code(t.typ, code, t.word, t.name(code), from, devices)
		}
	}
}

// wantedTypes are the types of events that rules ask for.
var wantedTypes = [...]struct {
	typ  uint16
	word string
	name func(code uint16) string
}{
	{evKey, "key", KeyName},
	{evSw, "switch", func(code uint16) string { return switchNames.names[code] }},
	{evAbs, "axis", func(code uint16) string { return axis{evAbs, code}.name() }},
	{evRel, "axis", func(code uint16) string { return axis{evRel, code}.name() }},
}

// code adds which of the devices has one code.
func (e *examination) code(typ, code uint16, word, name, from string, devices []seen) {
	subject, where := word+" "+name, "no input device has it"
	if from != "" {
		subject, where = subject+" from "+from, "the device has no such "+word
	}
	var found []string
	for _, d := range devices {
		if d.id.has.has(typ, code) {
			found = append(found, d.String())
		}
	}
	if len(found) > 0 {
		e.Good(e.At(word, name), subject, strings.Join(found, "; "))
		return
	}
	e.Bad(e.At(word, name), subject, where, "`reflexd monitor input` shows the name of a key or wheel when you use it")
}

// remotes adds which receivers there are for the scancodes that rules ask for.
// None is opened.
func (e *examination) remotes() {
	for _, from := range slices.Sorted(maps.Keys(e.plan.scans)) {
		for _, scan := range sortedScans(e.plan.scans[from]) {
			if scan.protocol != scanned {
				e.remote(scan.String())
			}
		}
	}
}

func (e *examination) remote(key string) {
	subject, at := "key "+key, e.At("key", key)
	receivers, _ := filepath.Glob(e.Path("/dev/lirc[0-9]*"))
	if len(receivers) == 0 {
		e.Bad(at, subject, "no receiver of remote controls (/dev/lirc*)", "load its driver, such as gpio-ir-recv, and the decoder of the protocol: ir-keytable -p all")
		return
	}
	for _, path := range receivers {
		path = strings.TrimPrefix(path, e.Root)
		e.Check(at, subject, path+" exists", sources.PathError("open", path, e.Access(path, unix.R_OK)), "run the agent as root or in the group of the device, mostly video")
	}
}

// twin adds whether the keys of an input can be passed on.
func (e *examination) twin(name string, in *Input) {
	err := e.Access("/dev/uinput", unix.R_OK|unix.W_OK)
	if err != nil {
		err = explainUinput(name, sources.PathError("open", "/dev/uinput", err))
	}
	e.Check(&in.Pos, "input "+name+", pass", "/dev/uinput exists", err, "")
}

// virtual adds whether a virtual device can be made. /dev/uinput is looked at
// and not opened.
func (e *examination) virtual(name string) {
	subject := fmt.Sprintf("virtual device %q", name)
	if e.HeldAs("input", name) {
		e.Good(nil, subject, "created by the running agent")
		return
	}
	err := e.Access("/dev/uinput", unix.W_OK)
	if err != nil {
		err = explainUinput(name, sources.PathError("open", "/dev/uinput", err))
	}
	e.Check(nil, subject, "/dev/uinput exists", err, "")
}
