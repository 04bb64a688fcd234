// SPDX-License-Identifier: MIT

// The action send on a serial line.

package action

import (
	"time"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/sources"
)

// Files are the files that are open. The source of files has them.
type Files interface {
	// Send writes b to the serial line of that name, within timeout. done is
	// called once, perhaps before Send returns.
	Send(name string, b []byte, timeout time.Duration, done func(error))
}

// Lines are the files that a configuration declares.
type Lines interface {
	// CheckSend complains if rules cannot send to the file that r names.
	CheckSend(r sources.Ref, ps *config.Problems)
}

// sendLine is a send action whose file is a serial line.
type sendLine struct {
	name       string
	text, data *expand.Text // one of which is set
	timeout    time.Duration
}

// checkLine makes the action of one without `netlink`.
func (a *send) checkLine(c *Check) Action {
	l := &sendLine{text: a.text, data: a.data, timeout: a.timeout}
	switch {
	case a.file == nil:
		c.Problems.Errorf(a.whole, "send needs netlink: SOCKET, or file: NAME with a serial line of `files`")
		return l
	case a.file.HasFields():
		c.Problems.Errorf(a.file.Pos, "without `netlink`, file is the name of a serial line: it cannot contain fields")
	case (a.text == nil) == (a.data == nil):
		c.Problems.Errorf(a.file.Pos, "a serial line is sent text or data, one of the two")
	case a.to != nil || a.group != 0 || a.kind != unset || a.cmd != unset || a.version != 1 || len(a.flags) > 0 || a.ack:
		c.Problems.Errorf(a.file.Pos, "to, to_group, type, cmd, version, flags and ack go with `netlink`")
	case a.timeout == 0:
		c.Problems.Errorf(a.file.Pos, "timeout must be more than 0")
	default:
		l.name = a.file.String()
		c.Files.CheckSend(sources.Ref{Name: l.name, At: a.file.Pos}, c.Problems)
	}
	for _, t := range []*expand.Text{a.text, a.data} {
		if t != nil {
			c.Text(*t)
		}
	}
	a.file = nil
	a.checkLiterals(c)
	return l
}

// Describe implements Action.
func (l *sendLine) Describe(e *sources.Event) string {
	payload := l.text
	if payload == nil {
		payload = l.data
	}
	return "send to " + l.name + ": " + payload.Expand(e)
}

// Start implements Action.
func (l *sendLine) Start(r *Run) (Pending, error) {
	var b []byte
	if l.text != nil {
		b = []byte(l.text.Expand(r.Event))
	} else {
		var err error
		if b, err = bytesOf(l.data.Expand(r.Event)); err != nil {
			return nil, err
		}
	}
	return r.await(func(done func(error)) { r.Env.Files.Send(l.name, b, l.timeout, done) })
}
