// SPDX-License-Identifier: MIT

// Every interface by which the kernel notifies user space, from what triggers it to an output line that a rule sets,
// beside a C program that waits on the same interface and sets the same line.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"

	"reflexd/lab"
)

// interfaceRounds are fewer than those of the rivals: there are many interfaces.
const interfaceRounds = 4

// burst is how many events come at once where their cost in CPU time is measured. An input device queues 32 keys.
const burst = 16

// A kernelInterface is one of the ways in which the kernel notifies user space.
type kernelInterface struct {
	title    string
	module   string   // the test driver that uses it, "" if the kernel itself does
	program  []string // the arguments of interface.c
	cause    []string // the options of measure
	declared string   // what reflexd's configuration declares
	when     string   // its rule's trigger
}

// What the test drivers send on.
const (
	sensorFile   = "/dev/sensor"
	sensorLevel  = "/sys/class/misc/sensor/level"
	sensorRecord = "/proc/sensor=42"
)

// interfaces lists them. Pull is the attribute by which the input line is pulled.
func (b *boardBench) interfaces(pull string) []kernelInterface {
	changes := b.file("changes/file")
	return []kernelInterface{
		{
			"interrupt of a GPIO line", "", []string{"edge", strconv.Itoa(inputLine)}, []string{"-o", pull},
			fmt.Sprintf("  bell: {input: \"%s:%d\"}\n", path.Base(b.chip), inputLine), "line: bell, is: changed",
		},
		{"input event", "", []string{"key", "bench 0"}, []string{"-p"}, "", "key: KEY_A, is: [pressed, released]"},
		{
			"key sent on, to its stamp at the twin", "", []string{"pass", "bench 0"}, []string{"-g"},
			"inputs: {bench: {name: bench 0, grab: auto, pass: others}}\n", "key: KEY_Z, is: pressed, from: bench",
		},
		{
			"uevent", "", []string{"uevent", "/devices/virtual/mem/null"}, []string{"-e", nullUevent + "=change"},
			"", "uevent: {ACTION: change, DEVNAME: /dev/null}",
		},
		{
			"netlink multicast", "group21", []string{"netlink", "21"}, []string{"-e", "/proc/group21=hot"},
			"netlink: {bench: {protocol: usersock, groups: [21]}}\n", "netlink: bench",
		},
		{
			"generic netlink", "family", []string{"family", "lab_family"}, []string{"-e", "/sys/module/family/parameters/tell=hot"},
			"netlink: {bench: {family: lab_family, groups: [news]}}\n", "netlink: bench",
		},
		{
			"record and SIGIO", "sensor", []string{"sigio", sensorFile}, []string{"-e", sensorRecord},
			"files: {bench: {path: " + sensorFile + ", read: record}}\n", "file: bench, is: readable",
		},
		{
			"record and poll", "sensor", []string{"epoll", sensorFile}, []string{"-e", sensorRecord},
			"files: {bench: {path: " + sensorFile + ", read: record, watch: epoll}}\n", "file: bench, is: readable",
		},
		{
			"POLLPRI on an attribute", "sensor", []string{"priority", sensorLevel}, []string{"-e", sensorRecord},
			"files: {bench: {path: " + sensorLevel + ", watch: priority}}\n", "file: bench, is: changed",
		},
		{
			"signal with a value", "caller", []string{"signal", rtSignal}, []string{"-d", "/proc/sensor_owner", "-e", "/proc/sensor_call=" + rtSignal + " 1234"},
			"", "signal: SIGRTMIN+2",
		},
		{
			"file written, by inotify", "", []string{"changes", changes}, []string{"-c", changes},
			"files: {bench: {path: " + changes + ", watch: changes}}\n", "file: bench, is: changed",
		},
	}
}

// onInterfaces measures all interfaces on an emulated board.
func onInterfaces(ctx context.Context, build, dir string, progress io.Writer) (p printer, err error) {
	modules := map[string]lab.File{}
	for _, name := range []string{"group21", "family", "sensor", "caller"} {
		if modules["/bench/"+name+".ko"], err = lab.Driver(ctx, name, filepath.Join("lab/driver", name)); err != nil {
			return nil, err
		}
	}
	b, err := bootBench(ctx, build, dir, lab.Config{Files: modules}, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return b.measureInterfaces(ctx)
}

func (b *boardBench) measureInterfaces(ctx context.Context) (printer, error) {
	pull, err := b.narrow(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := b.Shell(ctx, "mkdir /bench/changes; touch /bench/changes/file; for m in /bench/*.ko; do insmod $m || exit 1; done"); err != nil {
		return nil, err
	}
	r := &interfaceReport{title: b.title(), interfaces: b.interfaces(pull)}
	for i := range r.interfaces {
		fmt.Fprintf(b.progress, "bench: interface %d of %d, %s\n", i+1, len(r.interfaces), r.interfaces[i].title)
		f, err := b.measureInterface(ctx, &r.interfaces[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.interfaces[i].title, err)
		}
		r.all = append(r.all, f)
	}
	return r, nil
}

// measureInterface lets the C program and reflexd take turns on an interface.
func (b *boardBench) measureInterface(ctx context.Context, r *kernelInterface) (figures, error) {
	if err := b.WriteFile(ctx, b.file("interface.yaml"), []byte(b.ruleFor(r)), 0o644); err != nil {
		return nil, err
	}
	program := append([]string{b.file("interface"), b.chip, strconv.Itoa(outputLine)}, r.program...)
	all := figures{}
	for range interfaceRounds {
		for name, agent := range map[string][]string{rivals[0].name: program, rivals[1].name: b.run("interface.yaml")} {
			args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-m", strconv.Itoa(burst), "-l", b.file("interface.log")}, r.cause...)
			if err := all.measure(ctx, b.place, b.Output, name, append(args, agent...)); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// ruleFor is reflexd's configuration for what interface.c does. The lines come first: an interface may declare one more.
func (b *boardBench) ruleFor(r *kernelInterface) string {
	return fmt.Sprintf("version: 1\nlines:\n  lamp: {output: \"%s:%d\"}\n%srules:\n  - {name: bench, when: {%s}, do: {set: {line: lamp, to: toggle}}}\n",
		path.Base(b.chip), outputLine, r.declared, r.when)
}

// An interfaceReport has the figures of each interface.
type interfaceReport struct {
	title      string
	interfaces []kernelInterface
	all        []figures
}

func (r *interfaceReport) print(out io.Writer) {
	fmt.Fprintf(out, "\n## Interfaces: %s\n\n", r.title)
	fmt.Fprintf(out, "%d rounds in turns; in each, %d events that count, after %d that do not.\n\n", interfaceRounds, events, warmup)
	fmt.Fprintln(out, "| interface | C median µs | C p99 µs | reflexd median µs | reflexd p99 µs | median ÷ C | p99 ÷ C | runs |")
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i, one := range r.interfaces {
		c, s := r.all[i]["output"][rivals[0].name], r.all[i]["output"][rivals[1].name]
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f | %d |\n", one.title,
			c.median()/1e3, c.p99()/1e3, s.median()/1e3, s.p99()/1e3, s.median()/c.median(), s.p99()/c.p99(), len(s))
	}
	fmt.Fprintf(out, "\n| CPU time an event, µs | C, alone | reflexd, alone | ÷ C | C, of %d at once | reflexd, of %[1]d at once | ÷ C |\n", burst)
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i, one := range r.interfaces {
		fmt.Fprintf(out, "| %s", one.title)
		for _, name := range []string{"alone", "burst"} {
			c, s := r.all[i][name][rivals[0].name].median(), r.all[i][name][rivals[1].name].median()
			fmt.Fprintf(out, " | %.1f | %.1f | %.2f", c/1e3, s/1e3, s/c)
		}
		fmt.Fprintln(out, " |")
	}
}
