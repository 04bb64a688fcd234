// SPDX-License-Identifier: MIT

// The action write: attributes of sysfs and procfs, other small files, and logs.

package action

import (
	"errors"
	"fmt"
	"path/filepath"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/regular"
	"reflexd/sources"
)

var writeKind = Kind{
	Key:  "write",
	Also: "sysfs file",
	Doc:  "write a string to an existing file, such as one in sysfs, or append it to a file",
	New: func() (config.Value, func(*Check) Action) {
		a := &write{}
		return config.Object(
			config.Field{Name: "path", Doc: "the file; a glob must match exactly one", Required: true, Value: expand.Value(&a.path)},
			config.Field{Name: "text", Doc: "the string, written with one write(2), nothing added", Required: true, Value: expand.Value(&a.text)},
			config.Field{Name: "append", Doc: "on: add it to the end of the file, which is created if it is missing, with mode 0640 less the umask, and must be no symbolic link; off: it replaces the content of the file, which must exist",
				Default: "off", Value: config.Bool(&a.append)},
		), a.check
	},
}

// appendMode are the permissions of a file that is created.
const appendMode = 0o640

type write struct {
	path, text expand.Text
	append     bool
}

func (a *write) check(c *Check) Action {
	c.Text(a.path)
	c.Text(a.text)
	if p := a.path; p.Relative() {
		c.Problems.Errorf(p.Pos, "the path must be absolute, found %q", p.String())
	}
	return a
}

// Writes returns the paths that the actions write of l have, as they are
// written.
func (l List) Writes() []string {
	var paths []string
	for _, step := range l {
		if a, ok := step.Action.(*write); ok {
			paths = append(paths, a.path.String())
		}
	}
	return paths
}

// Describe implements Action.
func (a *write) Describe(e *sources.Event) string {
	verb := "write "
	if a.append {
		verb = "append "
	}
	return verb + a.text.Expand(e) + " to " + a.path.Expand(e)
}

// Start implements Action. Attributes run driver code when they are written,
// and that may sleep, so it is done beside the loop: one after the other for one
// path, whichever rules write.
func (a *write) Start(r *Run) (Pending, error) {
	path, text := a.path.Expand(r.Event), a.text.Expand(r.Event)
	literal := a.literal()
	var err error
	r.Env.beside("write "+filepath.Clean(path), func() { err = a.writeOne(path, text, literal) }, func() { r.Finish(err) })
	return unstoppable{}, nil
}

// literal reports whether the path is one, and no glob, whatever fields hold.
func (a *write) literal() bool { return !sources.IsPattern(a.path.String()) }

// unstoppable is work that nobody can call back.
type unstoppable struct{}

// Stop implements Pending.
func (unstoppable) Stop() (gone bool) { return false }

// writeOne writes text to the one file that path names or, unless it is to be
// taken literally, matches.
func (a *write) writeOne(path, text string, literal bool) error {
	path, err := oneFile(path, literal)
	switch {
	case err != nil:
		return err
	case a.append:
		return regular.Append(path, text, appendMode)
	}
	return replaceContent(path, text)
}

// replaceContent makes text the content of a file that exists: a mistyped attribute
// must not become a file. A FIFO that nobody reads is an error (ENXIO) and not a wait,
// and so is one that is full.
func replaceContent(path, text string) error {
	err := sources.WriteAttribute(path, text)
	return sources.PathError("write", path, errors.Unwrap(err))
}

// oneFile returns the one file that path names or, unless it is to be taken
// literally, matches.
func oneFile(path string, literal bool) (string, error) {
	if literal {
		return path, nil
	}
	matches, err := filepath.Glob(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("write %s: %w", path, err)
	case len(matches) == 0:
		return "", fmt.Errorf("write %s: no file matches", path)
	case len(matches) > 1:
		return "", fmt.Errorf("write %s: %d files match, %s and %s among them", path, len(matches), matches[0], matches[1])
	}
	return matches[0], nil
}
