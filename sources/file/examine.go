// SPDX-License-Identifier: MIT

// What the verb doctor says of files. None is opened: a driver may act when
// its device is.

package file

import (
	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) {
	for _, name := range p.names() {
		f := p.files[name]
		subject := "file " + name
		if x.HeldAs("file", name) {
			x.Good(&f.at, subject, f.path+", held by the running agent")
			continue
		}
		err := f.look(x)
		advice := ""
		if missing(err) {
			advice = "load the driver that creates it; `run` waits for it"
		}
		x.Check(&f.at, subject, f.path+" exists", err, advice)
	}
}

// look says what keeps the file from being watched, as far as that can be
// known without opening it.
func (f *File) look(x *sources.Report) error {
	var stat unix.Stat_t
	if err := unix.Stat(x.Path(f.path), &stat); err != nil {
		return explainOpen(f.path, err)
	}
	mode := stat.Mode & unix.S_IFMT
	if f.watch == changes {
		return nil
	}
	if err := f.unfit(mode); err != nil {
		return explainOpen(f.path, err)
	}
	access := uint32(unix.R_OK)
	if f.writes() {
		access |= unix.W_OK
	}
	if err := x.Access(f.path, access); err != nil {
		return explainOpen(f.path, err)
	}
	switch {
	case mode == unix.S_IFSOCK:
		return explainOpen(x.Path(f.path), unix.ENXIO)
	case mode == unix.S_IFREG && f.watch == bySignal:
		return explainOpen(f.path, advise(errNoSignal, f.path, mode))
	case mode == unix.S_IFREG && f.watch == byEpoll && !isVirtual(f.path):
		return explainOpen(f.path, advise(errNoPoll, f.path, mode))
	}
	return nil
}
