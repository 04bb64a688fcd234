// SPDX-License-Identifier: MIT

// Where the log goes: standard error, the journal or syslog.

package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"reflexd/config"
	"reflexd/journal"
)

// logFormat is the form of the log's lines.
type logFormat struct {
	name     string // text, json, or recording
	prefixed bool   // with the priority that the journal reads
}

// logTargets are the values of --log-target.
var logTargets = []string{"auto", "stderr", "journal", "syslog"}

// openLog returns where the log goes, and in which form: with the target auto to the
// journal if that is what reads standard error, and else there.
func (c *command) openLog(target, format string) (io.Writer, logFormat, error) {
	text := logFormat{name: "text"}
	switch {
	case !slices.Contains(logTargets, target):
		return nil, text, fmt.Errorf("--log-target: expected auto, stderr, journal or syslog, found %q%s", target, config.Suggest(target, logTargets))
	case format != "text" && format != "json":
		return nil, text, fmt.Errorf("--log-format: expected text or json, found %q", format)
	case format == "json" && (target == "journal" || target == "syslog"):
		return nil, text, fmt.Errorf("--log-format json is for standard error; %s has its own form", target)
	case target == "journal":
		out, err := journal.OpenNative(journal.NativeSocket, c.stderr)
		return out, text, err
	case target == "syslog":
		return journal.OpenSyslog(journal.SyslogSocket, c.stderr), text, nil
	case target == "stderr" || !journal.IsStream(int(os.Stderr.Fd()), os.Getenv("JOURNAL_STREAM")):
		return c.stderr, logFormat{name: format}, nil
	}
	if format == "text" {
		if out, err := journal.OpenNative(journal.NativeSocket, c.stderr); err == nil {
			return out, text, nil
		}
	}
	return c.stderr, logFormat{format, true}, nil
}

// prefixer puts the priority in front of each line that is written. Its handler
// writes one at a time.
type prefixer struct {
	out  io.Writer
	line []byte
}

func (p *prefixer) Write(line []byte) (int, error) {
	p.line = journal.Prefixed(p.line[:0], line)
	_, err := p.out.Write(p.line)
	return len(line), err
}
