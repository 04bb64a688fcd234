// SPDX-License-Identifier: MIT

// Pack makes what a release consists of, from programs that are built already: Debian packages, archives for boards
// without dpkg, a list of what is linked in (SBOM) for each, and their checksums. The same programs, version and date
// give the same bytes, wherever and whenever it runs.
//
// With -repository it makes a folder of the packages that apt can install from instead.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("pack", flag.ExitOnError)
	r := release{}
	flags.StringVar(&r.root, "root", ".", "the checkout")
	flags.StringVar(&r.out, "o", "dist", "the `folder` for what is made")
	flags.StringVar(&r.version, "version", "", "as the programs print it")
	date := flags.Int64("date", 0, "the time of every file, in `seconds` since 1970")
	repository := flags.String("repository", "", "make a repository for apt in this `folder`, of the packages in the folder of -o")
	key := flags.String("key", "", "the `name` of the key that gpg signs the repository with")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r.date = time.Unix(*date, 0).UTC()
	switch {
	case *date <= 0:
		return errors.New("-date is missing")
	case *repository != "":
		return makeRepository(*repository, r.out, *key, r.date)
	case r.version == "":
		return errors.New("-version is missing")
	case flags.NArg() == 0:
		return errors.New("name the targets, such as arm64")
	}
	return r.make(flags.Args())
}

// release is what all files of one version have in common.
type release struct {
	root, out string
	version   string // of the programs
	date      time.Time
}

// target is a kind of machine: what Go calls it and what Debian does.
type target struct {
	name   string // a folder of build/
	arch   string // GOARCH
	debian string // "" if no Debian is to have it
}

// ARMv6 has the name armhf, since a package for ARMv7 would end with an illegal
// instruction on a Raspberry Pi Zero, whose system takes packages of that name too.
var targets = []target{
	{"armv6", "arm", "armhf"},
	{"armv7", "arm", ""},
	{"arm64", "arm64", "arm64"},
	{"riscv64", "riscv64", "riscv64"},
	{"amd64", "amd64", "amd64"},
}

// make makes all files for the targets, and the checksums of what it made.
func (r *release) make(names []string) error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var made []string
	for _, name := range names {
		files, err := r.makeTarget(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		made = append(made, files...)
	}
	sums, err := checksums(r.out, made)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "reflexd-"+r.version+"-SHA256SUMS"), sums, 0o644)
}

// makeTarget returns the names of the files that it made.
func (r *release) makeTarget(name string) ([]string, error) {
	t, err := findTarget(name)
	if err != nil {
		return nil, err
	}
	p, err := r.readProgram("reflexd", t)
	if err != nil {
		return nil, err
	}
	bridge, err := r.readProgram("reflexd-mqtt", t)
	if err != nil {
		return nil, err
	}
	base := "reflexd-" + r.version + "-linux-" + t.name
	made := []string{base + ".tar.gz", base + ".cdx.json", "reflexd-mqtt-" + r.version + "-linux-" + t.name + ".cdx.json"}
	if err := errors.Join(r.writeFile(made[1], p.sbom), r.writeFile(made[2], bridge.sbom)); err != nil {
		return nil, err
	}
	archive, err := r.archive(p)
	if err != nil {
		return nil, err
	}
	packed, err := tarball(base, archive, r.date)
	if err != nil {
		return nil, err
	}
	if err := r.writeFile(made[0], packed); err != nil || t.debian == "" {
		return made, err
	}
	for _, d := range []struct {
		program *program
		debian  *debian
	}{{p, &agentDebian}, {bridge, &bridgeDebian}} {
		deb := fmt.Sprintf("%s_%s_%s.deb", d.program.called, r.debianVersion(), t.debian)
		if err := r.makeDeb(d.program, d.debian, filepath.Join(r.out, deb)); err != nil {
			return nil, err
		}
		made = append(made, deb)
	}
	return made, nil
}

func findTarget(name string) (target, error) {
	for _, t := range targets {
		if t.name == name {
			return t, nil
		}
	}
	return target{}, errors.New("no such target")
}

func (r *release) writeFile(name string, data []byte) error {
	return os.WriteFile(filepath.Join(r.out, name), data, 0o644)
}
