// SPDX-License-Identifier: MIT

package sensor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/sources"
)

// background is a loop in virtual time whose work really runs beside it.
type background struct {
	*loop.Loop
	ended chan func()
}

func (b *background) Beside(work, done func()) {
	go func() {
		work()
		b.ended <- done
	}()
}

// end waits until a piece of work has ended, and does what is to be done then.
func (b *background) end(r *rig) {
	b.Post(<-b.ended)
	r.pass(0)
}

// A driver that does not answer makes its own sensor absent, and keeps nobody from
// reading the others.
func TestADriverThatHangs(t *testing.T) {
	r := newRig(t).file("a", "1").file("b", "2").file("c", "3").file("d", "4")
	back := &background{r.loop, make(chan func())}
	r.source.host.Loop = back
	hangs, release := make(chan string), make(chan struct{})
	r.source.do = func(x *reading) {
		if strings.HasSuffix(x.name, "/b") || strings.HasSuffix(x.name, "/c") {
			hangs <- x.name
			<-release
		}
		x.do(r.sys)
	}
	r.declare(strings.ReplaceAll("{a: {path: /a, every: 1m}, b: {path: /b, every: 1m}, c: {path: /c, every: 1m}, d: {path: /d, every: 1m}}", "/", r.sys+"/"))
	<-hangs // b
	r.pass(patience).expect("found a changed VALUE=1 RAW=1")
	if r.source.Started() {
		t.Error("it counts as started before it is known that two sensors cannot be read")
	}
	r.pass(patience).expect("found b absent REASON=the driver does not answer")
	<-hangs // c
	r.pass(patience).expect()
	r.pass(patience).expect("found c absent REASON=the driver does not answer")
	back.end(r)
	r.expect("found d changed VALUE=4 RAW=4")
	if !r.source.Started() {
		t.Error("two drivers that hang keep it from having started")
	}
	if i := slices.IndexFunc(r.source.Status(), func(s sources.State) bool { return !s.OK }); i != 1 || r.source.Status()[i].Error != errHangs.Error() {
		t.Errorf("status: %v", r.source.Status())
	}

	r.file("a", "5").file("d", "6").pass(time.Minute - 4*patience) // and no longer: it is read by who cannot know what time it is here
	back.end(r)
	r.expect("a changed VALUE=5 PREVIOUS=1 RAW=5 CHANGE=4", "d changed VALUE=6 PREVIOUS=4 RAW=6 CHANGE=2")

	close(release)
	back.end(r)
	back.end(r)
	slices.Sort(r.events)
	r.expect("b changed VALUE=2 RAW=2", "c changed VALUE=3 RAW=3")
	if n := strings.Count(r.log.String(), "sensor can be read"); n != 2 {
		t.Errorf("%d sensors can be read again, want 2\n%s", n, r.log.String())
	}
}
