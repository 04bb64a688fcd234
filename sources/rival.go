// SPDX-License-Identifier: MIT

// Rival: other programs that act on the same events.

package sources

import (
	"path/filepath"

	"reflexd/config"
)

// Rival is a program that may act on what rules act on, too. It is known by
// its process, or by a file of its package.
type Rival struct {
	Comm string // the process's name, of which the kernel keeps 15 bytes
	File string // a glob
	// Acts is set if it does so by itself, whatever it is told: that is in
	// the way. Others are worth knowing of.
	Acts   bool
	What   string // it does
	Advice string
}

// Examine adds the rival to x if it is there. at is where the configuration
// does what the rival does.
func (r *Rival) Examine(x *Exam, at *config.Pos) {
	mark := Note
	if r.Acts {
		mark = Bad
	}
	if found, _ := filepath.Glob(x.Path(r.File)); r.File != "" && len(found) > 0 {
		x.Add(mark, at, r.Comm, "it is installed and "+r.What, r.Advice)
		return
	}
	for _, p := range x.Processes() {
		if p.Comm == r.Comm {
			x.Add(mark, at, r.Comm, "process "+p.Pid+" "+r.What, r.Advice)
		}
	}
}
