// SPDX-License-Identifier: MIT

// The agent's threads.

package agent

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"reflexd/agent/loop"
	"reflexd/agent/spawn"
	"reflexd/sources"
)

// RoomForThreads returns an error if there is no room for the threads that the
// agent needs, now or within a second (what an agent before this one has left may
// still be ending): the Go runtime would end the process with a trace of it.
func RoomForThreads() error {
	need := loop.Threads() + 2 // what the runtime makes beside them
	const tries, pause = 10, 100 * time.Millisecond
	room := 0
	for range tries {
		if room = spawn.Room(need); room == need {
			return nil
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("it needs %d threads and can start %d: raise TasksMax= of the service, pids.max of the cgroup or ulimit -u (or free memory)", need, room)
}

// prepareThreads sees to it that the threads which the agent needs are made before
// programs can take all the room there is: before the first one, and at the latest
// when the agent is ready.
func (a *Agent) prepareThreads() {
	if a.opts.Threads {
		a.spawn.Prepare = sync.OnceFunc(loop.Reserve)
	}
}

// makeThreads makes them in the background.
func (a *Agent) makeThreads() {
	if !a.opts.Threads {
		return
	}
	a.loop.Beside(func() {
		a.spawn.Prepare()
		if err := calmMonitor(a.opts.Proc); err != nil { // only now: a thread that it makes would have its slack
			a.log.Debug("the runtime's monitor is not calmed", "error", err)
		}
	}, sources.Nothing)
}

// calmMonitor lets the Go runtime's monitoring thread sleep for longer. After each
// wake-up of the loop it looks every 20 µs, up to fifty times, whether a thread stays in
// a system call, which took several times as much of the processor as the event itself. With
// a timer slack of 10 ms, which is as long as it ever sleeps between two looks, it looks
// twice. On a machine with one processor it stays as it is: while the loop waits, the other
// goroutines wait for it. See docs/decisions/049-calm-monitor.md.
func calmMonitor(proc string) error {
	if runtime.GOMAXPROCS(0) == 1 {
		return nil
	}
	dir, err := os.Open(filepath.Join(proc, "self/task"))
	if err != nil {
		return err
	}
	defer dir.Close()
	threads, err := dir.Readdirnames(2) // in the order in which they were made: the runtime makes it first
	if len(threads) < 2 {
		return cmp.Or(err, io.ErrUnexpectedEOF)
	}
	return os.WriteFile(filepath.Join(proc, threads[1], "timerslack_ns"), []byte("10000000"), 0)
}

// hasRoom is loop.Loop's Room.
func hasRoom(threads int) bool { return spawn.Room(threads) == threads }
