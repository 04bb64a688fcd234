// SPDX-License-Identifier: MIT

package mount

import (
	"strings"
	"testing"

	"reflexd/agent/expand"
)

// Of two agents one mounts, and the other one goes on when that has ended: what
// is mounted is its own then.
func TestOneAgentAtATimeMounts(t *testing.T) {
	dir := t.TempDir()
	d := newStick(t, dir)
	first := start(t, dir, loops)
	d.insert(ext4(t, "PHOTOS"), false)
	point := dir + "/media/PHOTOS"
	first.expect("mounted "+d.name+" "+point, "LABEL=PHOTOS")

	second := start(t, dir, loops)
	var state string
	second.do(func() {
		for _, s := range second.source.Status() {
			if s.Name == "records" {
				state = s.Error
			}
		}
	})
	if want := "another reflexd mounts drives here: it holds " + dir + "/records"; state != want {
		t.Errorf("status %q, want %q", state, want)
	}
	at, err := expand.Parse(dir + "/other")
	if err != nil {
		t.Fatal(err)
	}
	err = second.ask(func(done func(error)) { second.source.Mount(Request{Device: d.name, At: at}, done) })
	if err == nil || !strings.Contains(err.Error(), "another reflexd mounts") {
		t.Error(err)
	}
	lookAgain := func() { // as when the wait is over
		if second.source.lock.retry.Stop() {
			second.source.begin()
		}
	}
	second.do(lookAgain)
	first.stop()
	second.do(lookAgain)
	second.quiet()
	if err := second.unmount(d.name, false, false); err != nil {
		t.Error(err)
	}
	second.expect("unmounted "+d.name+" "+point, "LABEL=PHOTOS")
	second.mu.Lock()
	if n := strings.Count(second.log.String(), "nothing is mounted by this agent"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, second.log.String())
	}
	second.mu.Unlock()
	sane(t, dir)
}
