//go:build lab

// SPDX-License-Identifier: MIT

// The Debian package in a Debian without a running systemd: installed, upgraded, removed and purged by dpkg.

package install

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/lab/image"
	"reflexd/regular"
)

// debianRoot unpacks a Debian for an architecture, with more packages, into a folder.
func debianRoot(t *testing.T, arch string, more ...string) string {
	t.Helper()
	archive, err := image.PrepareDebian(t.Context(), image.Options{Log: t.Output()}, arch, more...)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	run(t, exec.Command("tar", "-C", root, "-xf", archive))
	err = errors.Join(os.Chmod(root, 0o755), unix.Mknod(filepath.Join(root, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// pack makes the files of versions for a target, all of the program as it is, and returns the folder with them.
func pack(t *testing.T, target string, versions ...string) string {
	t.Helper()
	build := exec.Command("make", "-s", "build/"+target+"/reflexd", "build/"+target+"/reflexd-mqtt")
	build.Dir = "../.."
	run(t, build)
	out := t.TempDir()
	for _, version := range versions {
		c := exec.Command("go", "run", "./packaging/pack", "-version", version, "-date", "1767225600", "-o", out, target)
		c.Dir = "../.."
		run(t, c)
	}
	return out
}

// packages makes the packages of two versions for an architecture and returns their paths.
func packages(t *testing.T, arch string) (before, after string) {
	t.Helper()
	out := pack(t, arch, "v1.0.0", "v1.1.0")
	return filepath.Join(out, "reflexd_1.0.0-1_"+arch+".deb"), filepath.Join(out, "reflexd_1.1.0-1_"+arch+".deb")
}

// run returns what a command prints, and ends the test if it fails.
func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	said, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, said)
	}
	return string(said)
}

// in runs a command in root, which is asked for nothing: standard input is empty.
func in(t *testing.T, root string, args ...string) string {
	t.Helper()
	c := exec.Command("chroot", append([]string{root}, args...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C"}
	return run(t, c)
}

// put copies a file into root.
func put(t *testing.T, root, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, to), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// accounts are files that whatever adds a user leaves.
var accounts = strings.Fields("/etc/.pwd.lock /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/shadow /etc/gshadow /etc/subuid /etc/subgid")

// listing is the path of everything below root but dpkg's own and accounts.
func listing(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if path = strings.TrimPrefix(path, root); path == "/var/lib/dpkg" || path == "/var/log" {
			return fs.SkipDir
		}
		if !slices.Contains(accounts, path) {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func exists(root, path string) bool {
	_, err := os.Lstat(filepath.Join(root, path))
	return err == nil
}

func TestPackageInChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can use chroot")
	}
	root := debianRoot(t, runtime.GOARCH)
	before, after := packages(t, runtime.GOARCH)
	put(t, root, before, "1.deb")
	put(t, root, after, "2.deb")
	empty := listing(t, root)

	in(t, root, "dpkg", "--install", "1.deb")
	if said := in(t, root, "reflexd", "check"); !strings.Contains(said, "/etc/reflexd/reflexd.yaml: 0 rules, 1 warning") {
		t.Errorf("check of what was installed prints:\n%s", said)
	}
	version := func() string {
		return in(t, root, "dpkg-query", "--show", "--showformat", "${Version} ${Status}", "reflexd")
	}
	if got := version(); got != "1.0.0-1 install ok installed" {
		t.Errorf("installed is %s", got)
	}
	if said := in(t, root, "dpkg", "--verify", "reflexd"); said != "" {
		t.Errorf("dpkg --verify: %s", said)
	}
	const wants = "etc/systemd/system/multi-user.target.wants/reflexd.service"
	if !exists(root, wants) {
		t.Error("the service will not start at boot")
	}

	if ids := in(t, root, "id", "reflexd"); !strings.Contains(ids, "(gpio)") || !strings.Contains(ids, "(input)") {
		t.Errorf("the user of an agent without root is %s", ids)
	}

	edited := "rules: [{when: {event: mine}, do: {log: mine}}]\n"
	for _, file := range []string{"etc/reflexd/reflexd.yaml", "etc/reflexd/extra"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(edited), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in(t, root, "dpkg", "--install", "2.deb")
	if got := version(); got != "1.1.0-1 install ok installed" {
		t.Errorf("after the upgrade there is %s", got)
	}
	if text, err := os.ReadFile(filepath.Join(root, "etc/reflexd/reflexd.yaml")); string(text) != edited {
		t.Errorf("the upgrade made of the configuration: %s (error %v)", text, err)
	}

	for _, file := range []string{"var/lib/reflexd/state", "etc/systemd/system/reflexd.service.d/reflexd-unit.conf", "etc/reflexd/conf.d/more.yaml"} {
		if err := regular.Replace(filepath.Join(root, file), "", 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in(t, root, "dpkg", "--remove", "reflexd")
	if exists(root, "usr/bin/reflexd") || !exists(root, "etc/reflexd/reflexd.yaml") {
		t.Error("a removal must leave the configuration, and nothing else")
	}
	in(t, root, "dpkg", "--purge", "reflexd")
	if left := listing(t, root); !slices.Equal(left, empty) {
		for _, path := range left {
			if !slices.Contains(empty, path) {
				t.Errorf("left after the purge: %s", path)
			}
		}
	}
}
