// SPDX-License-Identifier: MIT

// The agents of a fleet: control sockets that answer a bridge, and send it what they
// are told to.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"reflexd/client"
)

// sites are the boards of a fleet.
type sites struct {
	all      []*site
	changes  chan change // of the connections of bridges to the broker
	commands chan struct{}
}

// change is what a bridge reports of the broker.
type change struct {
	connected bool
	at        time.Time
}

// site is one board. Its folder has its socket and the serial number.
type site struct {
	sites    *sites
	listener *net.UnixListener
	settings client.Bridge

	mu     sync.Mutex
	stream net.Conn // nil while there is no bridge
}

// newSites makes n boards in folders below dir.
func newSites(dir, broker string, n int) (*sites, error) {
	s := &sites{changes: make(chan change, 10*n), commands: make(chan struct{}, 100*n)}
	for i := range n {
		site, err := s.newSite(filepath.Join(dir, strconv.Itoa(i)), fmt.Sprint("fleet/", i), fmt.Sprintf("fleet%06d", i+1), broker)
		if err != nil {
			s.close()
			return nil, err
		}
		s.all = append(s.all, site)
	}
	return s, nil
}

func (s *sites) newSite(dir, topic, serial, broker string) (*site, error) {
	tree := filepath.Join(dir, "sys/firmware/devicetree/base")
	if err := os.MkdirAll(tree, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(tree, "serial-number"), []byte(serial), 0o600); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	it := &site{sites: s, listener: l, settings: client.Bridge{Version: client.Version, Broker: broker, Topic: topic, Queue: 1000,
		HomeAssistant: &client.HomeAssistant{Prefix: "homeassistant"},
		Subscribe:     []client.Subscription{{Filter: "play/+"}},
		Expose: []client.Exposed{
			{Kind: "line", Name: "bell", As: "event", Events: []string{"pressed", "released", "clicked"}},
			{Kind: "line", Name: "door", As: "binary_sensor", Class: "door"},
			{Kind: "line", Name: "lamp", As: "light", Settable: true},
			{Kind: "sensor", Name: "cpu", As: "sensor", Unit: "°C"},
			{Kind: "var", Name: "mode", As: "select", Settable: true, Values: []string{"day", "night"}},
		}}}
	go it.serve()
	return it, nil
}

func (s *sites) close() {
	for _, site := range s.all {
		site.listener.Close()
		site.attach(nil)
	}
}

// serve takes connections until the listener is closed.
func (s *site) serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.answerAll(c)
	}
}

func (s *site) answerAll(c net.Conn) {
	defer c.Close()
	b := make([]byte, client.MaxRequest)
	for {
		n, err := c.Read(b)
		if err != nil || n == 0 {
			return
		}
		var r client.Request
		if json.Unmarshal(b[:n], &r) != nil {
			return
		}
		text, _ := json.Marshal(client.Answer{Result: s.answer(c, &r)})
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

// answer returns the result of a request.
func (s *site) answer(c net.Conn, r *client.Request) json.RawMessage {
	var result any
	switch r.Verb {
	case "bridge":
		result = s.settings
		s.attach(c)
	case "summary":
		result = client.Summary{Version: "bench", Uptime: 1, Rules: map[string]int{"chime": 1, "play": 2, "away": 0}}
	case "set":
		s.sites.commands <- struct{}{}
		fallthrough
	case "get":
		result = client.State{Version: client.Version, Kind: "line", Name: "lamp", State: "on"}
	case "broker":
		s.sites.changes <- change{r.Name == "connected", time.Now()}
	}
	if result == nil {
		return nil
	}
	text, _ := json.Marshal(result)
	return text
}

func (s *site) attach(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.Close()
	}
	s.stream = c
}

// sendEvents sends the bridge presses of the bell.
func (s *site) sendEvents(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		text, _ := json.Marshal(client.Notice{Type: "event", Kind: "line", Name: "bell", State: "clicked", Fields: map[string]any{"clicks": 1}})
		if s.stream == nil {
			return
		}
		if _, err := s.stream.Write(text); err != nil {
			return
		}
	}
}

// awaitConnected waits until all bridges are connected to the broker, and returns
// how many seconds since begun each took.
func (s *sites) awaitConnected(ctx context.Context, begun time.Time) (took samples, err error) {
	late := time.After(fleetPatience)
	for len(took) < len(s.all) {
		select {
		case c := <-s.changes:
			if c.connected {
				took = append(took, c.at.Sub(begun).Seconds())
			}
		case <-late:
			return nil, fmt.Errorf("%d of %d bridges are connected", len(took), len(s.all))
		case <-ctx.Done():
			return nil, errors.New("interrupted")
		}
	}
	return took, nil
}

// awaitDisconnected waits until all bridges have noticed that the broker is gone.
func (s *sites) awaitDisconnected() {
	late := time.After(fleetPatience)
	for range s.all {
		select {
		case <-s.changes:
		case <-late:
			return
		}
	}
}
