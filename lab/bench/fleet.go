// SPDX-License-Identifier: MIT

// A fleet: many boards at one broker, all on the host. Each board is an agent of this
// process that only speaks the protocol of the control socket (fleetagent.go), and a
// real bridge, many of which share a few processes.

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/bridge"
	"reflexd/lab/mqtt"
)

const (
	fleetBoards    = 1000
	fleetProcesses = 4
	fleetEvents    = 50 // of each board
	fleetCommands  = 10 // to each board
	fleetSenders   = 16
	fleetPatience  = 3 * time.Minute

	// fleetChild is the argument that makes bench a process of bridges.
	fleetChild = "bridges"
)

// fleet is what came out.
type fleet struct {
	connect, storm     samples // seconds until a board is connected, since the first may be
	events, commands   float64 // a second
	empty, full        int     // KiB of the broker, without and with the boards
	bridges, bridgesUp int     // KiB of a process of bridges, divided by them: before they had work, and after
	alone              int     // KiB of one program
}

func onFleet(ctx context.Context, build, dir string, progress io.Writer) (_ printer, err error) {
	dir = filepath.Join(dir, "fleet")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	broker, err := mqtt.Start(dir, mqtt.Anonymous+"\nmax_queued_messages 0")
	if err != nil {
		return nil, err
	}
	defer broker.Kill()
	f := &fleet{empty: resident(broker.Pid())}
	address := fmt.Sprintf("mqtt://127.0.0.1:%d", broker.Port)
	sites, err := newSites(dir, address, fleetBoards)
	if err != nil {
		return nil, err
	}
	defer sites.close()

	ctx, cancel := context.WithCancel(ctx) // ends the bridges
	defer cancel()
	fmt.Fprintln(progress, "fleet: connecting")
	begun := time.Now()
	pids, err := startBridges(ctx, dir)
	if err != nil {
		return nil, err
	}
	if f.connect, err = sites.awaitConnected(ctx, begun); err != nil {
		return nil, err
	}
	f.full, f.bridges = resident(broker.Pid()), perBridge(pids)

	fmt.Fprintln(progress, "fleet: events and commands")
	observer, err := mqtt.Connect(ctx, broker.Port)
	if err != nil {
		return nil, err
	}
	if f.events, err = sites.measureEvents(observer); err != nil {
		return nil, err
	}
	if f.commands, err = sites.measureCommands(ctx, observer); err != nil {
		return nil, err
	}
	f.bridgesUp = perBridge(pids)

	fmt.Fprintln(progress, "fleet: the broker is started again")
	broker.Kill()
	sites.awaitDisconnected()
	if err := broker.Again(); err != nil {
		return nil, err
	}
	if f.storm, err = sites.awaitConnected(ctx, time.Now()); err != nil {
		return nil, err
	}
	f.alone, err = oneBridge(ctx, build, dir, address)
	return f, err
}

// startBridges starts the processes with the bridges of all boards, which end with
// ctx.
func startBridges(ctx context.Context, dir string) (pids []int, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i := range fleetProcesses {
		c := exec.CommandContext(ctx, self, fleetChild, dir, strconv.Itoa(i))
		c.Stderr = os.Stderr
		c.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
		if err := c.Start(); err != nil {
			return nil, err
		}
		pids = append(pids, c.Process.Pid)
		go func() { _ = c.Wait() }() // killed with ctx
	}
	return pids, nil
}

// runBridges is the process with every fleetProcesses-th bridge, from first on.
func runBridges(ctx context.Context, dir, first string) error {
	n, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for ; n < fleetBoards; n += fleetProcesses {
		site := filepath.Join(dir, strconv.Itoa(n))
		all.Go(func() {
			_ = bridge.Run(ctx, bridge.Options{Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(site, "socket"), Root: site, Version: "bench"})
		})
	}
	all.Wait()
	return nil
}

// oneBridge returns the resident KiB of the program with one board.
func oneBridge(ctx context.Context, build, dir, address string) (int, error) {
	program := filepath.Join(build, runtime.GOARCH, "reflexd-mqtt")
	if _, err := os.Stat(program); err != nil {
		return 0, err
	}
	sites, err := newSites(filepath.Join(dir, "alone"), address, 1)
	if err != nil {
		return 0, err
	}
	defer sites.close()
	ctx, cancel := context.WithCancel(ctx)
	c := exec.CommandContext(ctx, program, "run", "--socket", filepath.Join(dir, "alone/0/socket"))
	if err := c.Start(); err != nil {
		cancel()
		return 0, err
	}
	defer func() {
		cancel()
		_ = c.Wait()
	}()
	if _, err := sites.awaitConnected(ctx, time.Now()); err != nil {
		return 0, err
	}
	return resident(c.Process.Pid), nil
}

// resident returns the resident KiB of a process, 0 if that is not known.
func resident(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.Atoi(fields[0])
	return kib
}

func perBridge(pids []int) int {
	sum := 0
	for _, pid := range pids {
		sum += resident(pid)
	}
	return sum / fleetBoards
}

// rate runs work, which ends after n of something, and returns how many there were a
// second.
func rate(n int, work func() error) (float64, error) {
	begun := time.Now()
	err := work()
	return float64(n) / time.Since(begun).Seconds(), err
}

// measureEvents has every board send its events, and counts them at another client.
func (s *sites) measureEvents(observer *mqtt.Client) (float64, error) {
	const n = fleetBoards * fleetEvents
	return rate(n, func() error {
		for _, site := range s.all {
			go site.sendEvents(fleetEvents)
		}
		late := time.After(fleetPatience)
		for came := 0; came < n; {
			select {
			case m := <-observer.Messages:
				if strings.Contains(m.Topic, "/event/") {
					came++
				}
			case <-late:
				return fmt.Errorf("%d of %d events came", came, n)
			}
		}
		return nil
	})
}

// measureCommands sends commands to all boards in turn, and counts them at the agents.
func (s *sites) measureCommands(ctx context.Context, to *mqtt.Client) (float64, error) {
	const n = fleetBoards * fleetCommands
	drained, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // the commands come back to it
		for {
			select {
			case <-to.Messages:
			case <-drained.Done():
				return
			}
		}
	}()
	return rate(n, func() error {
		var failed error
		var senders sync.WaitGroup
		var mu sync.Mutex
		for first := range fleetSenders {
			senders.Go(func() {
				for i := first; i < n; i += fleetSenders {
					err := to.Publish(ctx, fmt.Sprintf("fleet/%d/line/lamp/set", i%fleetBoards), []string{"ON", "OFF"}[i/fleetBoards%2], false)
					if err != nil {
						mu.Lock()
						failed = err
						mu.Unlock()
						return
					}
				}
			})
		}
		senders.Wait()
		late := time.After(fleetPatience)
		for came := 0; came < n && failed == nil; came++ {
			select {
			case <-s.commands:
			case <-late:
				failed = fmt.Errorf("%d of %d commands came", came, n)
			}
		}
		return failed
	})
}

func (f *fleet) print(out io.Writer) {
	fmt.Fprintf(out, "\n## A fleet (%d bridges in %d processes, one mosquitto, %d CPUs for all of it)\n\n", fleetBoards, fleetProcesses, runtime.NumCPU())
	fmt.Fprintln(out, "| | |")
	fmt.Fprintln(out, "| --- | --- |")
	for _, row := range []struct {
		what string
		s    samples
	}{{"all bridges start at once: connected, told everything", f.connect}, {"the broker is started again: the same", f.storm}} {
		fmt.Fprintf(out, "| %s | median %.1f s, p99 %.1f s, last %.1f s |\n", row.what, row.s.quantile(0.5), row.s.quantile(0.99), row.s.quantile(1))
	}
	fmt.Fprintf(out, "| events, from the agents to a subscriber of all | %.0f a second |\n", f.events)
	fmt.Fprintf(out, "| commands, from a publisher to the agents | %.0f a second |\n", f.commands)
	fmt.Fprintf(out, "| resident memory of the broker, without bridges | %d KiB |\n", f.empty)
	fmt.Fprintf(out, "| for each bridge | %.1f KiB |\n", float64(f.full-f.empty)/fleetBoards)
	fmt.Fprintf(out, "| resident memory of a bridge among many in a process, connected | %d KiB |\n", f.bridges)
	fmt.Fprintf(out, "| after the events and commands | %d KiB |\n", f.bridgesUp)
	fmt.Fprintf(out, "| resident memory of the program with one board | %d KiB |\n", f.alone)
}
