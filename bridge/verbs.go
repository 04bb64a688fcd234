// SPDX-License-Identifier: MIT

// Verbs: what people ask besides run.

package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"reflexd/client"
)

// settings asks the agent for the settings. That of the bridge is not taken, so
// it works beside a running one.
func settings(opts *Options) (*session, error) {
	c, err := client.Dial(opts.Socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	b, err := c.BridgeSettings()
	if err != nil {
		return nil, err
	}
	s, err := newSession(opts, b)
	if err != nil {
		return nil, err
	}
	sum, err := c.Summary()
	s.device.Version = sum.Version
	return s, err
}

// checkTime is how long Check waits for the broker.
const checkTime = 10 * time.Second

// Check connects to the broker once, as another client than the running bridge,
// and returns why that fails.
func Check(ctx context.Context, opts Options, out io.Writer) error {
	s, err := settings(&opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	came := make(chan error, 16)
	report := func(err error) {
		select {
		case came <- err:
		default:
		}
	}
	b, err := connect(ctx, &dialling{settings: s.settings, id: s.device.ID + "-check",
		up: func() { report(nil) }, down: report, message: func(received) {}})
	if err != nil {
		return err
	}
	select {
	case err = <-came:
	case <-ctx.Done():
		err = fmt.Errorf("%s does not answer within %v", s.settings.Broker, checkTime)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.settings.Broker, err)
	}
	b.close()
	_, err = fmt.Fprintf(out, "%s: connected; topic %s, client id %s, %d exposed\n", s.settings.Broker, s.device.Base, s.device.ID, len(s.device.Expose))
	return err
}

// Discovery prints what Home Assistant is told about the board, and where.
func Discovery(opts Options, out io.Writer) error {
	s, err := settings(&opts)
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
