// SPDX-License-Identifier: MIT

// The source itself: a signalfd in the loop.

package signal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// batch is how many signals one call of ready takes.
const batch = 32

// retryAfter is how long after a failure signals are received again.
const retryAfter = time.Second

// Source reads all signals that rules can have, whether a rule does or not:
// what nobody read would stay pending and count against RLIMIT_SIGPENDING.
type Source struct {
	host   sources.Host
	set    unix.Sigset_t
	fd     int // -1 while it cannot be read
	watch  sources.Watch
	plan   *Plan
	tell   func(unix.Signal)           // Own's
	err    error                       // why it is not open
	retry  sources.Timer               // opens it again; nil while it is open
	infos  [batch]unix.SignalfdSiginfo // for reading
	event  sources.Event
	fields [8]sources.Field
}

// Open returns a source that reads signals from now on. A signalfd shows what
// was sent to one thread only to that thread, so it must be called on the one
// that the loop runs on; Open blocks the signals there, in case Inherit did
// not.
func Open(host sources.Host) (*Source, error) {
	if _, err := block(); err != nil {
		return nil, fmt.Errorf("block signals: %w", err)
	}
	set := takenSet()
	if err := Hold(strays[:]...); err != nil {
		return nil, fmt.Errorf("handle signals: %w", err)
	}
	for _, n := range strays {
		add(&set, n)
	}
	s := &Source{host: host, set: set, fd: -1, plan: &Plan{}}
	s.event.Source = "signal"
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Source) open() error {
	fd, err := unix.Signalfd(-1, &s.set, unix.SFD_NONBLOCK|unix.SFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open signalfd: %w", err)
	}
	if s.watch, err = s.host.Loop.Watch(fd, unix.EPOLLIN, s.ready); err != nil {
		unix.Close(fd)
		return fmt.Errorf("watch signalfd: %w", err)
	}
	s.fd = fd
	return nil
}

// Own has tell called, on the loop's thread, with each signal that asks the process to end (INT,
// QUIT, ABRT, TERM) or to read its configuration again (HUP). A signal of a fault
// that a process sends is logged. It must be called on the loop's thread; stop lets the runtime
// have these signals again, by most of which it ends the process at once. As long as another source
// of the process has them, Own does nothing.
//
// Package os/signal would do the same with a thread and a goroutine more, and twelve times two
// switches between them.
func (s *Source) Own(tell func(unix.Signal)) (stop func(), err error) {
	s.tell = tell
	for _, n := range own {
		add(&s.set, n)
	}
	if s.fd >= 0 {
		if _, err := unix.Signalfd(s.fd, &s.set, 0); err != nil {
			return nil, fmt.Errorf("have signalfd show the process's own signals: %w", err)
		}
	}
	if stop, err = catchOwn(); err != nil {
		return nil, fmt.Errorf("handle the process's own signals: %w", err)
	}
	return stop, nil
}

// fail gives the descriptor up for a while. Signals that are sent meanwhile stay
// in the kernel's queue.
func (s *Source) fail(err error) {
	if s.err == nil {
		s.host.Log.Error("signals are not received", "error", err, "again_in", retryAfter)
	}
	s.shut()
	s.err = err
	s.retry = s.host.Loop.After(retryAfter, s.again)
}

func (s *Source) again() {
	s.retry = nil
	if err := s.open(); err != nil {
		s.fail(err)
		return
	}
	s.err = nil
	s.host.Log.Info("signals are received again")
}

// Apply implements sources.Source. All signals are read anyhow.
func (s *Source) Apply(plan sources.Plan) { s.plan = plan.(*Plan) }

// Status implements sources.Source: the signals that rules wait for.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for n, wanted := range s.plan.wanted {
		if !wanted {
			continue
		}
		st := sources.State{Name: Name(n), Detail: "signal " + strconv.Itoa(n), OK: s.err == nil}
		if s.err != nil {
			st.Error = s.err.Error()
		}
		states = append(states, st)
	}
	return states
}

// Close implements sources.Source. The signals stay blocked.
func (s *Source) Close() {
	sources.StopTimer(&s.retry)
	s.shut()
}

func (s *Source) shut() {
	if s.fd >= 0 {
		s.watch.Close()
		unix.Close(s.fd)
		s.fd = -1
	}
}

func (s *Source) ready(uint32) {
	b := (*[batch * recordSize]byte)(unsafe.Pointer(&s.infos))[:]
	n, err := sources.Read(s.fd, b)
	switch err {
	case nil:
		s.take(b[:n])
	case unix.EAGAIN, unix.EINTR:
	default:
		s.fail(fmt.Errorf("read signalfd: %w", err)) // it would be ready for ever
	}
}

// take emits the signals in b. The kernel returns whole records; a broken
// one is logged and passed over.
func (s *Source) take(b []byte) {
	now := s.host.Loop.Woke() // signals bear no stamp
	for len(b) > 0 {
		r, ok := decode(b)
		b = b[min(recordSize, len(b)):]
		if !ok {
			s.host.Log.Error("signalfd returned no signal", "signal", r.signal)
			continue
		}
		if n := strayed(&r); n != 0 {
			s.host.Log.Warn("ignored a signal that no rule can use", "signal", Name(n))
			continue
		}
		if slices.Contains(own[:], r.signal) {
			s.tell(unix.Signal(r.signal))
			continue
		}
		if !s.plan.wanted[r.signal] && s.host.Log.Enabled(context.Background(), slog.LevelDebug) {
			s.host.Log.Debug("signal without a rule", "signal", Name(r.signal), "pid", r.pid)
		}
		s.fill(&r)
		s.event.Time = now
		s.host.Emit(&s.event)
	}
}

// fill makes r the source's event. SENDER_PID and SENDER_UID are the kernel's
// word where CODE is user or tkill; with queue they are what the sender says of
// itself, and 0 where no process sent the signal.
func (s *Source) fill(r *record) {
	name := Name(r.signal)
	s.event.Topic = sources.Topic{Kind: "signal", Name: name, State: state}
	f := &s.fields
	if f[0].Name == "" {
		for i := range f {
			f[i].Name = fields[i]
		}
	}
	f[0].Value = sources.Text(name)
	f[1].Value = sources.Int(int64(r.signal))
	f[2].Value = sources.Int(int64(r.value))
	f[3].Value = codeValue(r.code)
	f[4].Value = sources.Int(int64(r.pid))
	f[5].Value = sources.Int(int64(r.uid))
	f[6].Value = sources.Int(int64(r.fd))
	f[7].Value = sources.Int(int64(r.band))
	s.event.Fields = s.fields[:]
	if !isPoll(r.code) {
		s.event.Fields = s.fields[:6]
	}
}
