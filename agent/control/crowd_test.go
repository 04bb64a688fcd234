// SPDX-License-Identifier: MIT

// Many clients, slow ones, ones that flood and ones that die: what is left for
// everybody else, and that nothing is left of them.

package control

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/client"
)

// obey makes a watcher of who asks for that, and answers others with as many
// bytes as the request's name says.
func obey(r Request, reply func(any, error)) {
	if r.Verb == "bridge" {
		reply(&Stream{Begun: func() {}, Gone: func() {}}, nil)
		return
	}
	if r.Verb == "watch" {
		filter := &client.Filter{}
		_ = json.Unmarshal(r.Arguments, filter)
		reply(filter, nil)
		return
	}
	size := 0
	_, _ = fmt.Sscan(r.Name, &size)
	reply(strings.Repeat("x", size), nil)
}

func anyPlaces(s *Server) { s.most = maxClients }

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func ask(t testing.TB, fd int, r client.Request) {
	t.Helper()
	r.Version = client.Version
	packet, err := json.Marshal(r)
	if err == nil {
		_, err = unix.Write(fd, packet)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// watcher connects a client that watches.
func watcher(t testing.TB, path string, arguments string) int {
	t.Helper()
	fd := dial(t, path)
	r := client.Request{Verb: "watch"}
	if arguments != "" {
		r.Arguments = json.RawMessage(arguments)
	}
	ask(t, fd, r)
	if a := hear(t, fd); !strings.Contains(string(a.Result), `"watching"`) {
		t.Fatalf("%+v", a)
	}
	return fd
}

func notice(fd int) (n client.Notice, err error) {
	var buf [client.MaxPacket]byte
	size, err := unix.Read(fd, buf[:])
	if err == nil {
		err = json.Unmarshal(buf[:size], &n)
	}
	return n, err
}

// publish shows the watchers count notices, some at a time.
func (s *server) publish(from, count int) {
	for i := from; i < from+count; i++ {
		s.do(func() {
			n := &client.Notice{Type: "event", Kind: "line", Name: fmt.Sprint(i), Source: "gpio:x", Time: client.Seconds(i + 1)}
			s.Publish(n, n)
		})
	}
}

// leavesNothing waits until no client is known any more, and checks that
// nothing else of them is.
func (s *server) leavesNothing(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(patience); ; {
		conns, users, held, entries, bytes := 0, 0, 0, 0, 0
		s.do(func() {
			conns, users, held, entries, bytes = len(s.conns), len(s.users), s.held, len(s.feed.entries), s.feed.bytes
		})
		switch {
		case conns == 0 && users == 0 && held == 0 && entries == 0 && bytes == 0:
			return
		case time.Now().After(late):
			t.Fatal(conns, "clients,", users, "users,", held, "bytes held,", entries, "entries,", bytes, "bytes of notices are left")
		}
	}
}

// A thousand watchers, of whom a third reads, a third stops reading and a third
// dies at some time: those who read receive everything or are told what they
// lost, and nothing is left of anybody.
func TestAThousandWatchers(t *testing.T) {
	const watchers, notices = 1000, 700
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 2*watchers+100 {
		if os.Getenv("REFLEXD_TOOLS") == "all" {
			t.Fatal("raise the limit of open files, which is", limit.Cur, err)
		}
		t.Skip("the limit of open files is", limit.Cur, err)
	}
	s := serveWith(t, obey, anyPlaces)
	before := descriptors(t)
	results := make(chan error, watchers)
	var all []int
	for i := range watchers {
		fd := watcher(t, s.path, "")
		all = append(all, fd)
		switch i % 3 {
		case 0:
			go func() { results <- readAll(fd, notices) }()
		case 1:
			go func() { results <- readSome(fd, i) }()
		default:
			results <- nil // stops reading
		}
	}
	s.publish(0, notices)
	for range watchers {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	var size int
	s.do(func() { size = s.feed.bytes })
	if size > mostBytes {
		t.Error(size, "bytes for those who do not read")
	}
	for _, fd := range all {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	s.leavesNothing(t)
	if n := descriptors(t); n > before+watchers { // the test's own
		t.Errorf("%d descriptors, %d before", n, before)
	}
}

// readAll reads until it has all the notices, or was told of their loss.
func readAll(fd, count int) error {
	next := 1
	for seen := 0; seen < count; {
		n, err := notice(fd)
		switch {
		case err != nil:
			return err
		case n.Type == "lost":
			seen += int(n.Count)
			next += int(n.Count)
			continue
		case n.Name != fmt.Sprint(next-1):
			return fmt.Errorf("notice %s comes where %d is due", n.Name, next-1)
		}
		seen++
		next++
	}
	return nil
}

// readSome reads a few notices and is gone.
func readSome(fd, seed int) error {
	for range rand.N(seed%50 + 1) {
		if _, err := notice(fd); err != nil {
			return err
		}
	}
	return unix.Shutdown(fd, unix.SHUT_RDWR)
}

// What a watcher does not read in time is counted, and it is told how much it
// was before what comes next.
func TestASlowWatcherIsToldWhatItLost(t *testing.T) {
	s := serveWith(t, obey, anyPlaces)
	fd := watcher(t, s.path, "")
	const count = 3 * mostEntries
	s.publish(0, count)
	lost, seen := uint64(0), uint64(0)
	for seen+lost < count {
		n, err := notice(fd)
		if err != nil {
			t.Fatal(err)
		}
		if n.Type == "lost" {
			lost += n.Count
			continue
		}
		if seen++; n.Name != fmt.Sprint(seen+lost-1) {
			t.Fatalf("notice %s after %d seen and %d lost", n.Name, seen-1, lost)
		}
	}
	if lost == 0 || seen < mostEntries {
		t.Errorf("%d seen, %d lost", seen, lost)
	}
}

// What the bridge does not read in time is counted, and reported to whoever sent it;
// what it and watchers miss is each one's own.
func TestASlowBridge(t *testing.T) {
	s := serveWith(t, obey, anyPlaces)
	fd, other := dial(t, s.path), watcher(t, s.path, "")
	ask(t, fd, client.Request{Verb: "bridge"})
	hear(t, fd)
	const count = 100
	dropped := 0
	s.do(func() {
		for i := range count {
			n := &client.Notice{Type: "publish", Count: uint64(i), Fields: map[string]any{"text": strings.Repeat("x", client.MaxPacket*3/4)}}
			if err := s.Tell(n, func() { dropped++ }); err != nil {
				t.Error(err)
			}
		}
	})
	s.publish(0, mostEntries)
	counts := func(fd int, kind string, until func(seen, lost int) bool) (seen, lost int) {
		for !until(seen, lost) {
			n, err := notice(fd)
			switch {
			case err != nil:
				t.Fatal(err)
			case n.Type == "lost":
				lost += int(n.Count)
			case n.Type == kind:
				seen++
			}
		}
		return seen, lost
	}
	_, lost := counts(fd, "publish", func(seen, lost int) bool { return seen+lost >= count })
	s.do(func() {
		if lost == 0 || lost != dropped {
			t.Errorf("%d lost, %d reported as dropped", lost, dropped)
		}
	})
	if seen, lost := counts(other, "event", func(seen, lost int) bool { return seen+lost >= mostEntries }); seen != mostEntries {
		t.Errorf("the watcher saw %d and lost %d of %d", seen, lost, mostEntries)
	}
}

// Each watcher gets what its filter says, though all read from one ring.
func TestFilters(t *testing.T) {
	s := serveWith(t, obey, anyPlaces)
	filters := map[string][]int{
		`{}`: {0, 1, 2, 3}, `{"names":["door"]}`: {0, 3}, `{"names":["line/door"]}`: {0}, `{"names":["*o*", "x"]}`: {0, 1, 3},
		`{"sources":["gpio"]}`: {0, 1}, `{"sources":["gpio:d*"],"names":["door"]}`: {0}, `{"rules":["r?"]}`: {2}, `{"rules":["x"],"names":["door"]}`: {},
	}
	watchers := map[string]int{}
	for f := range filters {
		watchers[f] = watcher(t, s.path, f)
	}
	s.do(func() {
		for i, n := range []client.Notice{
			{Kind: "line", Name: "door", Source: "gpio:door"}, {Kind: "line", Name: "fox", Source: "gpio:fox"},
			{Kind: "key", Name: "KEY_A", Source: "input:e", Rule: "r1"}, {Kind: "var", Name: "door", Source: "var:door"},
		} {
			n.Count = uint64(i)
			s.Publish(&n, &n)
		}
	})
	for f, want := range filters {
		got := []int{}
		for range want {
			n, err := notice(watchers[f])
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(n.Count))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", f, got, want)
		}
		if err := unix.SetNonblock(watchers[f], true); err != nil {
			t.Fatal(err)
		}
		if n, err := notice(watchers[f]); err != unix.EAGAIN {
			t.Errorf("%s: also %+v, %v", f, n, err)
		}
	}
}

// Notices that fit into no packet are cut, and say so.
func TestLongNotices(t *testing.T) {
	s := serveWith(t, obey, anyPlaces)
	fd := watcher(t, s.path, "")
	many := map[string]any{}
	for i := range 2000 {
		many[fmt.Sprint("FIELD", i)] = "0123456789"
	}
	s.do(func() {
		for _, fields := range []map[string]any{{"A": strings.Repeat("ü", 50_000), "B": "short", "C": 7}, many} {
			n := &client.Notice{Type: "event", Fields: fields}
			s.Publish(n, n)
		}
	})
	n, err := notice(fd)
	if err != nil || len(n.Cut) != 1 || n.Cut[0] != "A" || n.Fields["B"] != "short" || n.Fields["A"] != strings.Repeat("ü", longestValue/2) {
		t.Errorf("%+v, %v", n, err)
	}
	if n, err = notice(fd); err != nil || n.Fields != nil || n.Cut[0] != "*" {
		t.Errorf("%+v, %v", n, err)
	}
}

// Clients that ask without end and read nothing neither fill the memory nor
// keep others from being answered.
func TestFloods(t *testing.T) {
	s := serveWith(t, obey, func(s *Server) { s.most, s.silence = maxClients, 300*time.Millisecond })
	const flooders = 12 // who want more than may be held
	stop := make(chan bool)
	ended := make(chan bool)
	for range flooders {
		fd := dial(t, s.path)
		go func() {
			defer func() { ended <- true }()
			for {
				packet := fmt.Appendf(nil, `{"version":1,"verb":"x","name":"%d"}`, 1<<20)
				if err := unix.Sendto(fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil); err != nil && err != unix.EAGAIN {
					return // sent away
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
	}
	for range 10 {
		if err := client.Call(s.path, client.Request{Verb: "x", Name: "10"}, nil, patience); err != nil {
			t.Error(err)
		}
		held := 0
		s.do(func() { held = s.held })
		if held > mostHeld+1<<20 {
			t.Error(held, "bytes are held for clients that do not read")
		}
	}
	close(stop)
	for range flooders {
		<-ended
	}
}

// Clients that die at any byte of a request, of an answer and of the stream.
func TestClientsThatDie(t *testing.T) {
	s := serveWith(t, obey, anyPlaces)
	before := descriptors(t)
	request := []byte(`{"version":1,"verb":"watch","arguments":{"names":["a"]}}`)
	for i := range len(request) + 1 {
		fd := dial(t, s.path)
		if _, err := unix.Write(fd, request[:i]); err != nil && i > 0 {
			t.Fatal(err)
		}
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	for parts := range 20 {
		fd := dial(t, s.path)
		ask(t, fd, client.Request{Verb: "x", Name: "150000"})
		for range parts {
			hear(t, fd)
		}
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	s.leavesNothing(t)
	if n := descriptors(t); n > before+len(request)+1+20 {
		t.Errorf("%d descriptors, %d before", n, before)
	}
	if err := client.Call(s.path, client.Request{Verb: "x"}, nil, patience); err != nil {
		t.Error(err)
	}
}

// A user with a role has a quarter of the places, and such users together have
// three quarters; root is not kept out.
func TestPlacesOfAUser(t *testing.T) {
	s := serveWith(t, obey, anyPlaces)
	peer := Peer{Uid: 54321}
	s.do(func() {
		s.policy = &Policy{grants: []*grant{{id: 54321, may: "read"}}}
		s.users[54321] = s.most/4 - 1
		for i, want := range []string{"", "user 54321 has 256 connections", "user 54321 has 1 connections, and others"} {
			if i == 2 {
				s.users[54321], s.others = 1, s.most*3/4
			}
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(pair[1])
			err = s.admit(pair[0], peer)
			if err != nil {
				unix.Close(pair[0])
			}
			if got := fmt.Sprint(err); i == 0 && err != nil || i > 0 && !strings.Contains(got, want) {
				t.Error(got)
			}
		}
		s.users[54321], s.others = 1, 1 // the one that was admitted
	})
	if err := client.Call(s.path, client.Request{Verb: "x"}, nil, patience); err != nil {
		t.Error(err)
	}
}

// BenchmarkLoop measures how long the loop takes from a descriptor that becomes
// ready to the call of its owner, who publishes a notice each time: without
// watchers, with a thousand that read, and with a thousand that stopped reading.
func BenchmarkLoop(b *testing.B) {
	for _, c := range []struct {
		name     string
		watchers int
		read     bool
	}{{"alone", 0, false}, {"1000 watchers", 1000, true}, {"1000 stopped watchers", 1000, false}} {
		b.Run(c.name, func(b *testing.B) { benchmarkLoop(b, c.watchers, c.read) })
	}
}

func benchmarkLoop(b *testing.B, watchers int, read bool) {
	s := serveWith(b, obey, anyPlaces)
	reader, err := loop.New()
	if err != nil {
		b.Fatal(err)
	}
	for range watchers {
		fd := watcher(b, s.path, "")
		if read {
			var buf [client.MaxPacket]byte
			_ = unix.SetNonblock(fd, true)
			if _, err := reader.Watch(fd, unix.EPOLLIN, func(uint32) { _, _ = unix.Read(fd, buf[:]) }); err != nil {
				b.Fatal(err)
			}
		}
	}
	go func() { _ = reader.Run(func() {}) }()
	defer reader.Stop()
	var there, back [2]int
	if err := unix.Pipe2(there[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		b.Fatal(err)
	}
	if err := unix.Pipe2(back[:], unix.O_CLOEXEC); err != nil {
		b.Fatal(err)
	}
	s.do(func() {
		n := &client.Notice{Type: "event", Kind: "line", Name: "door", State: "rising", Source: "gpio:door", Fields: map[string]any{"LINE": "door", "LEVEL": 1}}
		var buf [1]byte
		_, err = s.loop.Watch(there[0], unix.EPOLLIN, func(uint32) {
			_, _ = unix.Read(there[0], buf[:])
			_, _ = unix.Write(back[1], buf[:])
			s.Publish(n, n)
		})
	})
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	var one [1]byte
	pace := time.NewTicker(5 * time.Millisecond) // of what is measured: events, not a flood of them
	defer pace.Stop()
	for b.Loop() {
		<-pace.C
		at := time.Now()
		_, _ = unix.Write(there[1], one[:])
		_, _ = unix.Read(back[0], one[:])
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(0, "ns/op")
}
