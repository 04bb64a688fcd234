// SPDX-License-Identifier: MIT

// Every road from the kernel, from its beginning to an output line that a rule sets, beside a C program that waits on
// the same road and sets the same line.

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

// roadRounds are fewer than those of the rivals: there are ten roads.
const roadRounds = 4

// A road is a way from the kernel.
type road struct {
	title    string
	module   string   // the test driver at its beginning, "" for the kernel's own
	program  []string // the arguments of road.c
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

// roads lists them. Pull is the attribute by which the input line is pulled.
func (b *boardBench) roads(pull string) []road {
	changes := b.file("changes/file")
	return []road{
		{
			"interrupt of a GPIO line", "", []string{"edge", strconv.Itoa(inputLine)}, []string{"-o", pull},
			fmt.Sprintf("  bell: {input: \"%s:%d\"}\n", path.Base(b.chip), inputLine), "line: bell, is: changed",
		},
		{"input event", "", []string{"key", "bench 0"}, []string{"-p"}, "", "key: KEY_A, is: [pressed, released]"},
		{
			"uevent", "", []string{"uevent", "/devices/virtual/mem/null"}, []string{"-e", nullUevent + "=change"},
			"", "uevent: {ACTION: change, DEVNAME: /dev/null}",
		},
		{
			"netlink multicast", "group21", []string{"netlink", "21"}, []string{"-e", "/proc/group21=hot"},
			"netlink: {road: {protocol: usersock, groups: [21]}}\n", "netlink: road",
		},
		{
			"generic netlink", "family", []string{"family", "lab_family"}, []string{"-e", "/sys/module/family/parameters/tell=hot"},
			"netlink: {road: {family: lab_family, groups: [news]}}\n", "netlink: road",
		},
		{
			"record and SIGIO", "sensor", []string{"sigio", sensorFile}, []string{"-e", sensorRecord},
			"files: {road: {path: " + sensorFile + ", read: record}}\n", "file: road, is: readable",
		},
		{
			"record and poll", "sensor", []string{"epoll", sensorFile}, []string{"-e", sensorRecord},
			"files: {road: {path: " + sensorFile + ", read: record, watch: epoll}}\n", "file: road, is: readable",
		},
		{
			"POLLPRI on an attribute", "sensor", []string{"priority", sensorLevel}, []string{"-e", sensorRecord},
			"files: {road: {path: " + sensorLevel + ", watch: priority}}\n", "file: road, is: changed",
		},
		{
			"signal with a value", "caller", []string{"signal", rtSignal}, []string{"-d", "/proc/sensor_owner", "-e", "/proc/sensor_call=" + rtSignal + " 1234"},
			"", "signal: SIGRTMIN+2",
		},
		{
			"file written, by inotify", "", []string{"changes", changes}, []string{"-c", changes},
			"files: {road: {path: " + changes + ", watch: changes}}\n", "file: road, is: changed",
		},
	}
}

// onRoads measures all roads on an emulated board.
func onRoads(ctx context.Context, build, dir string, progress io.Writer) (p printer, err error) {
	modules := map[string]lab.File{}
	for _, name := range []string{"group21", "family", "sensor", "caller"} {
		if modules["/bench/"+name+".ko"], err = lab.Driver(ctx, name, filepath.Join("lab/driver", name)); err != nil {
			return nil, err
		}
	}
	b, err := bootBench(ctx, build, dir, modules, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return b.measureRoads(ctx)
}

func (b *boardBench) measureRoads(ctx context.Context) (printer, error) {
	chip, err := b.Chip(ctx, lab.ChipSpec{Name: "narrow", Lines: make([]string, outputLine+1)})
	if err != nil {
		return nil, err
	}
	pull, err := b.pullAttribute(ctx, chip)
	if err != nil {
		return nil, err
	}
	b.chip = chip.Device
	if _, err := b.Shell(ctx, "mkdir /bench/changes; touch /bench/changes/file; for m in /bench/*.ko; do insmod $m || exit 1; done"); err != nil {
		return nil, err
	}
	r := &roadReport{title: b.title(), roads: b.roads(pull)}
	for i := range r.roads {
		fmt.Fprintf(b.progress, "bench: road %d of %d, %s\n", i+1, len(r.roads), r.roads[i].title)
		f, err := b.measureRoad(ctx, &r.roads[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.roads[i].title, err)
		}
		r.all = append(r.all, f)
	}
	return r, nil
}

// measureRoad lets the C program and reflexd take turns on a road.
func (b *boardBench) measureRoad(ctx context.Context, r *road) (figures, error) {
	if err := b.WriteFile(ctx, b.file("road.yaml"), []byte(b.roadRule(r)), 0o644); err != nil {
		return nil, err
	}
	program := append([]string{b.file("road"), b.chip, strconv.Itoa(outputLine)}, r.program...)
	all := figures{}
	for range roadRounds {
		for name, agent := range map[string][]string{rivals[0].name: program, rivals[1].name: b.run("road.yaml")} {
			args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-l", b.file("road.log")}, r.cause...)
			if err := all.measure(ctx, b.place, b.Output, name, append(args, agent...)); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// roadRule is reflexd's configuration for what road.c does. The lines come first: a road may declare one more.
func (b *boardBench) roadRule(r *road) string {
	return fmt.Sprintf("version: 1\nlines:\n  lamp: {output: \"%s:%d\"}\n%srules:\n  - {name: road, when: {%s}, do: {set: {line: lamp, to: toggle}}}\n",
		path.Base(b.chip), outputLine, r.declared, r.when)
}

// A roadReport is what came out of each road.
type roadReport struct {
	title string
	roads []road
	all   []figures
}

func (r *roadReport) print(out io.Writer) {
	fmt.Fprintf(out, "\n## Roads: %s\n\n", r.title)
	fmt.Fprintf(out, "%d rounds in turns; in each, %d events that count, after %d that do not.\n\n", roadRounds, events, warmup)
	fmt.Fprintln(out, "| interface | C median µs | C p99 µs | reflexd median µs | reflexd p99 µs | median ÷ C | p99 ÷ C | runs |")
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i, road := range r.roads {
		c, s := r.all[i]["output"][rivals[0].name], r.all[i]["output"][rivals[1].name]
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f | %d |\n", road.title,
			c.median()/1e3, c.p99()/1e3, s.median()/1e3, s.p99()/1e3, s.median()/c.median(), s.p99()/c.p99(), len(s))
	}
}
