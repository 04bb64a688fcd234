// SPDX-License-Identifier: MIT

// The record of our mounts, a file for each in /run, so that a later run knows
// them as its own. It is written before the folder is made and mounted on, so it
// may be of a mount that was never made; /proc/self/mountinfo decides.

package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"reflexd/regular"
	"reflexd/sources"
)

// longestRecord is the size in bytes of the largest record that is read.
const longestRecord = 64 << 10

// records is the folder of what we remember of our mounts.
type records string

// remembered is what a record holds.
type remembered struct {
	identity
	mounted
	fields []sources.Field // not in the record: found out afresh
}

// file is the name of the record of a device, and not that of another
// one which had its number before.
func (dir records) file(id identity) string {
	return filepath.Join(string(dir), strings.ReplaceAll(id.number, ":", "-")+"-"+id.seq)
}

// text is one text of a record, by its key.
type text struct {
	key   string
	value *string
}

func (r *remembered) texts() []text {
	return []text{{"name", &r.name}, {"path", &r.path}, {"number", &r.number}, {"seq", &r.seq}, {"root", &r.root}, {"below", &r.below}}
}

// remember writes the record of a mount that is about to be made.
func (dir records) remember(id identity, mt *mounted) error {
	r := remembered{identity: id, mounted: *mt}
	var b strings.Builder
	for _, t := range r.texts() {
		fmt.Fprintf(&b, "%s=%s\n", t.key, strconv.Quote(*t.value))
	}
	fmt.Fprintf(&b, "made=\"%d\"\n", mt.made)
	if err := regular.Replace(dir.file(id), b.String(), 0o644); err != nil {
		return fmt.Errorf("record the mount: %w", err)
	}
	return nil
}

// forget removes the record of a device.
func (dir records) forget(id identity) { _ = os.Remove(dir.file(id)) }

// recall reads all records. One that cannot be understood is removed.
func (dir records) recall() (all []remembered, err error) {
	entries, err := os.ReadDir(string(dir))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the records of mounts: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(string(dir), e.Name())
		text, err := regular.Read(path, longestRecord)
		switch {
		case sources.Passing(err):
			return nil, fmt.Errorf("read the record of a mount: %w", err)
		case err != nil:
			continue
		}
		r, ok := parseRecord(string(text))
		if !ok || dir.file(r.identity) != path {
			_ = os.Remove(path)
			continue
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRecord(text string) (r remembered, ok bool) {
	for line := range strings.Lines(text) {
		key, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return r, false
		}
		if key == "made" {
			if r.made, err = strconv.Atoi(value); err != nil {
				return r, false
			}
		}
		for _, t := range r.texts() {
			if t.key == key {
				*t.value = value
			}
		}
	}
	r.point = filepath.Join(r.root, r.below)
	return r, r.name != "" && r.number != "" && strings.HasPrefix(r.root, "/") && r.below != ""
}
