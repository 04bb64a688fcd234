// SPDX-License-Identifier: MIT

// The broker: the only file that knows the MQTT library.

package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"

	"reflexd/client"
)

const (
	keepAlive      = 10 // seconds
	connectTimeout = 5 * time.Second
	publishTimeout = 10 * time.Second
	// mostPacket is the size of the largest packet that the broker may send.
	mostPacket = 64 << 10
	// longestPause is between two attempts to connect, give or take a fifth.
	longestPause = 8 * time.Second
	// shortest is how long a connection lasts that is none too short.
	shortest = 10 * time.Second
	// longestPauseShort is the longest pause if all connections were too short.
	longestPauseShort = time.Minute
)

// errLost is the end of a connection of which the broker has said nothing,
// errLostAgain that of one more that was short.
var (
	errLost      = errors.New("the connection is lost")
	errLostAgain = errors.New("the connection is lost again and again within seconds: perhaps another client has the same client id")
)

// received is a message from the broker.
type received struct {
	topic    string
	payload  []byte
	retained bool
}

// dialling is what a broker is connected with.
type dialling struct {
	settings *client.Bridge
	id       string // the client id
	will     string // topic of `offline`; "" for no last will
	up       func()
	down     func(error)
	message  func(received)
}

// broker is a connection that is made again whenever it is lost.
type broker struct {
	manager *autopaho.ConnectionManager
	largest atomic.Uint32 // the size of the largest packet that it accepts; 0 for any
}

func connect(ctx context.Context, d *dialling) (*broker, error) {
	server, err := address(d.settings.Broker)
	if err != nil {
		return nil, err
	}
	secure, err := tlsConfig(d.settings)
	if err != nil {
		return nil, err
	}
	if _, err := password(d.settings); err != nil {
		return nil, err
	}
	b := &broker{}
	b.manager, err = autopaho.NewConnection(ctx, d.config(server, secure, &b.largest))
	if err != nil {
		return nil, err
	}
	return b, nil
}

// config returns what the library is to do. It puts the size of the largest packet
// that the broker accepts into largest.
func (d *dialling) config(server *url.URL, secure *tls.Config, largest *atomic.Uint32) autopaho.ClientConfig {
	var back backoff
	expiry, packet := uint32(0), uint32(mostPacket)
	cfg := autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, TlsCfg: secure, KeepAlive: keepAlive, CleanStartOnInitialConnection: true,
		ConnectTimeout: connectTimeout, ReconnectBackoff: back.pause,
		OnConnectionUp: func(_ *autopaho.ConnectionManager, ack *paho.Connack) {
			back.begin(time.Now())
			if err := lacks(ack.Properties); err != nil {
				d.down(err)
				return
			}
			largest.Store(orZero(ack.Properties.MaximumPacketSize))
			d.up()
		},
		OnConnectionDown: func() bool {
			d.down(back.end(time.Now()))
			return true
		},
		OnConnectError: func(err error) { d.down(explain(err)) },
		ConnectPacketBuilder: func(c *paho.Connect, _ *url.URL) (_ *paho.Connect, err error) {
			// The password is read each time: somebody may have corrected it.
			c.Username, c.UsernameFlag = d.settings.User, d.settings.User != ""
			c.Password, err = password(d.settings)
			if c.PasswordFlag = c.Password != nil; err != nil {
				return nil, err
			}
			c.CleanStart = true
			c.Properties = &paho.ConnectProperties{SessionExpiryInterval: &expiry, MaximumPacketSize: &packet}
			return c, nil
		},
		ClientConfig: paho.ClientConfig{
			ClientID: d.id, PacketTimeout: publishTimeout,
			OnServerDisconnect: func(p *paho.Disconnect) { d.down(disconnection(p)) },
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
				d.message(received{topic: p.Packet.Topic, payload: p.Packet.Payload, retained: p.Packet.Retain})
				return true, nil
			}},
		},
	}
	if d.will != "" {
		cfg.WillMessage = &paho.WillMessage{Topic: d.will, Payload: []byte("offline"), QoS: 1, Retain: true}
	}
	return cfg
}

// backoff decides how long to wait before the next connection. Two clients with the
// same id throw each other out, and not every broker says so: after connections that
// were short it waits longer. The connection manager uses it from one goroutine.
type backoff struct {
	begun time.Time
	short int // how many connections in a row were
}

func (b *backoff) begin(now time.Time) { b.begun = now }

// end notes that the connection is lost, and returns what there is to say of it.
func (b *backoff) end(now time.Time) error {
	if now.Sub(b.begun) >= shortest {
		b.short = 0
		return errLost
	}
	if b.short++; b.short < 3 {
		return errLost
	}
	return errLostAgain
}

// pause is how long to wait before an attempt since the connection was lost. Boards
// that lost the same broker do not come back all at once.
func (b *backoff) pause(attempt int) time.Duration {
	d := longestPause
	switch {
	case b.short > 1 && attempt == 0:
		d = min(longestPauseShort, time.Second<<min(b.short-2, 10))
	case attempt == 0:
		return time.Duration(rand.Int64N(int64(300 * time.Millisecond)))
	case attempt < 4:
		d = time.Second << (attempt - 1)
	}
	return d*4/5 + time.Duration(rand.Int64N(int64(d*2/5)))
}

// address returns the URL of a broker, with its port.
func address(broker string) (*url.URL, error) {
	u, err := url.Parse(broker)
	if err != nil {
		return nil, fmt.Errorf("the address of the broker: %w", err)
	}
	if u.Port() == "" {
		port := "1883"
		if u.Scheme == "mqtts" {
			port = "8883"
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

func tlsConfig(s *client.Bridge) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", s.CAFile)
		}
	}
	if s.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// password reads the password: from its file, or from the credential that
// systemd passes.
func password(s *client.Bridge) ([]byte, error) {
	path := s.PasswordFile
	if path == "" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" || s.User == "" {
			return nil, nil
		}
		path = filepath.Join(dir, "mqtt-password")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("password_file: %w", err)
	}
	return []byte(strings.TrimRight(string(text), "\r\n")), nil
}

// explain returns why there is no connection, in words for people.
func explain(err error) error {
	var refused *autopaho.ConnackError
	var certificate x509.CertificateInvalidError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("the broker refuses the connection: %s", reason(refused.ReasonCode, refused.Reason))
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired && time.Now().Before(certificate.Cert.NotBefore):
		return fmt.Errorf("the clock is not set: it shows %s, and the broker's certificate is valid from %s",
			time.Now().Format(time.DateOnly), certificate.Cert.NotBefore.Format(time.DateOnly))
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// lacks returns what the bridge needs and the broker does not offer.
func lacks(p *paho.ConnackProperties) error {
	switch {
	case !p.RetainAvailable:
		return errors.New(reason(0x9a, ""))
	case p.MaximumQoS != nil && *p.MaximumQoS == 0:
		return errors.New(reason(0x9b, ""))
	}
	return nil
}

func orZero(n *uint32) uint32 {
	if n == nil {
		return 0
	}
	return *n
}

func disconnection(p *paho.Disconnect) error {
	why := ""
	if p.Properties != nil {
		why = p.Properties.ReasonString
	}
	return fmt.Errorf("the broker ends the connection: %s", reason(p.ReasonCode, why))
}

// reason returns the words for a reason code of MQTT 5.
func reason(code byte, more string) string {
	words := map[byte]string{0x84: "it does not speak MQTT 5", 0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
		0x88: "server unavailable", 0x89: "server busy", 0x8a: "banned", 0x8b: "server shutting down", 0x8d: "keep alive timeout",
		0x8e: "another client uses the same client id", 0x90: "topic name invalid", 0x95: "packet too large", 0x97: "quota exceeded", 0x99: "payload format invalid",
		0x9a: "it keeps no retained messages, which the bridge needs", 0x9b: "it does not accept QoS 1, which the bridge needs"}
	s, ok := words[code]
	if !ok {
		s = fmt.Sprintf("reason code 0x%02x", code)
	}
	if more != "" {
		s += " (" + more + ")"
	}
	return s
}

// refusal is the broker's refusal of one message or subscription: no use to try it
// again.
type refusal struct{ error }

// mostOverhead is how many bytes a packet has at most beside topic and payload.
const mostOverhead = 16

// publish returns when the broker has the message. A message that is larger than the
// broker accepts would end the connection.
func (b *broker) publish(ctx context.Context, it *item) error {
	if most := int(b.largest.Load()); most > 0 && len(it.topic)+len(it.payload)+mostOverhead > most {
		return refusal{fmt.Errorf("packet too large: the broker accepts at most %d bytes", most)}
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	p := &paho.Publish{Topic: it.topic, Payload: []byte(it.payload), QoS: 1, Retain: it.retain}
	if it.expire > 0 {
		seconds := uint32(max(1, it.expire/time.Second))
		p.Properties = &paho.PublishProperties{MessageExpiry: &seconds}
	}
	r, err := b.manager.Publish(ctx, p)
	if r != nil && r.ReasonCode >= 0x80 {
		return refusal{errors.New(reason(r.ReasonCode, ""))}
	}
	return err
}

// subscribe subscribes to a filter; retained says that what the broker has kept is
// wanted, too.
func (b *broker) subscribe(ctx context.Context, filter string, retained bool) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	options := paho.SubscribeOptions{Topic: filter, QoS: 1, NoLocal: true, RetainHandling: 2}
	if retained {
		options.RetainHandling = 0
	}
	r, err := b.manager.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{options}})
	switch {
	case r != nil && len(r.Reasons) > 0 && r.Reasons[0] >= 0x80:
		return refusal{errors.New(reason(r.Reasons[0], ""))}
	case err != nil:
		return fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	return nil
}

// close ends the connection without the last will.
func (b *broker) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = b.manager.Disconnect(ctx)
}
