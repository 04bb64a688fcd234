// SPDX-License-Identifier: MIT

// What the verb doctor says of the file of kept variables.

package vars

import (
	"errors"
	"io/fs"

	"reflexd/config"
	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Exam) {
	if !p.keeps() {
		return
	}
	at := p.keptAt()
	const subject = "state_file"
	_, err := read(x.Path(p.file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		advice := "run sets it aside and begins with the initial values; put a copy of it back, or remove it"
		if errors.As(err, new(*fs.PathError)) { // the way there, not what it holds
			advice = "write `state_file:` with a path where the agent may read and write"
		}
		x.Bad(at, subject, p.file+": the file of kept variables cannot be used: "+err.Error(), advice)
		return
	}
	x.Judge(at, subject, p.file+" can be written", x.Creatable(p.file), "variables would be lost with a restart: write `state_file:` with the path of a file that can be")
}

// keptAt is where the first variable is declared that is to be kept.
func (p *Plan) keptAt() *config.Pos {
	var first *variable
	for _, v := range p.vars {
		if v.keep && (first == nil || v.at.File == first.at.File && v.at.Line < first.at.Line) {
			first = v
		}
	}
	return &first.at
}
