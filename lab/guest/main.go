// SPDX-License-Identifier: MIT

// Guest is process 1 of an emulated board: it mounts what a system has mounted, loads the kernel modules it was given
// to, and then serves the host's requests for as long as the board runs. Where the board has a system of its own, it
// makes that process 1 instead, which starts it again to serve: "guest serve".
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"reflexd/lab/wire"
)

func main() {
	err := run(len(os.Args) > 1 && os.Args[1] == "serve")
	// The end of process 1 is a kernel panic, which ends the board (panic=-1): the host sees the console's last words.
	fmt.Fprintf(os.Stderr, "lab: %v\n", err)
	os.Exit(1)
}

func run(serve bool) error {
	path := wire.SetupPath
	if serve {
		path = wire.ServerSetupPath
	}
	setup, err := readSetup(path)
	if err != nil {
		return err
	}
	programs := newProcesses()
	if !serve {
		if err := bringUp(setup, programs); err != nil {
			return err
		}
		if setup.Root != "" {
			return switchRoot(setup.Root)
		}
	}
	note("up; opening %s", setup.Port)
	port, err := openPort(setup.Port)
	if err != nil {
		return err
	}
	note("serving %s", port.Name())
	s := newServer(port, programs)
	if err := s.w.Write(wire.Reply{Hello: hello()}); err != nil {
		return err
	}
	return s.serve()
}

func readSetup(path string) (wire.Setup, error) {
	var setup wire.Setup
	text, err := os.ReadFile(path)
	if err != nil {
		return setup, err
	}
	if err := json.Unmarshal(text, &setup); err != nil {
		return setup, fmt.Errorf("%s: %w", path, err)
	}
	return setup, nil
}

// bringUp makes of the bare initial file system a place where programs feel at home.
func bringUp(setup wire.Setup, programs *processes) error {
	for name, value := range environment {
		os.Setenv(name, value)
	}
	if err := mountAll(early); err != nil {
		return err
	}
	if err := loadModules(setup.Modules); err != nil {
		return err
	}
	if err := mountAll(late); err != nil {
		return err
	}
	if err := installApplets(programs); err != nil {
		return err
	}
	return errors.Join(raiseLoopback(), unix.Sethostname([]byte("board")))
}

// environment is what every program of the guest starts with.
var environment = map[string]string{
	"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME": "/root",
	"TERM": "linux",
}

// note leaves a line in the kernel's log: with loglevel=7 on the command line, the console shows how far a boot came.
func note(format string, args ...any) {
	_ = os.WriteFile("/dev/kmsg", fmt.Appendf(nil, "<6>lab: "+format, args...), 0)
}
