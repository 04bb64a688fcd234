// SPDX-License-Identifier: MIT

// The action source: sockets and files that are closed and opened, so that the
// module behind them can be unloaded.

package action

import (
	"reflexd/config"
	"reflexd/sources"
)

var sourceKind = Kind{
	Key:   "source",
	Doc:   "close a file or socket, which releases the module behind it, or open it again",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &source{}
		name := func(p *string) config.Value { return config.Word(p, "the name of a file or socket") }
		return config.Whole(&a.whole, config.At(&a.pos, config.Object(
			config.Field{Name: "close", Doc: "the name of an entry of `files` or `netlink`", Value: config.At(&a.pos, name(&a.close))},
			config.Field{Name: "open", Doc: "likewise; reflexd waits for it if it is missing", Value: config.At(&a.pos, name(&a.open))},
		))), a.check
	},
}

type source struct {
	pos         config.Pos
	whole       bool // it was read without complaint
	close, open string
}

func (a *source) name() string {
	if a.close != "" {
		return a.close
	}
	return a.open
}

func (a *source) check(c *Check) Action {
	known := 0
	for _, name := range c.Switchable {
		if name == a.name() {
			known++
		}
	}
	switch {
	case !a.whole:
	case (a.close == "") == (a.open == ""):
		c.Problems.Errorf(a.pos, "expected either {close: NAME} or {open: NAME}")
	case known == 0:
		c.Problems.Errorf(a.pos, "no file or socket is called %q%s", a.name(), config.Unknown(a.name(), func() []string { return c.Switchable }, "files: {"+a.name()+": {path: …}} or netlink: {"+a.name()+": {protocol: …}}"))
	case known > 1:
		c.Problems.Errorf(a.pos, "both a file and a socket are called %q: rename one", a.name())
	}
	return a
}

// Describe implements Action.
func (a *source) Describe(*sources.Event) string {
	if a.close != "" {
		return "close " + a.close
	}
	return "open " + a.open
}

// Start implements Action.
func (a *source) Start(r *Run) (Pending, error) {
	return nil, r.Env.Switch(a.name(), a.open != "")
}
