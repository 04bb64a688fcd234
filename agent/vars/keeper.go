// SPDX-License-Identifier: MIT

// keeper: when the file of kept variables is written.

package vars

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"reflexd/sources"
)

const (
	// settle is how long changes are waited for before a write, so that those
	// that belong together cost one.
	settle = 100 * time.Millisecond
	// spacing is the least time between two writes: flash wears out.
	spacing = time.Second
	// A variable that changes more than mostSoon times, without having rested for
	// restSpacing, changes often. For those alone there is a write in restSpacing.
	mostSoon    = 10
	restSpacing = time.Minute
	// retry is how long a write that failed is not tried again.
	retry = time.Minute
	// lastWrite is how long the agent waits for the disk before it ends.
	lastWrite = 2 * time.Second
)

// keeper brings the file to say what it is asked to. Its methods are called
// on the loop's thread; the disk is written beside it.
type keeper struct {
	host    *sources.Host
	path    string
	saved   string // what the file says, as far as known
	wanted  string // what it is to say
	timer   sources.Timer
	writing chan struct{} // closed when the write under way is over; nil without
	began   time.Duration // when the last write did
	err     error         // of the last write
	writes  int           // that were begun
	soon    bool          // a variable that does not change often is among what is to be written
	waiting []func(error) // for what is wanted to be on the disk
	paces   map[string]pace
}

// pace is how often a variable changes.
type pace struct {
	last    time.Duration // when it changed
	changes int           // since it rested
}

// often notes that the variable changes, and reports whether it does so often.
func (k *keeper) often(name string) bool {
	now := k.host.Loop.Now()
	p := k.paces[name]
	if now-p.last >= restSpacing {
		p.changes = 0
	}
	p.last, p.changes = now, min(p.changes+1, mostSoon+1)
	if k.paces == nil {
		k.paces = map[string]pace{}
	}
	k.paces[name] = p
	return p.changes > mostSoon
}

// use makes path the file, which held values when it was read, unless err says
// why it cannot be. What cannot be read is set aside, but not in a dry run. Of a
// file that is in use already, what it holds came from here, and is not used.
func (k *keeper) use(path string, values map[string]string, err error, dryRun bool) map[string]string {
	if path == k.path {
		return nil
	}
	k.path, k.saved, k.wanted, k.err = path, "", "", nil
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return values
	}
	aside := "unchanged in a dry run"
	if !dryRun {
		aside = path + ".damaged"
		k.setAside(aside)
	}
	k.host.Log.Warn("cannot use the state file: variables begin with their initial values",
		"file", path, "error", err, "set_aside", aside)
	return nil
}

// setAside renames the file beside the loop, before anything is written.
func (k *keeper) setAside(aside string) {
	path, before, over := k.path, k.writing, make(chan struct{})
	k.writing = over
	var err error
	k.host.Loop.Beside(func() {
		if before != nil {
			<-before
		}
		err = setAside(path, aside)
		close(over)
	}, func() {
		if k.writing == over {
			k.writing = nil
		}
		if err != nil {
			k.host.Log.Warn("the state file keeps its path until it is written", "file", path, "error", err)
		}
		k.next()
	})
}

// agrees tells that nothing has to be written as long as the file is to say
// text.
func (k *keeper) agrees(text string) { k.saved, k.wanted = text, text }

// put has the file say text: soon, or when the last write is a minute ago.
func (k *keeper) put(text string, soon bool) {
	k.wanted = text
	if soon && !k.soon && k.err == nil {
		k.soon = true
		sources.StopTimer(&k.timer) // which may be set for later
	}
	k.schedule()
}

// now has the file say at once what is wanted, and calls done when it is on the disk,
// or when that failed.
func (k *keeper) now(done func(error)) {
	k.waiting = append(k.waiting, done)
	k.next()
}

// next does what is to be done now: if something is being written, after that.
func (k *keeper) next() {
	switch {
	case k.writing != nil:
	case len(k.waiting) == 0:
		k.schedule()
	case k.wanted == k.saved:
		k.release(nil)
	default:
		sources.StopTimer(&k.timer)
		k.write()
	}
}

// release calls all that wait.
func (k *keeper) release(err error) {
	waiting := k.waiting
	k.waiting = nil
	for _, done := range waiting {
		done(err)
	}
}

func (k *keeper) schedule() {
	if k.wanted == k.saved || k.writing != nil || k.timer != nil {
		return
	}
	wait, apart := settle, restSpacing
	if k.soon {
		apart = spacing
	}
	if k.began > 0 {
		wait = max(wait, k.began+apart-k.host.Loop.Now())
	}
	if k.err != nil {
		wait = retry
	}
	k.timer = k.host.Loop.After(wait, k.write)
}

func (k *keeper) write() {
	k.timer = nil
	k.soon = false
	if k.wanted == k.saved {
		return
	}
	path, text, over := k.path, k.wanted, make(chan struct{})
	k.writing, k.began = over, k.host.Loop.Now()
	k.writes++
	var err error
	k.host.Loop.Beside(func() {
		err = save(path, text)
		close(over)
	}, func() {
		if k.writing == over {
			k.writing = nil
		}
		if path == k.path {
			k.written(text, err)
		}
		if err != nil {
			k.release(err)
		}
		k.next()
	})
}

// written notes how a write ended. Only the first failure in a row is told.
func (k *keeper) written(text string, err error) {
	switch {
	case err == nil:
		k.saved = text
		if k.err != nil {
			k.host.Log.Info("variables are saved again", "file", k.path)
		}
	case k.err == nil:
		k.host.Log.Warn("cannot save variables: a restart loses them; retrying every minute", "error", err)
	}
	k.err = err
}

// state tells of the file.
func (k *keeper) state() sources.State {
	s := sources.State{Name: "state_file", Detail: fmt.Sprintf("%s, writes: %d", k.path, k.writes), OK: k.err == nil}
	if k.err != nil {
		s.Error = k.err.Error()
	}
	return s
}

// close writes what is still to be written, and waits for that for as long as
// a disk that works may take.
func (k *keeper) close() {
	sources.StopTimer(&k.timer)
	if k.writing == nil && k.wanted == k.saved {
		return
	}
	path, text, before := k.path, k.wanted, k.writing
	done := make(chan error, 1)
	go func() {
		if before != nil {
			<-before
		}
		done <- save(path, text)
	}()
	var err error
	select {
	case err = <-done:
		k.saved = text
	case <-time.After(lastWrite):
		err = errors.New("the disk does not answer")
	}
	if err != nil {
		k.host.Log.Warn("the last values of variables were not saved", "file", path, "error", err)
	}
}
