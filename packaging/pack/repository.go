// SPDX-License-Identifier: MIT

// A folder that apt can install from, whether a web server serves it or it is on a disk.

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// makeRepository makes the folder of all packages in from: a suite `stable` with a component `main`, signed with key.
func makeRepository(folder, from, key string, date time.Time) error {
	if key == "" {
		return errors.New("no key to sign with: KEY=NAME; `gpg --list-secret-keys` lists yours")
	}
	debs, err := filepath.Glob(filepath.Join(from, "*.deb"))
	if err != nil || len(debs) == 0 {
		return fmt.Errorf("there are no packages in %s: `make packages` makes them", from)
	}
	suite := filepath.Join(folder, "dists/stable")
	if err := os.RemoveAll(suite); err != nil {
		return err
	}
	lists, err := addPackages(folder, debs)
	if err != nil {
		return err
	}
	release, err := writeLists(suite, lists, date)
	if err != nil {
		return err
	}
	if err := sign(key, "--clearsign", release, filepath.Join(suite, "InRelease")); err != nil {
		return err
	}
	if err := sign(key, "--detach-sign", release, filepath.Join(suite, "Release.gpg")); err != nil {
		return err
	}
	public, err := exec.Command("gpg", "--batch", "--export", key).Output()
	if err != nil {
		return fmt.Errorf("export the key %q: %w", key, err)
	}
	return os.WriteFile(filepath.Join(folder, "reflexd.gpg"), public, 0o644)
}

// addPackages copies packages into the folder and returns its lists of them by architecture.
func addPackages(folder string, debs []string) (map[string]string, error) {
	lists := map[string]string{}
	for _, deb := range debs {
		data, err := os.ReadFile(deb)
		if err != nil {
			return nil, err
		}
		control, err := exec.Command("dpkg-deb", "--field", deb).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", deb, err)
		}
		name := path.Join("pool", filepath.Base(deb))
		if err := os.MkdirAll(filepath.Join(folder, "pool"), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return nil, err
		}
		arch := strings.TrimSuffix(name[strings.LastIndex(name, "_")+1:], ".deb")
		lists[arch] += fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\n\n", control, name, len(data), sha256.Sum256(data))
	}
	return lists, nil
}

// writeLists writes the lists and Release, whose path it returns.
func writeLists(suite string, lists map[string]string, date time.Time) (string, error) {
	var archs []string
	var sums bytes.Buffer
	for arch := range lists {
		archs = append(archs, arch)
	}
	slices.Sort(archs)
	for _, arch := range archs {
		dir := "main/binary-" + arch
		if err := os.MkdirAll(filepath.Join(suite, dir), 0o755); err != nil {
			return "", err
		}
		list := []byte(lists[arch])
		for name, data := range map[string][]byte{"Packages": list, "Packages.gz": gzipped(list)} {
			if err := os.WriteFile(filepath.Join(suite, dir, name), data, 0o644); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&sums, " %x %d %s/Packages\n", sha256.Sum256(list), len(list), dir)
		fmt.Fprintf(&sums, " %x %d %s/Packages.gz\n", sha256.Sum256(gzipped(list)), len(gzipped(list)), dir)
	}
	release := filepath.Join(suite, "Release")
	return release, os.WriteFile(release, fmt.Appendf(nil, `Origin: reflexd
Label: reflexd
Suite: stable
Codename: stable
Components: main
Architectures: %s
Date: %s
SHA256:
%s`, strings.Join(archs, " "), date.Format("Mon, 02 Jan 2006 15:04:05 UTC"), &sums), 0o644)
}

// sign has gpg sign a file, into another beside it.
func sign(key, how, from, to string) error {
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	c := exec.Command("gpg", "--batch", "--yes", "--local-user", key, "--output", to, how, from)
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("sign %s: %w\n%s", filepath.Base(from), err, said)
	}
	return nil
}
