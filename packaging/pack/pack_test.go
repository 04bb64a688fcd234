// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/lab/image"
)

const date = 1767225600 // the beginning of 2026

// output runs a command in dir and returns what it prints, and ends the test if it fails.
func output(t *testing.T, dir string, c *exec.Cmd) string {
	t.Helper()
	c.Dir = dir
	c.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { // of a make that runs us
		return strings.HasPrefix(s, "MAKE") || strings.HasPrefix(s, "MFLAGS=")
	})
	said, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, said)
	}
	return string(said)
}

// checkout copies the files that git knows to a new folder, with the given time.
func checkout(t *testing.T, at time.Time) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	names := output(t, "../..", exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"))
	for name := range strings.SplitSeq(strings.TrimRight(names, "\x00"), "\x00") {
		from := filepath.Join("../..", name)
		info, err := os.Lstat(from)
		if err != nil || !info.Mode().IsRegular() {
			continue // removed, but not yet in git
		}
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(to, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packed makes the packages of a copy of the checkout and returns the folder with what was made.
func packed(t *testing.T, at time.Time) string {
	t.Helper()
	dir := checkout(t, at)
	output(t, dir, exec.Command("make", "-s", "packages", "TARGETS=armv6", "VERSION=v1.2.3", fmt.Sprint("DATE=", date)))
	return filepath.Join(dir, "dist")
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestPackages makes the packages twice, in two folders and from files of different times.
func TestPackages(t *testing.T) {
	first, second := packed(t, time.Unix(1e9, 0)), packed(t, time.Now())
	made, again := files(t, first), files(t, second)
	const deb = "reflexd_1.2.3-1_armhf.deb"
	for _, name := range []string{deb, "reflexd-mqtt_1.2.3-1_armhf.deb", "reflexd-mqtt-v1.2.3-linux-armv6.cdx.json", "reflexd-v1.2.3-linux-armv6.tar.gz", "reflexd-v1.2.3-linux-armv6.cdx.json", "reflexd-v1.2.3-SHA256SUMS"} {
		if made[name] == nil {
			t.Errorf("%s was not made", name)
		}
	}
	for name, data := range made {
		if !bytes.Equal(data, again[name]) {
			t.Errorf("%s is not the same in both folders", name)
		}
	}
	output(t, first, exec.Command("sha256sum", "--check", "--strict", "reflexd-v1.2.3-SHA256SUMS"))
	t.Run("control", func(t *testing.T) { checkControl(t, filepath.Join(first, deb)) })
	t.Run("lintian", func(t *testing.T) {
		for name := range made {
			if strings.HasSuffix(name, ".deb") {
				output(t, first, image.Command(t.Context(), "lintian", "--allow-root", "--fail-on", "error,warning", name))
			}
		}
	})
	t.Run("repository", func(t *testing.T) { checkRepository(t, first) })
	t.Run("bill of materials", func(t *testing.T) { checkBill(t, made["reflexd-v1.2.3-linux-armv6.cdx.json"]) })
}

func checkControl(t *testing.T, deb string) {
	for field, want := range map[string]string{"Depends": "\n", "Pre-Depends": "\n", "Recommends": "\n", "Architecture": "armhf\n", "Version": "1.2.3-1\n"} {
		if got := output(t, ".", exec.Command("dpkg-deb", "--field", deb, field)); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	list := output(t, ".", exec.Command("dpkg-deb", "--contents", deb))
	for _, path := range []string{"/usr/bin/reflexd", "/usr/lib/systemd/system/reflexd.service", "/etc/reflexd/reflexd.yaml", "/usr/share/doc/reflexd/copyright", "/usr/share/reflexd/reflexd.schema.json", "/usr/share/reflexd/reflexd-tests.schema.json", "/usr/share/man/man5/reflexd.yaml.5.gz", "/usr/share/man/man8/reflexd-run.8.gz", "/usr/share/bash-completion/completions/reflexd", "/usr/share/doc/reflexd/examples/usb-drives-and-signals.yaml"} {
		if !strings.Contains(list, " ."+path+"\n") {
			t.Errorf("%s is not in the package", path)
		}
	}
	dir := t.TempDir()
	output(t, dir, exec.Command("dpkg-deb", "--extract", deb, "."))
	unit, err := os.ReadFile(filepath.Join(dir, "usr/lib/systemd/system/reflexd.service"))
	if err != nil || !strings.Contains(string(unit), "\nExecStart=/usr/bin/reflexd run\n") || strings.Contains(string(unit), "/etc/systemd") {
		t.Errorf("the unit, error %v:\n%s", err, unit)
	}
	copyright, err := os.ReadFile(filepath.Join(dir, "usr/share/doc/reflexd/copyright"))
	for _, holder := range []string{"The reflexd authors", "Kent Gibson", "Canonical Ltd", "The Go Authors", "Apache License"} {
		if !strings.Contains(string(copyright), holder) {
			t.Errorf("copyright does not name %s (error %v)", holder, err)
		}
	}
}

func checkBill(t *testing.T, text []byte) {
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range b.Components {
		names = append(names, c.Name)
		if c.Name != "std" && !bytes.Contains(sums, []byte(c.Name+" "+c.Version+" "+c.Properties[0].Value)) {
			t.Errorf("go.sum has no %+v", c)
		}
		if len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	if want := []string{"github.com/warthog618/go-gpiocdev", "golang.org/x/sys", "gopkg.in/yaml.v3", "std"}; !slices.Equal(names, want) {
		t.Errorf("linked in are %v, want %v", names, want)
	}
}

// checkRepository has apt read a repository of the packages in dist, which a key of the test's signs.
func checkRepository(t *testing.T, dist string) {
	// This installs what is missing.
	output(t, ".", image.Command(t.Context(), "gpg-agent", "--version"))
	output(t, ".", image.Command(t.Context(), "gpg", "--version"))
	home, err := os.MkdirTemp("", "gpg") // short: its socket is in there
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = image.Command(context.Background(), "gpgconf", "--kill", "gpg-agent").Run() // else it would outlive the test
		os.RemoveAll(home)
	})
	repository := filepath.Join(t.TempDir(), "apt")
	args := []string{"-date", fmt.Sprint(date), "-repository", repository, "-o", dist}
	if err := run(args); err == nil || !strings.Contains(err.Error(), "KEY=NAME") {
		t.Errorf("without a key: %v", err)
	}
	output(t, ".", exec.Command("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "tests of reflexd", "ed25519"))
	if err := run(append(args, "-key", "tests of reflexd")); err != nil {
		t.Fatal(err)
	}
	apt := aptReading(t, fmt.Sprintf("deb [arch=armhf signed-by=%s/reflexd.gpg] file:%[1]s stable main\n", repository))
	output(t, ".", apt("update"))
	if got := output(t, ".", apt("install", "--simulate", "reflexd")); !strings.Contains(got, "Inst reflexd (1.2.3-1 reflexd:stable [armhf])") {
		t.Errorf("apt would do:\n%s", got)
	}
	tampered := filepath.Join(repository, "dists/stable/InRelease")
	text, err := os.ReadFile(tampered)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tampered, bytes.Replace(text, []byte("Label: reflexd"), []byte("Label: Reflexd"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := apt("update").CombinedOutput(); err == nil {
		t.Errorf("apt believes a Release that was changed:\n%s", said)
	}
}

// aptReading returns apt-get with a state of its own and one source.
func aptReading(t *testing.T, source string) func(args ...string) *exec.Cmd {
	dir := t.TempDir()
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"sources.list": source, "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	options := []string{"-q", "-o", "Dir::State=" + dir, "-o", "Dir::State::status=" + dir + "/status", "-o", "Dir::Cache=" + dir + "/cache",
		"-o", "Dir::Etc::SourceList=" + dir + "/sources.list", "-o", "Dir::Etc::SourceParts=" + dir + "/parts", "-o", "APT::Sandbox::User=",
		"-o", "APT::Architecture=armhf", "-o", "APT::Architectures=armhf", "-o", "APT::Update::Error-Mode=any"}
	return func(args ...string) *exec.Cmd {
		return exec.Command("apt-get", append(slices.Clone(options), args...)...)
	}
}

// TestDebianVersion has dpkg compare versions in the order in which they are released.
func TestDebianVersion(t *testing.T) {
	order := []string{"1a2b3c4", "v0.9.0", "v1.0.0-rc1", "v1.0.0-rc1-3-g1234567", "v1.0.0-rc2", "v1.0.0", "v1.0.0-2-gabcdef0", "v1.0.0-2-gabcdef0-dirty", "v1.0.0-12-g0123456", "v1.0.1", "v1.10.0"}
	var before string
	for _, version := range order {
		r := release{version: version, date: time.Unix(date, 0).UTC()}
		now := r.debianVersion()
		if before != "" {
			output(t, ".", exec.Command("dpkg", "--compare-versions", before, "lt", now))
		}
		before = now
	}
	for version, want := range map[string]string{"v1.2.3": "1.2.3-1", "1234567": "0~20260101.000000.1234567-1", "unknown": "0~20260101.000000.unknown-1"} {
		r := release{version: version, date: time.Unix(date, 0).UTC()}
		if got := r.debianVersion(); got != want {
			t.Errorf("%s is %s, want %s", version, got, want)
		}
	}
}

// TestConffileStays fails if the configuration that the package brings changes: dpkg would ask everyone who has edited
// it, at an upgrade that may run by itself. What has to be explained goes to the documentation.
func TestConffileStays(t *testing.T) {
	text, err := os.ReadFile("../reflexd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const released = "852474f9366f0898"
	if got := fmt.Sprintf("%x", sha256.Sum256(text))[:16]; got != released {
		t.Errorf("packaging/reflexd.yaml has the checksum %s, and not %s", got, released)
	}
}

// TestFirstSteps checks the configuration as it is installed, and with its comments removed as it says.
func TestFirstSteps(t *testing.T) {
	text, err := os.ReadFile("../reflexd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile(`(?m)^#((lines:)?|  .*)$`).ReplaceAll(text, []byte("$1"))
	steps = bytes.Replace(steps, []byte("rules: []"), []byte("rules:"), 1)
	for want, config := range map[string][]byte{"0 rules, 1 warning": text, "1 rule, nothing wrong": steps} {
		path := filepath.Join(t.TempDir(), "reflexd.yaml")
		if err := os.WriteFile(path, config, 0o600); err != nil {
			t.Fatal(err)
		}
		if said := output(t, "../..", exec.Command("go", "run", "./cmd/reflexd", "check", path)); !strings.Contains(said, want) {
			t.Errorf("check prints %s\nof\n%s", said, config)
		}
	}
}

// The service of OpenRC asks about the configuration and the socket that the agent is
// started with.
func TestOpenRCArguments(t *testing.T) {
	const script = `. ../openrc/reflexd
command=echo; ebegin() { :; }; eend() { :; }
checkconfig; reload`
	for args, want := range map[string]string{
		"":               "check\nreload\n",
		"-c /a --c=/b":   "check -c /a -c /b\nreload\n",
		"--socket /s -c": "check\nreload -socket /s\n",
		"--dry-run --socket=/s --log-format json -c /a": "check -c /a\nreload -socket /s\n",
	} {
		c := exec.Command("sh", "-euc", script)
		c.Env = append(os.Environ(), "RC_SVCNAME=reflexd", "REFLEXD_ARGS="+args)
		if out, err := c.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%q: %v, %s, want %s", args, err, out, want)
		}
	}
}
