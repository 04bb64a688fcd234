// SPDX-License-Identifier: MIT

// The examples talk to a real agent.

package client_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"reflexd/agent"
	"reflexd/client"
)

const configuration = `
lines: {lamp: {output: GPIO5}}
vars: {mode: {values: [day, night]}}
rules:
  - {name: doorbell, when: {event: bell}, do: {log: ding}}
`

// socket is the agent's; programs leave Dial's argument empty.
var socket string

func TestMain(m *testing.M) {
	code, err := withAgent(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withAgent calls run while an agent runs, in a dry run since there is no GPIO
// chip.
func withAgent(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "reflexd.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		return 0, err
	}
	c, ps, err := agent.Load([]string{file})
	if err != nil || ps.Failed() {
		return 0, errors.Join(err, ps)
	}
	socket = filepath.Join(dir, "socket")
	ready := make(chan bool)
	a, err := agent.New(c, agent.Options{Log: slog.New(slog.DiscardHandler), Version: "test", Socket: socket, DryRun: true, Ready: func() { close(ready) }})
	if err != nil {
		return 0, err
	}
	ended := make(chan error)
	go func() { ended <- a.Run() }()
	<-ready
	code = run()
	a.Stop()
	return code, <-ended
}

func Example() {
	c, err := client.Dial(socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	lamp, err := c.Set("lamp", "on")
	fmt.Println(lamp.State, err)
	_, err = c.Set("lamp", "dim")
	fmt.Println(err)
	// Output:
	// on <nil>
	// set: expected on, off or toggle, found "dim"
}

func ExampleConn_Get() {
	c, err := client.Dial(socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	mode, err := c.Get("var/mode")
	fmt.Println(mode.Kind, mode.Name, mode.State, err)
	// Output: var mode day <nil>
}

func ExampleConn_Blink() {
	c, err := client.Dial(socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	lamp, err := c.Blink("lamp", map[string]string{"every": "200ms", "times": "3"})
	fmt.Println(lamp.Playing, err)
	// Output: blinks: 100ms on, 100ms off, 3 times <nil>
}

func ExampleConn_Watch() {
	w, err := client.Dial(socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	if err := w.Watch(client.Filter{Names: []string{"mode"}}); err != nil {
		fmt.Println(err)
		return
	}
	c, err := client.Dial(socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Set("mode", "night"); err != nil {
		fmt.Println(err)
	}
	n, err := w.Next()
	fmt.Println(n.Type, n.Kind, n.Name, n.Fields["PREVIOUS"], "to", n.Fields["VALUE"], err)
	// Output: event var mode day to night <nil>
}

// A program that another one closes the connection of learns it, and so does one
// that waits for an agent that is not there.
func TestErrors(t *testing.T) {
	c, err := client.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Watch(client.Filter{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := c.Next()
		ended <- err
	}()
	c.Close()
	if err := <-ended; err == nil {
		t.Error("Next goes on after Close")
	}
	if _, err := client.Dial(socket + "x"); err == nil {
		t.Error("no agent was found")
	}
}
