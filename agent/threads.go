// SPDX-License-Identifier: MIT

// The agent's threads.

package agent

import (
	"fmt"
	"runtime"
	"time"

	"reflexd/agent/loop"
	"reflexd/agent/spawn"
)

// MakeThreads makes the threads that the agent needs, so that none need be made
// when programs have taken all the room there is. If there is no room for them
// now, nor within a second (what an agent before this one has left may still be
// ending), it returns an error; the Go runtime would end the process with a
// trace of it.
func MakeThreads() error {
	need := loop.Threads() + runtime.GOMAXPROCS(0) + 2 // what the runtime makes beside them
	const tries, pause = 10, 100 * time.Millisecond
	room := 0
	for range tries {
		var err error
		if room, err = spawn.Room(need); err == nil && room == need {
			loop.Reserve()
			return nil
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("it needs %d threads and can start %d: raise TasksMax= of the service, pids.max of the cgroup or ulimit -u (or free memory)", need, room)
}

// hasRoom is loop.Loop's Room.
func hasRoom(threads int) bool {
	room, err := spawn.Room(threads)
	return err == nil && room == threads
}
