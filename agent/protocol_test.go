// SPDX-License-Identifier: MIT

// The page of the protocol: its examples are what happens.

package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/agent/rule"
	"reflexd/client"
	"reflexd/journal/logtest"
	"reflexd/lab/image"
)

const protocolPage = "../docs/reference/control.md"

var (
	fenced = regexp.MustCompile("(?ms)^```([a-z]*)( [a-z]+)?\n(.*?)^```$")
	// passing is what differs each time, and what the page has instead.
	passing = []struct {
		what *regexp.Regexp
		page string
	}{
		{regexp.MustCompile(`"pid":\d+`), `"pid":412`},
		{regexp.MustCompile(`"version":"test"`), `"version":"1.0"`},
		{regexp.MustCompile(`"(uptime|read)":[\d.e-]+`), `"$1":61.5`},
		{regexp.MustCompile(`"(events|wakeups)":\d+`), `"$1":97`},
		{regexp.MustCompile(`"reloads":\d+`), `"reloads":0`},
		{regexp.MustCompile(`"(ns|memory)":\d+`), `"$1":8000000`},
		{regexp.MustCompile(`"counts":\[[\d,]+\]`), `"counts":[1,0,0,0,0,0,0]`},
		{regexp.MustCompile(`"detail":"nice [^"]*"`), `"detail":"nice -10"`},
		{regexp.MustCompile(`"(time|of)":[\d.]+`), `"$1":7211.042913518`},
		{regexp.MustCompile(`"(ago|for)":[\d.]+`), `"$1":3.500000000`},
		{regexp.MustCompile(`"(last_fired|since)":"[^"]*"`), `"$1":"2026-03-01T12:00:00Z"`},
		{regexp.MustCompile(`, unchanged in a dry run`), ``},
		{regexp.MustCompile(`"(set_by|detail)":"(set by )?uid \d+"`), `"$1":"${2}uid 0"`},
	}
)

// fixed returns an answer as the page has it.
func (r *rig) fixed(packet string) string {
	for _, p := range passing {
		packet = p.what.ReplaceAllString(packet, p.page)
	}
	return strings.ReplaceAll(packet, r.dir, "/etc/reflexd")
}

// TestProtocolPage sends what the examples send, and compares what comes back.
// With -update it writes that to the page.
func TestProtocolPage(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	var r *rig
	blocks := 0
	fresh := fenced.ReplaceAllStringFunc(string(page), func(block string) string {
		m := fenced.FindStringSubmatch(block)
		switch {
		case m[1] == "yaml":
			r = start(t, m[3], withOutputs(t, "ACT"))
			r.public()
			r.runRules()
		case m[1] == "control" && m[2] == " denied" && os.Getuid() != 0:
			return block // only root can be somebody else
		case m[1] == "control" && m[2] == " denied":
			as(t, 54321, 54321, nil, func() { block = r.converse(block) })
			blocks++
		case m[1] == "control":
			block = r.converse(block)
			blocks++
		}
		return block
	})
	if fresh == string(page) {
		if blocks < 10 {
			t.Error("only", blocks, "examples")
		}
		return
	}
	if *update {
		if err := os.WriteFile(protocolPage, []byte(fresh), 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	was, is := strings.Split(string(page), "\n"), strings.Split(fresh, "\n")
	for i := range is {
		if i >= len(was) || is[i] != was[i] {
			t.Fatalf("%s:%d is not what the agent does (`go test ./agent -run TestProtocolPage -update` writes it); it does\n%s", protocolPage, i+1, is[i])
		}
	}
}

// runRules has the rules of a dry run do something.
func (r *rig) runRules() {
	r.do(func() {
		a := r.agent
		a.runner = rule.NewRunner(a.env, &rule.World{}, false)
		a.runner.Observe = a.outcome
		a.runner.Adopt(a.index)
	})
}

// converse carries out the requests of a block and returns it with the
// answers.
func (r *rig) converse(block string) string {
	fd := r.connect()
	defer unix.Close(fd)
	var out []string
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "< ") {
			continue
		}
		out = append(out, line)
		if request, ok := strings.CutPrefix(line, ">> "); ok {
			other := r.connect()
			r.exchange(other, request)
			unix.Close(other)
			for range 2 {
				out = append(out, "< "+r.fixed(r.receive(fd)))
			}
		} else if request, ok := strings.CutPrefix(line, "> "); ok {
			out = append(out, "< "+r.fixed(r.exchange(fd, request)))
		}
	}
	return strings.Join(out, "\n")
}

func (r *rig) connect() int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: r.agent.opts.Socket})
	}
	if err != nil {
		r.t.Error(err)
	}
	return fd
}

func (r *rig) exchange(fd int, request string) string {
	if _, err := unix.Write(fd, []byte(request)); err != nil {
		r.t.Error(err)
	}
	return r.receive(fd)
}

func (r *rig) receive(fd int) string {
	var buf [client.MaxPacket]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			r.t.Error(err)
			return ""
		}
		return string(buf[:n])
	}
}

// The five lines of Python on the page receive what the agent sends.
func TestPythonOfThePage(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	var script string
	for _, m := range fenced.FindAllStringSubmatch(string(page), -1) {
		if m[1] == "python" {
			script = m[3]
		}
	}
	r := start(t, "rules: [{when: {event: bell}, do: {log: ding}}]\n")
	file := filepath.Join(r.dir, "watch.py")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := image.Command(t.Context(), "python3", file, r.agent.opts.Socket)
	out := logtest.New()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, ok := out.Await(patience, "{'type': 'watching', 'version': 1}"); !ok {
		t.Fatal("python printed:", out)
	}
	r.send("bell")
	for _, want := range []string{"'type': 'event'", "'outcome': 'fired'"} {
		if _, ok := out.Await(patience, want, "'name': 'bell'"); !ok {
			t.Fatal("python printed:", out)
		}
	}
}
