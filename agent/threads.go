// SPDX-License-Identifier: MIT

// The agent's threads.

package agent

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"reflexd/agent/loop"
	"reflexd/agent/spawn"
)

// RoomForThreads returns an error if there is no room for the threads that the
// agent needs, now or within a second (what an agent before this one has left may
// still be ending): the Go runtime would end the process with a trace of it.
func RoomForThreads() error {
	need := loop.Threads() + runtime.GOMAXPROCS(0) + 2 // what the runtime makes beside them
	const tries, pause = 10, 100 * time.Millisecond
	room := 0
	for range tries {
		var err error
		if room, err = spawn.Room(need); err == nil && room == need {
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
	if a.opts.Threads {
		a.loop.Beside(a.spawn.Prepare, func() {})
	}
}

// hasRoom is loop.Loop's Room.
func hasRoom(threads int) bool {
	room, err := spawn.Room(threads)
	return err == nil && room == threads
}
