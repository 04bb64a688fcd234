// SPDX-License-Identifier: MIT

// Which devices a declared input is.

package input

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// Input is one declared device. All selectors that it has must match; several
// devices may.
type Input struct {
	Pos config.Pos
	// Name, Phys and Uniq are patterns for what the device says about
	// itself; Path is one for its node, or for a symbolic link to it.
	Name, Phys, Uniq, Path string
	ID                     ID
	Has                    []uint16 // keys that it must have
	Grab                   Grab
	Text                   *Text // what it types; nil if that is not read
	// Debounce is how long a key must be up to count as released.
	Debounce time.Duration

	whole     bool // it was read without complaint
	pass      string
	passAt    config.Pos
	logText   bool
	logTextAt config.Pos
}

// ID is a vendor and a product number, each as four hexadecimal digits, or "*"
// for any. The zero value is no selector.
type ID struct{ Vendor, Product string }

func (in *Input) fields() []config.Field {
	key := func(p *uint16) config.Value { return config.Parsed(p, "key name", KeyCode) }
	return []config.Field{
		{Name: "name", Doc: "pattern for its name", Value: pattern(&in.Name)},
		{Name: "id", Doc: "vendor:product in hexadecimal, either may be *", Value: config.Parsed(&in.ID, "vendor:product", parseID)},
		{Name: "phys", Doc: "pattern for its physical path: where it is plugged in", Value: pattern(&in.Phys)},
		{Name: "uniq", Doc: "pattern for its serial number or Bluetooth address", Value: pattern(&in.Uniq)},
		{Name: "path", Also: "device dev", Doc: "pattern for its node or a link to that, such as /dev/input/by-id/*-kbd", Value: pathPattern(&in.Path)},
		{Name: "has", Doc: "keys that it must have", Value: config.OneOrMore(&in.Has, key)},
		{Name: "debounce", Doc: "for keys that chatter: how long one must be up to count as released",
			Value: config.Duration(&in.Debounce)},
		{Name: "grab", Doc: "take all its events, so that no other program receives them: auto waits until no key is down, on does not",
			Default: "off", Value: grabValue(&in.Grab)},
		{Name: "pass", Doc: "with grab: pass on to other programs the keys, axes and switches that no rule and no text uses, through a virtual device like this one",
			Default: passNone, Value: config.At(&in.passAt, config.OneOf(&in.pass, passNone, passOthers))},
		{Name: "text", Doc: "read what it types as strings: a keyboard, a barcode scanner, an RFID reader", Value: textValue(&in.Text)},
		{Name: "log_text", Doc: "show in logs what it types; it may be a password", Default: "off", Value: config.At(&in.logTextAt, config.Bool(&in.logText))},
	}
}

// pattern returns the Value for a pattern.
func pattern(p *string) config.Value {
	return config.Parsed(p, "a pattern", parsePattern)
}

func parsePattern(text string) (string, error) {
	if text == "" {
		return "", fmt.Errorf("expected a pattern, found empty quotes")
	}
	if _, err := path.Match(text, ""); err != nil {
		return "", fmt.Errorf("%q is not a pattern: a [ is not closed", text)
	}
	return text, nil
}

func pathPattern(p *string) config.Value {
	return config.Parsed(p, "a pattern for a path", func(text string) (string, error) {
		if !strings.HasPrefix(text, "/") {
			return "", fmt.Errorf("expected a pattern for an absolute path, found %q", text)
		}
		return parsePattern(text)
	})
}

func parseID(text string) (ID, error) {
	vendor, product, ok := strings.Cut(text, ":")
	v, vErr := parseIDPart(vendor)
	p, pErr := parseIDPart(product)
	if !ok || vErr != nil || pErr != nil {
		return ID{}, fmt.Errorf("expected vendor:product in hexadecimal such as 046d:c52b or \"046d:*\", found %q", text)
	}
	return ID{v, p}, nil
}

func parseIDPart(text string) (string, error) {
	if text == "*" {
		return text, nil
	}
	n, err := strconv.ParseUint(text, 16, 16)
	return fmt.Sprintf("%04x", n), err
}

func (id ID) matches(i *identity) bool {
	fits := func(part string, number uint16) bool {
		return part == "*" || part == fmt.Sprintf("%04x", number)
	}
	return fits(id.Vendor, i.id.vendor) && fits(id.Product, i.id.product)
}

// selects reports whether in has any selector.
func (in *Input) selects() bool {
	return in.Name != "" || in.Phys != "" || in.Uniq != "" || in.Path != "" || in.ID != ID{} || len(in.Has) > 0
}

// matches reports whether in is the device at node.
func (in *Input) matches(node string, id *identity) bool {
	for _, key := range in.Has {
		if !id.has.has(evKey, key) {
			return false
		}
	}
	fits := func(pattern, text string) bool { return pattern == "" || sources.Glob(pattern, text) }
	return in.selects() &&
		fits(in.Name, id.name) && fits(in.Phys, id.phys) && fits(in.Uniq, id.uniq) &&
		(in.ID == ID{} || in.ID.matches(id)) &&
		(fits(in.Path, node) || linked(in.Path, node))
}

// linkDir returns the folder in which the links that pattern matches are.
func linkDir(pattern string) string {
	if i := strings.IndexAny(pattern, `*?[`); i >= 0 {
		pattern = pattern[:i] + "x"
	}
	return filepath.Dir(pattern)
}

// linked reports whether a symbolic link that pattern matches leads to node.
func linked(pattern, node string) bool {
	target, err := os.Stat(node)
	if err != nil {
		return false
	}
	dir := linkDir(pattern)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		if e.Type()&os.ModeSymlink == 0 || !sources.Glob(pattern, link) {
			continue
		}
		if info, err := os.Stat(link); err == nil && os.SameFile(info, target) {
			return true
		}
	}
	return false
}
