// SPDX-License-Identifier: MIT

// Package mqtt has Debian's mosquitto on the loopback, and a client that receives all
// of its messages, for tests and benchmarks.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	"golang.org/x/sys/unix"

	"reflexd/journal/logtest"
	"reflexd/lab/image"
)

// Broker is a mosquitto. Its methods are for one goroutine.
type Broker struct {
	Port int // on the loopback

	conf string
	cmd  *exec.Cmd
}

// patience bounds a failure and measures nothing.
const patience = 30 * time.Second

// Anonymous is the configuration of a broker that takes everybody.
const Anonymous = "allow_anonymous true"

// Start starts a broker on a free port, with the lines conf in its configuration,
// which it has in the folder dir. It ends with the calling process, or by Kill.
func Start(dir, conf string) (*Broker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Broker{Port: l.Addr().(*net.TCPAddr).Port, conf: filepath.Join(dir, "mosquitto.conf")}
	l.Close()
	text := fmt.Sprintf("listener %d 127.0.0.1\npersistence false\nlog_dest stderr\nlog_type information\nuser root\n%s\n", b.Port, conf)
	if err := os.WriteFile(b.conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return b, b.Again()
}

// Again starts a broker that was killed, on the same port.
func (b *Broker) Again() error {
	b.cmd = image.Command(context.Background(), "mosquitto", "-c", b.conf)
	log := logtest.New()
	b.cmd.Stderr = log
	if err := b.cmd.Start(); err != nil {
		return err
	}
	if _, ok := log.Await(patience, "running"); !ok {
		b.Kill()
		return fmt.Errorf("mosquitto does not run within %v: %s", patience, log)
	}
	return nil
}

// Kill ends the broker at once.
func (b *Broker) Kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// Signal sends a signal: SIGSTOP freezes the broker.
func (b *Broker) Signal(s unix.Signal) error { return b.cmd.Process.Signal(s) }

// Pid is the process of the broker.
func (b *Broker) Pid() int { return b.cmd.Process.Pid }

// Message is a message that a Client has received.
type Message struct {
	Topic, Payload string
	Retained       bool
	At             time.Time
}

// String returns "TOPIC PAYLOAD", with " r" if the broker had kept the message.
func (m Message) String() string {
	s := m.Topic + " " + m.Payload
	if m.Retained {
		s += " r"
	}
	return s
}

// Client is connected to a broker, again whenever that comes back, and subscribed to
// all topics.
type Client struct {
	Messages chan Message // nothing is lost: whoever has a Client must read

	manager *autopaho.ConnectionManager
}

// room is how many messages wait for the reader of a Client.
const room = 50_000

// Connect returns a client of a broker on the loopback, which ends with ctx.
func Connect(ctx context.Context, port int) (*Client, error) {
	c := &Client{Messages: make(chan Message, room)}
	subscribed := make(chan error, 1)
	cfg := autopaho.ClientConfig{
		ServerUrls: []*url.URL{{Scheme: "mqtt", Host: fmt.Sprint("127.0.0.1:", port)}}, KeepAlive: 20,
		ReconnectBackoff: func(int) time.Duration { return 50 * time.Millisecond },
		OnConnectionUp: func(m *autopaho.ConnectionManager, _ *paho.Connack) {
			go func() {
				_, err := m.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "#", QoS: 1}}})
				select {
				case subscribed <- err:
				default:
				}
			}()
		},
		ClientConfig: paho.ClientConfig{ClientID: fmt.Sprintf("observer-%p", c), OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			select {
			case c.Messages <- Message{p.Packet.Topic, string(p.Packet.Payload), p.Packet.Retain, time.Now()}:
			case <-ctx.Done():
			}
			return true, nil
		}}},
	}
	var err error
	if c.manager, err = autopaho.NewConnection(ctx, cfg); err != nil {
		return nil, err
	}
	select {
	case err = <-subscribed:
	case <-time.After(patience):
		err = errors.New("mosquitto does not answer")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return c, err
}

// Publish returns when the broker has the message.
func (c *Client) Publish(ctx context.Context, topic, payload string, retain bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := c.manager.Publish(ctx, &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: retain}); err != nil {
		return fmt.Errorf("publish %q: %w", topic, err)
	}
	return nil
}

// Await returns the first message that is meant; patience is how long it may take.
func (c *Client) Await(patience time.Duration, meant func(Message) bool) (Message, error) {
	late := time.After(patience)
	var seen []Message
	for {
		select {
		case m := <-c.Messages:
			if meant(m) {
				return m, nil
			}
			seen = append(seen, m)
		case <-late:
			return Message{}, fmt.Errorf("within %v there was no such message, but %.2000q", patience, seen)
		}
	}
}
