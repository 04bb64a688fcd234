// SPDX-License-Identifier: MIT

// Bench measures how long reflexd takes to react, beside the least that a C program needs for the same (programs/loop.c),
// in one run: first on an emulated board whose time follows the instructions that it executes, 2 ns each, so that
// nothing that the host does shows in the figures; then on the host itself, without GPIO lines, which it has not.
// The programs take turns: each is started, warmed up, measured and stopped, again and again.
//
// Then come all kernel interfaces that a rule can wait for, and counters, again on the board, and last, on the host, a fleet
// of bridges at one MQTT broker, and up to 10,000 rules. Arguments choose among them: see groups.
//
// It wants the environment variable REFLEXD_BUILD, a folder with reflexd for arm64 and for the host in arm64/ and so on,
// and with reflexd-mqtt for the host.
// REFLEXD_BENCH_PAGE names the page whose tables it replaces, REFLEXD_VERSION what is measured.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long all of it may take. It takes about fifteen minutes on two idle cores.
const patience = 40 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if len(os.Args) == 4 && os.Args[1] == fleetChild {
		_ = runBridges(ctx, os.Args[2], os.Args[3])
		return
	}
	if err := bench(ctx, os.Getenv("REFLEXD_BUILD"), os.Getenv("REFLEXD_BENCH_PAGE"), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// A group is something that can be measured by itself.
type group struct {
	name    string
	measure func(ctx context.Context, build, dir string, progress io.Writer) (printer, error)
}

// A printer is what came out.
type printer interface{ print(out io.Writer) }

// groups lists them, in the order in which they are measured.
var groups = []group{{"board", onBoard}, {"host", onHost}, {"interfaces", onInterfaces}, {"counters", onCounters}, {"fleet", onFleet}, {"scale", onScale}}

// chosen returns the groups of those names, or all where there are no names.
func chosen(names []string) ([]group, error) {
	var found []group
	for _, name := range names {
		i := slices.IndexFunc(groups, func(g group) bool { return g.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no group %q", name)
		}
		found = append(found, groups[i])
	}
	if found == nil {
		return groups, nil
	}
	return found, nil
}

// bench measures and prints what came out, and writes it into the page, if there is one.
func bench(ctx context.Context, build, page string, names []string, out, progress io.Writer) (err error) {
	measured, err := chosen(names)
	if err != nil {
		return err
	}
	if build == "" {
		return errors.New("REFLEXD_BUILD is not set: `make bench` sets it")
	}
	dir, err := os.MkdirTemp("", "reflexd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tables := map[string]string{}
	keep := func(name string, print func(io.Writer) error) error {
		var text strings.Builder
		err := print(io.MultiWriter(out, &text))
		tables[name] = text.String()
		return err
	}
	for _, g := range measured {
		r, err := g.measure(ctx, build, dir, progress)
		if err != nil {
			return err
		}
		if err := keep(g.name, func(w io.Writer) error { r.print(w); return nil }); err != nil {
			return err
		}
	}
	if err := keep("size", func(w io.Writer) error { return printSizes(w, build) }); err != nil {
		return err
	}
	if page == "" {
		return nil
	}
	return writePage(page, os.Getenv("REFLEXD_VERSION"), tables)
}
