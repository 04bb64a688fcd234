// SPDX-License-Identifier: MIT

// Scale: what a check, a reload, an event and the memory cost with 1 to 10,000 rules of a kind, on the host. CPU time is
// measured, since the host has other things to do.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A scaledKind is a kind of rule, with an event that none of the rules but the first fires on.
type scaledKind struct {
	name     string
	rule     string // %d is its number
	declared string // what the rule is about: a section, and its entry for each rule; "" for nothing
	most     int    // rules; 0 for no limit
	cause    func(pid int) error
}

var scaledKinds = []scaledKind{
	{"uevent, by its device", "{when: {uevent: {DEVNAME: /dev/none%d}}, do: {log: x}}", "", 0, announceNull},
	{"signal, by its value", "{when: {signal: SIGRTMIN+2, where: {VALUE: %d}}, do: {log: x}}", "", 0, sendSignal},
	{"timer, beside a signal", "{when: {timer: %dm}, do: {log: x}}", "", 0, sendSignal},
	{"variable, likewise", "{when: {var: v%d, is: b}, do: {log: x}}", "vars: v%d: {values: [a, b]}", 0, sendSignal},
	{"file, likewise", "{when: {file: f%d, is: changed}, do: {log: x}}", "files: f%d: {path: /run/none/%[1]d, watch: changes}", 1000, sendSignal},
	{"socket, likewise", "{when: {netlink: s%d}, do: {log: x}}", "netlink: s%d: {protocol: usersock, groups: [21]}", 1000, sendSignal},
}

// configuration returns one with n rules.
func (k *scaledKind) configuration(n int) string {
	var rules, section strings.Builder
	name, entry, _ := strings.Cut(k.declared, " ")
	section.WriteString(name + "\n")
	rules.WriteString("rules:\n  - {name: first, when: {signal: SIGRTMIN+2, where: {VALUE: 0}}, do: {log: x}}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&rules, "  - "+k.rule+"\n", i)
		if entry != "" {
			fmt.Fprintf(&section, "  "+entry+"\n", i)
		}
	}
	if n == 1 || entry == "" {
		section.Reset()
	}
	return "version: 1\n" + section.String() + rules.String()
}

func announceNull(int) error { return os.WriteFile(nullUevent, []byte("change"), 0) }

func sendSignal(pid int) error {
	number, err := strconv.Atoi(rtSignal)
	return errors.Join(err, unix.Kill(pid, unix.Signal(number)))
}

// What is measured at each number of rules, in the order of the panels.
var scaledCosts = []struct{ title, unit string }{
	{"check", "ms"}, {"reload", "ms"}, {"event", "µs"}, {"memory that no file backs, idle", "MiB"},
}

var scaledSizes = []int{1, 10, 100, 1000, 10000}

// A scaleReport has the costs by kind, size and what is measured.
type scaleReport struct {
	title string
	costs [][][]float64
}

// onScale measures all kinds. It wants root, for uevents.
func onScale(ctx context.Context, build, dir string, progress io.Writer) (printer, error) {
	r := &scaleReport{title: "CPU time on the host"}
	for _, k := range scaledKinds {
		var costs [][]float64
		for _, n := range scaledSizes {
			if k.most > 0 && n > k.most {
				break
			}
			fmt.Fprintf(progress, "bench: scale, %s, %d rules\n", k.name, n)
			c, err := k.measure(ctx, filepath.Join(build, runtime.GOARCH, "reflexd"), dir, n)
			if err != nil {
				return nil, fmt.Errorf("%s, %d rules: %w", k.name, n, err)
			}
			costs = append(costs, c)
		}
		r.costs = append(r.costs, costs)
	}
	return r, os.WriteFile("docs/scale.svg", []byte(r.svg()), 0o644)
}

// measure returns the costs with n rules.
func (k *scaledKind) measure(ctx context.Context, program, dir string, n int) ([]float64, error) {
	path := filepath.Join(dir, "scale.yaml")
	if err := os.WriteFile(path, []byte(k.configuration(n)), 0o644); err != nil {
		return nil, err
	}
	check := exec.CommandContext(ctx, program, "check", path)
	if out, err := check.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("check: %w\n%.1000s", err, out)
	}
	costs := []float64{float64(check.ProcessState.UserTime()+check.ProcessState.SystemTime()) / 1e6}

	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = notify.Close(), os.Remove(filepath.Join(dir, "notify")) }()
	agent := exec.CommandContext(ctx, program, "run", "-c", path, "--socket", filepath.Join(dir, "scale.sock"), "--log-level", "warn")
	agent.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	if err := agent.Start(); err != nil {
		return nil, err
	}
	defer func() { _, _ = agent.Process.Kill(), agent.Wait() }()
	more, err := k.measureAgent(agent.Process.Pid, notify)
	return append(costs, more...), err
}

// measureAgent returns what a reload, an event and the memory of the agent cost.
func (k *scaledKind) measureAgent(pid int, notify *net.UnixConn) ([]float64, error) {
	if err := awaitReady(notify); err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second) // what it gives back after the start
	memory, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Anonymous:")
	if err != nil {
		return nil, err
	}
	const count = 2000
	before := cpuTime(pid)
	for range count {
		if err := k.cause(pid); err != nil {
			return nil, err
		}
	}
	event := awaitIdle(pid) - before
	before = cpuTime(pid)
	if err := errors.Join(unix.Kill(pid, unix.SIGHUP), awaitReady(notify)); err != nil {
		return nil, err
	}
	reload := cpuTime(pid) - before
	return []float64{float64(reload) / 1e6, float64(event) / 1e3 / count, memory / 1024}, nil
}

// awaitReady waits until the agent says that it has started or reloaded.
func awaitReady(notify *net.UnixConn) error {
	if err := notify.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	for buf := make([]byte, 256); ; {
		n, err := notify.Read(buf)
		if err != nil || strings.Contains(string(buf[:n]), "READY=1") {
			return err
		}
	}
}

// awaitIdle waits until the process has nothing to do for a second, and returns its CPU time until then.
func awaitIdle(pid int) time.Duration {
	for last := cpuTime(pid); ; {
		time.Sleep(time.Second)
		now := cpuTime(pid)
		if now == last {
			return now
		}
		last = now
	}
}

// cpuTime is that of all threads of a process so far.
func cpuTime(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f) // the thread may be gone
		var ns int64
		_, _ = fmt.Sscan(string(text), &ns)
		sum += time.Duration(ns)
	}
	return sum
}

// field returns the number that follows a word in a file of /proc.
func field(path, word string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), word)
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, fmt.Errorf("%s: no %s", path, word)
	}
	return strconv.ParseFloat(fields[0], 64)
}

func (r *scaleReport) print(out io.Writer) {
	fmt.Fprintf(out, "\n## %s\n\n| rules | of the kind |", r.title)
	for _, c := range scaledCosts {
		fmt.Fprintf(out, " %s, %s |", c.title, c.unit)
	}
	fmt.Fprintf(out, "\n| ---: | --- |%s\n", strings.Repeat(" ---: |", len(scaledCosts)))
	for i, k := range scaledKinds {
		for j, costs := range r.costs[i] {
			fmt.Fprintf(out, "| %d | %s |", scaledSizes[j], k.name)
			for _, v := range costs {
				fmt.Fprintf(out, " %.1f |", v)
			}
			fmt.Fprintln(out)
		}
	}
}
