// SPDX-License-Identifier: MIT

// The verbs get, set, pulse and blink: lines, variables and LEDs of the running
// agent.

package main

import (
	"fmt"
	"strings"
	"time"

	"reflexd/client"
	"reflexd/config"
)

// isOff is the exit code of get -q for what is off.
const isOff = 3

func getVerb(c *command) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.jsonFlag()
	quiet := c.quietFlag("print nothing: exit with 0 for on, 3 for off")
	return func(args []string) int {
		if len(args) != 1 {
			return c.usage("name one line, variable or LED, such as door, var/mode or led/ACT")
		}
		s, err := asked(*socket, func(a *client.Conn) (client.State, error) { return a.Get(args[0]) })
		switch {
		case err != nil:
			return c.fail(err)
		case *quiet:
			return c.onOrOff(&s)
		case *asJSON:
			return c.printJSON(s, done)
		}
		fmt.Fprintln(c.stdout, printable(s.State))
		return done
	}
}

// onOrOff returns the exit code that says whether s is on.
func (c *command) onOrOff(s *client.State) int {
	on, ok := s.On()
	switch {
	case !ok:
		return c.fail(fmt.Errorf("%s is %q, which is neither on nor off", s.Name, s.State))
	case on:
		return done
	}
	return isOff
}

func setVerb(c *command) func([]string) int {
	return c.order(func(a *client.Conn, name, to string) (client.State, error) { return a.Set(name, to) },
		2, "name what to set, and to what, such as `set lamp on`")
}

func pulseVerb(c *command) func([]string) int {
	var span time.Duration
	c.flags.Func("for", "how long, a `duration` such as 2s; required", func(s string) (err error) {
		span, err = config.ParseDuration(s)
		return err
	})
	to := c.flags.String("to", "on", "its `state` for that time, on or off; afterwards it is the opposite")
	act := c.order(func(a *client.Conn, name, _ string) (client.State, error) { return a.Pulse(name, span, *to) },
		1, "name one output line or LED")
	return func(args []string) int {
		if span <= 0 {
			return c.usage("--for is missing: how long, such as --for 2s")
		}
		return act(args)
	}
}

func blinkVerb(c *command) func([]string) int {
	keys := map[string]string{}
	for _, f := range []struct{ name, doc string }{
		{"every", "`duration` from one flash to the next"},
		{"duty", "how much of that time it is on, a `percentage`; default: 50%"},
		{"pattern", "instead of --every: `durations` on,off,on,off…, repeated"},
		{"times", "`number` of flashes or patterns; default: no end"},
	} {
		c.flags.Func(f.name, f.doc, func(s string) error {
			keys[f.name] = s
			return nil
		})
	}
	return c.order(func(a *client.Conn, name, _ string) (client.State, error) { return a.Blink(name, keys) },
		1, "name one output line or LED")
}

// order returns what runs a verb that changes something, and takes count
// arguments, the name first.
func (c *command) order(give func(a *client.Conn, name, to string) (client.State, error), count int, usage string) func([]string) int {
	socket := c.socketFlag()
	asJSON := c.jsonFlag()
	quiet := c.quietFlag("print nothing but errors")
	return func(args []string) int {
		if len(args) != count {
			return c.usage(usage)
		}
		args = append(args, "")
		s, err := asked(*socket, func(a *client.Conn) (client.State, error) { return give(a, args[0], args[1]) })
		switch {
		case err != nil:
			return c.fail(err)
		case *asJSON && !*quiet:
			return c.printJSON(s, done)
		}
		return done
	}
}

// asked connects to the agent and returns its answer to one question.
func asked[T any](socket string, question func(*client.Conn) (T, error)) (T, error) {
	c, err := client.Dial(socket)
	if err != nil {
		var none T
		return none, err
	}
	defer c.Close()
	return question(c)
}

func (c *command) jsonFlag() *bool { return c.flags.Bool("json", false, "print it as JSON") }

func (c *command) quietFlag(doc string) *bool { return c.flags.Bool("q", false, doc) }

// usage prints what is wrong with the arguments and returns the code for that.
func (c *command) usage(message string) int {
	fmt.Fprintf(c.stderr, "reflexd %s: %s\n", c.flags.Name(), strings.TrimSpace(message))
	return wrong
}
