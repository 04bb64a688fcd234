// SPDX-License-Identifier: MIT

// The helper process: the test binary started again as a small agent, since
// only a main program's main thread can have its mask inherited.

package signal

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/sources"
)

const helperName = "SIGNAL_TEST_HELPER"

func init() {
	if os.Getenv(helperName) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperName); mode != "" {
		if err := helper(mode); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// last is the signal at which the helper ends. It has the highest number, so
// the kernel hands it out after all others that were sent to the process.
const last = "SIGRTMIN+30"

// helper prints what it receives, a line an event.
func helper(mode string) error {
	if mode == "interrupted" || mode == "dropped" {
		return needlessHelper(mode == "dropped")
	}
	if mode == "deleted" {
		os.Remove(os.Args[0]) // it is there only the first time
	}
	if err := Inherit(); err != nil {
		return err
	}
	if mode != "still" {
		churn()
	}
	l, err := loop.New()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	print := func(e *sources.Event) {
		fmt.Fprint(out, e.Topic.Name)
		for _, f := range e.Fields[1:] {
			fmt.Fprintf(out, " %s=%s", f.Name, f.Value)
		}
		fmt.Fprintln(out)
		if e.Topic.Name == last {
			l.Stop()
		}
	}
	log := slog.DiscardHandler
	if mode == "own" {
		log = slog.NewTextHandler(os.Stdout, nil)
		// It reaches the process while nothing reads it.
		if err := errors.Join(Hold(int(unix.SIGHUP)), unix.Kill(os.Getpid(), unix.SIGHUP)); err != nil {
			return err
		}
	}
	s, err := Open(sources.Host{Loop: l, Emit: print, Log: slog.New(log)})
	if err != nil {
		return err
	}
	defer s.Close()
	if mode == "own" {
		return ownHelper(s, l)
	}
	comm, _ := os.ReadFile("/proc/self/comm")
	fmt.Fprintf(out, "ready comm=%s marked=%q blocked=%v\n", strings.TrimSpace(string(comm)), os.Getenv(markName), blockedEverywhere())
	out.Flush()
	return l.Run(func() {})
}

// ownHelper prints the process's own signals. At SIGINT it runs into a fault, at SIGTERM it gives
// the signals back and goes on without the loop.
func ownHelper(s *Source, l *loop.Loop) error {
	giveBack, err := s.Own(func(n unix.Signal) {
		switch n {
		case unix.SIGINT:
			fmt.Println("recovered", fault())
		case unix.SIGTERM:
			l.Stop()
		}
		fmt.Println("told", n)
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if err := l.Run(func() {}); err != nil {
		return err
	}
	giveBack()
	fmt.Println("given back")
	select {}
}

// fault returns what the runtime makes of a nil pointer.
func fault() (err any) {
	defer func() { err = recover() }()
	var p *int
	return *p
}

// churn keeps the collector and the scheduler busy, so that threads come, go
// and are sent the runtime's own signals.
func churn() {
	for range 4 {
		go func() {
			for {
				_ = make([]byte, 64<<10)
				runtime.Gosched()
			}
		}()
		go func() {
			for {
				_, _ = os.ReadFile("/proc/self/status")
			}
		}()
	}
}

// blockedEverywhere reports whether all threads block what rules can have, as
// the kernel shows it.
func blockedEverywhere() bool {
	set := takenSet()
	var want uint64
	for n := 1; n <= rtMax; n++ {
		if set.Val[(n-1)/wordBits]>>((n-1)%wordBits)&1 == 1 {
			want |= 1 << (n - 1)
		}
	}
	files, _ := filepath.Glob("/proc/self/task/*/status")
	seen := 0
	for _, f := range files {
		text, _ := os.ReadFile(f)
		_, after, _ := strings.Cut(string(text), "SigBlk:\t")
		var mask uint64
		if n, _ := fmt.Sscanf(after, "%x", &mask); n != 1 {
			continue // the thread is gone
		}
		seen++
		if mask&want != want {
			return false
		}
	}
	return seen > 1
}
