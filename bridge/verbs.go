// SPDX-License-Identifier: MIT

// Verbs: what people ask besides run.

package bridge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"reflexd/client"
)

// ask asks the agent for the settings and its summary. That of the bridge is not
// taken, so it works beside a running one.
func ask(opts *Options) (*session, *client.Summary, error) {
	c, err := client.Dial(opts.Socket)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	b, err := c.BridgeSettings()
	if err != nil {
		return nil, nil, err
	}
	s, err := newSession(opts, b)
	if err != nil {
		return nil, nil, err
	}
	sum, err := c.Summary()
	s.device.Version = sum.Version
	return s, &sum, err
}

// checkTime is how long Check and Status wait for the broker.
const checkTime = 10 * time.Second

// beside connects to the broker once, as another client than the running bridge,
// with its client id and suffix. It returns why that fails.
func (s *session) beside(ctx context.Context, suffix string, message func(received)) (*broker, error) {
	came := make(chan error, 16)
	report := func(err error) {
		select {
		case came <- err:
		default:
		}
	}
	b, err := connect(ctx, &dialling{settings: s.settings, id: s.device.ID + suffix, up: func() { report(nil) }, down: report, message: message})
	if err != nil {
		return nil, err
	}
	select {
	case err = <-came:
	case <-ctx.Done():
		err = fmt.Errorf("no answer within %v", checkTime)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.settings.Broker, err)
	}
	return b, nil
}

// Check connects to the broker once, as another client than the running bridge,
// and returns why that fails.
func Check(ctx context.Context, opts Options, out io.Writer) error {
	s, _, err := ask(&opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	b, err := s.beside(ctx, "-check", func(received) {})
	if err != nil {
		return err
	}
	b.close()
	_, err = fmt.Fprintf(out, "%s: connected; topic %s, client id %s, %d exposed\n", s.settings.Broker, s.device.Base, s.device.ID, len(s.device.Expose))
	return err
}

// Status prints whether the running bridge is connected to the broker, as it told
// the agent, and then what the broker has retained. The error says why it is not
// connected, or that the broker has something else.
func Status(ctx context.Context, opts Options, out io.Writer) (err error) {
	s, sum, err := ask(&opts)
	if err != nil {
		return err
	}
	exposed := make([]string, len(s.device.Expose))
	for i, x := range s.device.Expose {
		exposed[i] = x.Kind + "/" + x.Name
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	defer func() { err = errors.Join(err, w.Flush()) }()
	fmt.Fprintf(w, "broker\t%s, %s\ntopic\t%s\nclient id\t%s\nexposed\t%s\nagent\t%s, up %v\n", s.settings.Broker, sum.Broker, s.device.Base, s.device.ID,
		cmp.Or(strings.Join(exposed, " "), "nothing"), sum.Version, time.Duration(sum.Uptime)*time.Second)
	if sum.Broker != "connected" {
		return fmt.Errorf("disconnected: %s", sum.Reason)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	is, counts, err := s.kept(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "availability\t%s\nlost\t%d messages to the broker, %d from it\n", is, counts.Unsent, counts.Dropped)
	if is != "online" {
		return fmt.Errorf("the broker has %q under %s: is another client writing to that topic?", is, s.availability())
	}
	return nil
}

// counts are those of the status that no agent knows.
type counts struct{ Unsent, Dropped int }

// kept returns what the broker has retained: the availability, and the counts of the status.
func (s *session) kept(ctx context.Context) (is string, lost counts, err error) {
	came := make(chan received, 16)
	b, err := s.beside(ctx, "-status", func(r received) {
		select {
		case came <- r:
		default: // more than was subscribed to
		}
	})
	if err != nil {
		return "", lost, err
	}
	defer b.close()
	wanted := []string{s.availability(), s.device.Base + "/status"}
	for _, topic := range wanted {
		if err := b.subscribe(ctx, topic, true); err != nil {
			return "", lost, err
		}
	}
	for missing := len(wanted); missing > 0; {
		select {
		case r := <-came:
			switch {
			case !r.retained: // it is published at this moment
				continue
			case r.topic == wanted[0]:
				is = string(r.payload)
			default:
				if err := json.Unmarshal(r.payload, &lost); err != nil {
					return "", lost, fmt.Errorf("the broker has a status under %s that is not the bridge's: %w", wanted[1], err)
				}
			}
			missing--
		case <-ctx.Done():
			return "", lost, fmt.Errorf("%s: no retained message for both %s and %s", s.settings.Broker, wanted[0], wanted[1])
		}
	}
	return is, lost, nil
}

// Discovery prints what Home Assistant is told about the board, and where.
func Discovery(opts Options, out io.Writer) error {
	s, _, err := ask(&opts)
	if err != nil {
		return err
	}
	if s.settings.HomeAssistant == nil {
		s.device.HA.Prefix = s.device.ha()
		fmt.Fprintln(out, "# homeassistant is off: this is not published")
	}
	payload, err := s.device.Payload()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, payload, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "# %s\n%s\n", s.device.Topic(), text.String())
	return err
}
