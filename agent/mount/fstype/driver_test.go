// SPDX-License-Identifier: MIT

package fstype

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// old is a driver that knows no option but those.
func old(known ...string) func(Options) error {
	return func(o Options) error {
		for _, option := range o.Data {
			if !slices.Contains(known, option) {
				return unix.EINVAL
			}
		}
		return nil
	}
}

// What an old driver does not know is left out, but for what Linux 5.10 has.
func TestTry(t *testing.T) {
	d := Driver{"new", []Guard{{Option: "a"}, {Option: "b=1", Since: "6.1"}, {Option: "c", Since: "6.5"}}}
	for _, c := range []struct {
		known string
		left  string
		err   error
	}{
		{"own a b=1 c", "", nil},
		{"own a b=1", "c", nil},
		{"own a", "b=1 c", nil},
		{"own", "", unix.EINVAL}, // never without a
		{"a b=1 c", "", unix.EINVAL},
	} {
		left, err := d.Try(Options{Data: []string{"own"}}, old(strings.Fields(c.known)...))
		if got := strings.Join(options(left), " "); got != c.left || err != c.err {
			t.Errorf("driver that knows %s: left %q, %v", c.known, got, err)
		}
	}
}

// Only EINVAL may be an option's fault: each further try would be one of a
// filesystem that does harm.
func TestTryStopsAtOtherErrors(t *testing.T) {
	tries := 0
	left, err := f2fs.Try(Safe(), func(Options) error {
		tries++
		return unix.EIO
	})
	if tries != 1 || left != nil || !errors.Is(err, unix.EIO) {
		t.Errorf("%d tries, %v, %v", tries, left, err)
	}
}

// The owner's word counts more than a guard.
func TestGuardsGiveWay(t *testing.T) {
	o := Safe()
	o.Add("errors=panic", "warn_on_error", "exec")
	_, err := ext4.Try(o, func(got Options) error {
		if text := strings.Join(got.Data, ","); text != "nowarn_on_error,block_validity,errors=panic,warn_on_error" {
			t.Errorf("options %s", text)
		}
		if got.Flags != o.Flags {
			t.Errorf("flags %#x, want %#x", got.Flags, o.Flags)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Guards are in the order of versions, as those at the end are left out first.
func TestGuardsAreInOrder(t *testing.T) {
	for _, d := range drivers() {
		last := [2]int{5, 10}
		for _, g := range d.Guards {
			since := [2]int{5, 10}
			if g.Since != "" {
				if _, err := fmt.Sscanf(g.Since, "%d.%d", &since[0], &since[1]); err != nil {
					t.Errorf("%s: %q: %v", d.Name, g.Since, err)
				}
			}
			if slices.Compare(since[:], last[:]) < 0 || g.Drive == "" || g.Source == "" {
				t.Errorf("%s: %+v", d.Name, g)
			}
			last = since
		}
	}
}

// Errors of an ext filesystem are what its superblock says, panic among them:
// no driver of one goes without the option.
func TestEveryExtDriverIsGuarded(t *testing.T) {
	for _, d := range drivers() {
		guarded := slices.ContainsFunc(d.Guards, func(g Guard) bool { return g.Option == "errors=remount-ro" && g.Since == "" })
		if strings.HasPrefix(d.Name, "ext") && !guarded {
			t.Errorf("%s: %+v", d.Name, d.Guards)
		}
	}
}

// drivers are those of all types, each once.
func drivers() []Driver {
	var all []Driver
	for i := range types {
		for _, d := range types[i].Drivers {
			if !slices.ContainsFunc(all, func(known Driver) bool { return known.Name == d.Name }) {
				all = append(all, d)
			}
		}
	}
	return all
}

// TestPage compares the table of guards in the documents with ours.
func TestPage(t *testing.T) {
	const page = "../../../docs/reference/filesystems.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	table := "| driver | option | since | what the drive decides without it | source |\n| --- | --- | --- | --- | --- |\n"
	for _, d := range drivers() {
		for _, g := range d.Guards {
			since := "5.10 or before"
			if g.Since != "" {
				since = g.Since
			}
			table += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", d.Name, g.Option, since, g.Drive, g.Source)
		}
		if len(d.Guards) == 0 {
			table += fmt.Sprintf("| %s | none | | nothing | |\n", d.Name)
		}
	}
	if !strings.Contains(string(text), table) {
		t.Errorf("%s must have\n%s", page, table)
	}
}
