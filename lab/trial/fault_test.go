// SPDX-License-Identifier: MIT

//go:build lab

// Tests of lab/fault that need devices: they run on a board, where they have the far ends of the devices.

package trial

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"reflexd/lab"
	"reflexd/lab/fault"
)

// Calls for GPIO lines, input devices and drives fail, one after the other.
func TestDeviceCallsFail(t *testing.T) {
	testFaults(t)
}

// The agent is killed while it changes lines, input devices and drives.
func TestDeviceKilledAtCalls(t *testing.T) {
	testFaults(t)
}

// Bursts of edges and keys are accounted for.
func TestDeviceBursts(t *testing.T) {
	size := "20000"
	if allFaults {
		size = "200000"
	}
	testFaults(t, fault.BurstSize+"="+size)
}

// allFaults is whether everything is tried that may fail, on both boards.
var allFaults = os.Getenv("REFLEXD_FAULTS") == "all"

func testFaults(t *testing.T, env ...string) {
	test := t.Name()
	machines := []lab.Machine{lab.Virt}
	if allFaults {
		machines = append(machines, lab.Pi3)
	}
	for _, m := range machines {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			testFaultsOn(t, m, test, env...)
		})
	}
}

// testFaultsOn runs a test of lab/fault on a board of its own: it is left with one CPU.
func testFaultsOn(t *testing.T, m lab.Machine, test string, env ...string) {
	wants(t, m)
	const program, output = "/usr/bin/fault-tests", "/tmp/faults"
	file := filepath.Join(t.TempDir(), "tests")
	if err := lab.BuildTests(t.Context(), "arm64", "reflexd/lab/fault", file); err != nil {
		t.Fatal(err)
	}
	cmdline := ""
	if m.String() == lab.Pi3.String() {
		cmdline = "maxcpus=1" // its other CPUs cannot be taken away
	}
	b, err := boot(lab.Config{Machine: m, Cmdline: cmdline, Files: map[string]lab.File{program: lab.Executable(file)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	b.plugImage(t, "stick", volume(t, false, lab.Volume{Type: "vfat", Label: "FAULT"}))
	if err := b.AwaitFile(t.Context(), "/dev/sda"); err != nil {
		t.Fatal(err)
	}
	const longest = 6 * time.Hour // with all faults
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	p, err := b.Start(ctx, lab.Command{
		Args: []string{program, "-test.run", "^" + test + "$", "-test.v"},
		Env: append(env, fault.OnBoard+"=/usr/bin/reflexd",
			"REFLEXD_FAULTS="+os.Getenv("REFLEXD_FAULTS"), "FAULT="+os.Getenv("FAULT")),
	}, output)
	if err != nil {
		t.Fatal(err)
	}
	var followed sync.WaitGroup
	followed.Go(func() { follow(ctx, t, p.Log) })
	result, err := p.Wait(ctx)
	if err != nil || result.Code != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	const rest = 10 * time.Second // of the output, if a panic is the end of it
	time.AfterFunc(rest, cancel)
	followed.Wait()
}

// follow logs what is in a log, line by line, until the end that testing writes or that of ctx.
func follow(ctx context.Context, t *testing.T, log *lab.Log) {
	for line := ""; line != "PASS" && line != "FAIL"; {
		var err error
		if line, err = log.Await(ctx, ".+"); err != nil {
			return
		}
		t.Log(line)
	}
}
