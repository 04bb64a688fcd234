// SPDX-License-Identifier: MIT

// Who else could write the configuration: whoever can, runs programs as the
// agent's user.

package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
	"reflexd/regular"
	"reflexd/sources"
)

// untrusted returns the first of the files and folders of c that others could
// write, and who; nil for none. uid is the agent's user, who may. Where files
// were named (-c) and not found in /etc, so may the user who called sudo,
// according to environ: in his home he tries them.
func (c *Configuration) untrusted(uid int, environ []string) (at *config.Pos, err error) {
	trust := regular.Trust{Users: []int{uid}}
	if uid == 0 && len(c.Paths) > 0 {
		trust.Users = append(trust.Users, sudoUsers(environ)...)
	}
	for _, path := range slices.Concat(c.Files, c.Paths) {
		err := trust.Check(path)
		var writer *regular.WriterError
		if absolute, _ := filepath.Abs(path); errors.As(err, &writer) && writer.Path == absolute {
			err = fmt.Errorf("%s %s", writer.Who, writer.How) // the place says the path
		}
		if err != nil {
			return &config.Pos{File: path}, err
		}
	}
	return nil, nil
}

// sudoUsers returns the user in SUDO_UID: sudo(8).
func sudoUsers(environ []string) []int {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "SUDO_UID="); ok {
			if uid, err := strconv.Atoi(value); err == nil {
				return []int{uid}
			}
		}
	}
	return nil
}

// RefuseWriters adds an error to ps if the agent runs as root and others could
// write its configuration. It may block.
func (c *Configuration) RefuseWriters(ps *config.Problems) {
	if os.Geteuid() != 0 {
		return
	}
	if at, err := c.untrusted(0, os.Environ()); err != nil {
		ps.Errorf(*at, "%v; as root, reflexd would run what others write (`run --insecure-config` accepts that)", err)
	}
}

// WarnOfWriters adds a warning to ps if others could write the configuration.
// It may block.
func (c *Configuration) WarnOfWriters(ps *config.Problems) {
	if at, err := c.untrusted(os.Geteuid(), os.Environ()); err != nil {
		ps.WarnOfMachinef(*at, "%v; `reflexd run` refuses that as root", err)
	}
}

// examineWriters reports whether others could write the configuration.
func (c *Configuration) examineWriters(x *sources.Report) {
	const subject, advice = "configuration", "as root, `reflexd run` refuses it without --insecure-config"
	switch at, err := c.untrusted(x.Uid, x.Environ); {
	case err == nil:
	case x.Uid == 0:
		x.Bad(at, subject, err.Error(), advice)
	default:
		x.Note(at, subject, err.Error(), advice)
	}
}
