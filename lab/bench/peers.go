// SPDX-License-Identifier: MIT

// Peers: what else one can have react to an edge, a device event or a key on Debian, measured as reflexd is.

package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
)

// peerRounds are fewer than those of the rivals: the peers are far from each other.
const peerRounds = 2

// A race is something to which several programs react.
type race struct {
	name, title string   // as measure prints it, and for the report
	options     []string // of measure
	peers       []peer
}

// A peer is a program that takes part in a race. Silent ones do not say when they are ready.
type peer struct {
	name   string
	silent bool
	args   []string
}

// findKeyboard is a word of a shell: the device of measure's keyboard.
const findKeyboard = `$(grep -l "bench 0" /sys/class/input/event*/device/name | sed "s|.*/\(event[0-9]*\)/.*|/dev/input/\1|")`

// races lists them. Pull is the attribute by which the input line is pulled.
func (b *boardBench) races(pull string) []race {
	stamp, fifo, chip := b.file("stamp"), b.file("fifo"), path.Base(b.chip)
	loop := func(more string) []string {
		return []string{"/bin/sh", "-c", fmt.Sprintf("exec %s %s %s %s %d %d %s", b.file("loop"), stamp, fifo, b.chip, inputLine, outputLine, more)}
	}
	return []race{
		{"output", "edge of a line → output of another", []string{"-o", pull}, []peer{
			{rivals[0].name, false, loop("")},
			{rivals[1].name, false, b.run("rules.yaml")},
			{"`gpiomon`, a loop in sh, `gpioset` (libgpiod 1.6.3)", true, []string{"/bin/sh", "-c", fmt.Sprintf(
				"n=0; gpiomon -b %s %d | while read -r _; do n=$((1-n)); gpioset %s %d=$n; done", chip, inputLine, chip, outputLine)}},
		}},
		{"uevent", "uevent → program", []string{"-u", nullUevent}, []peer{
			{rivals[0].name, false, loop("")},
			{rivals[1].name, false, b.run("rules.yaml")},
			{"BusyBox `mdev -d` (1.35)", true, []string{"/sbin/mdev", "-d", "-f"}},
			{"`systemd-udevd`, RUN, with Debian's rules (252)", false, []string{"/lib/systemd/systemd-udevd"}},
		}},
		{"key", "key → program", []string{"-y"}, []peer{
			{rivals[0].name, false, loop(findKeyboard)},
			{rivals[1].name, false, b.run("keys.yaml")},
			{"triggerhappy (0.5.0)", true, []string{"/bin/sh", "-c", "exec thd --triggers " + b.file("keys.thd") + " " + findKeyboard}},
		}},
	}
}

// configurePeers writes what the peers read.
func (b *boardBench) configurePeers(ctx context.Context) error {
	program := b.file("stamp") + " " + b.file("fifo")
	for path, text := range map[string]string{
		b.file("keys.yaml"):                fmt.Sprintf("version: 1\nrules: [{when: {key: KEY_A, is: pressed}, do: {run: [%s, %s]}}]\n", b.file("stamp"), b.file("fifo")),
		b.file("keys.thd"):                 "KEY_A 1 " + program + "\n",
		"/etc/mdev.conf":                   "null 0:0 666 *" + program + "\n",
		"/etc/udev/rules.d/99-bench.rules": `ACTION=="change", SUBSYSTEM=="mem", KERNEL=="null", RUN+="` + program + "\"\n",
	} {
		if err := b.WriteFile(ctx, path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// comparePeers holds all races.
func (b *boardBench) comparePeers(ctx context.Context, pull string) ([]raceResult, error) {
	if _, err := b.Shell(ctx, "mkdir -p /etc/udev/rules.d /run/udev"); err != nil {
		return nil, err
	}
	if err := b.configurePeers(ctx); err != nil {
		return nil, err
	}
	var all []raceResult
	for _, r := range b.races(pull) {
		fmt.Fprintf(b.progress, "bench: board, peers, %s\n", r.title)
		f := figures{}
		for range peerRounds {
			for _, p := range r.peers {
				args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-l", b.file("peer.log"), "-f", b.file("fifo")}, r.options...)
				if p.silent {
					args = append(args, "-r", "2000")
				}
				if err := f.measure(ctx, b.place, b.Output, p.name, append(args, p.args...)); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, raceResult{r, f[r.name]})
	}
	return all, nil
}

// A raceResult has the samples of each peer.
type raceResult struct {
	race
	samples map[string]samples
}

func printPeers(out io.Writer, all []raceResult) {
	fmt.Fprintln(out, "| | | median µs | p99 µs | median ÷ reflexd |")
	fmt.Fprintln(out, "| --- | --- | ---: | ---: | ---: |")
	for _, r := range all {
		ours := r.samples[rivals[1].name].median()
		for _, p := range r.peers {
			s := r.samples[p.name]
			fmt.Fprintf(out, "| %s | %s | %.0f | %.0f | %.2f |\n", r.title, p.name, s.median()/1e3, s.p99()/1e3, s.median()/ours)
		}
	}
	fmt.Fprintln(out)
}
