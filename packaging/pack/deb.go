// SPDX-License-Identifier: MIT

// The Debian package.

package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maintainer has no address that anybody reads: the project has none.
const maintainer = "The reflexd authors <reflexd@invalid>"

// conffile is the configuration, which dpkg does not overwrite once it was changed.
const conffile = "etc/reflexd/reflexd.yaml"

// debian is what is particular to a package.
type debian struct {
	scripts     string // the folder of those that dpkg runs, and of lintian's overrides
	conffiles   []string
	depends     string
	description string
	add         func(t *tree)
}

var agentDebian = debian{scripts: "packaging/debian", conffiles: []string{conffile},
	description: `reactions to buttons, keys, devices and signals
 Runs commands, drives GPIOs and mounts USB drives when a button is pressed, a
 device is plugged in, a network link changes or a kernel driver reports
 something. One static binary, one event loop, one YAML file.
 .
 To begin, edit /etc/reflexd/reflexd.yaml.`,
	add: func(t *tree) {
		t.copy(conffile, 0o644, "packaging/reflexd.yaml")
		t.copy("usr/lib/sysusers.d/reflexd.conf", 0o644, "packaging/reflexd.sysusers")
		t.copy("usr/lib/udev/rules.d/60-reflexd.rules", 0o644, "packaging/60-reflexd.rules")
		t.documents("usr/share/doc/reflexd")
		for _, name := range schemaNames {
			t.copy("usr/share/reflexd/"+name, 0o644, "docs/reference/"+name)
		}
		t.manPages("usr/share/man")
		t.completions(map[string]string{
			"reflexd.bash": "usr/share/bash-completion/completions/reflexd",
			"_reflexd":     "usr/share/zsh/vendor-completions/_reflexd",
			"reflexd.fish": "usr/share/fish/vendor_completions.d/reflexd.fish",
		})
	}}

var bridgeDebian = debian{scripts: "packaging/debian-mqtt", depends: "reflexd",
	description: `bridge between reflexd and an MQTT broker
 Connects a running reflexd to an MQTT broker that is there already: lines,
 sensors, counters and variables become topics, commands and messages reach the
 rules, and Home Assistant finds the board by itself.
 .
 What the broker reaches is in the section mqtt of /etc/reflexd/reflexd.yaml.`,
	add: func(t *tree) {
		t.copy("usr/lib/sysusers.d/reflexd-mqtt.conf", 0o644, "packaging/reflexd-mqtt.sysusers")
		t.copyAll("usr/share/man/man8", "cmd/reflexd-mqtt/reflexd-mqtt.8", gzipped)
		t.files[len(t.files)-1].path += ".gz"
	}}

// installed returns what the package installs.
func (r *release) installed(p *program, d *debian) (*tree, error) {
	copyright, err := r.copyright(p)
	if err != nil {
		return nil, err
	}
	t := &tree{root: r.root}
	doc := "usr/share/doc/" + p.called
	t.add("usr/bin/"+p.called, 0o755, p.data)
	t.copyAll("usr/lib/systemd/system", "packaging/"+p.called+".service", installedUnit)
	d.add(t)
	t.add(path.Join(doc, "copyright"), 0o644, copyright)
	t.add(path.Join(doc, "sbom.cdx.json"), 0o644, p.sbom)
	changes := t.copy(path.Join(doc, "CHANGELOG.md"), 0o644, "CHANGELOG.md")
	t.add(path.Join(doc, "changelog.gz"), 0o644, gzipped(changes))
	t.add(path.Join(doc, "changelog.Debian.gz"), 0o644, gzipped(r.debianChangelog(p)))
	t.copy("usr/share/lintian/overrides/"+p.called, 0o644, d.scripts+"/lintian-overrides")
	return t, t.err
}

// manPages adds the manual pages, compressed, in a folder a section.
func (t *tree) manPages(to string) {
	for _, section := range []string{"5", "8"} {
		before := len(t.files)
		t.copyAll(path.Join(to, "man"+section), "docs/man/*."+section, gzipped)
		for i := range t.files[before:] {
			t.files[before+i].path += ".gz"
		}
	}
}

// completions adds the scripts for shells, each under the name that it has in to.
func (t *tree) completions(to map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(to)) {
		t.copy(to[name], 0o644, "cmd/reflexd/completion/"+name)
	}
}

// schemaNames are the files with the schemas of the configuration and of files of tests, in docs/reference.
var schemaNames = []string{"reflexd.schema.json", "reflexd-tests.schema.json"}

// installedUnit has the unit run the package's program. What it begins with is about
// an installation by hand.
func installedUnit(unit []byte) []byte {
	unit = unit[bytes.Index(unit, []byte("[Unit]\n")):]
	return []byte(strings.NewReplacer("/etc/systemd/system/", "/usr/lib/systemd/system/", "/usr/local/bin/", "/usr/bin/").Replace(string(unit)))
}

// makeDeb has dpkg-deb make the package.
func (r *release) makeDeb(p *program, d *debian, deb string) error {
	t, err := r.installed(p, d)
	if err != nil {
		return err
	}
	r.control(t, p, d)
	stage, err := os.MkdirTemp("", "reflexd-pack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := t.write(stage, r.date); err != nil {
		return err
	}
	c := exec.Command("dpkg-deb", "--root-owner-group", "-Zxz", "--build", stage, deb)
	// One thread: the bytes that several make depend on their number.
	c.Env = append(os.Environ(), fmt.Sprint("SOURCE_DATE_EPOCH=", r.date.Unix()), "DPKG_DEB_THREADS_MAX=1")
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("dpkg-deb: %w\n%s", err, said)
	}
	return nil
}

// control adds the files that dpkg reads.
func (r *release) control(t *tree, p *program, d *debian) {
	var sums bytes.Buffer
	size := len(t.folders())
	for _, f := range t.files {
		size += (len(f.data) + 1023) / 1024
		if !slices.Contains(d.conffiles, f.path) {
			fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.data), f.path)
		}
	}
	t.add("DEBIAN/md5sums", 0o644, sums.Bytes())
	for _, path := range d.conffiles {
		t.add("DEBIAN/conffiles", 0o644, []byte("/"+path+"\n"))
	}
	depends := ""
	if d.depends != "" {
		depends = "Depends: " + d.depends + "\n"
	}
	t.add("DEBIAN/control", 0o644, fmt.Appendf(nil, `Package: %s
Version: %s
Architecture: %s
Maintainer: %s
Installed-Size: %d
%sSection: admin
Priority: optional
Description: %s
`, p.called, r.debianVersion(), p.debian, maintainer, size, depends, d.description))
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		t.copy("DEBIAN/"+script, 0o755, d.scripts+"/"+script)
	}
}

func (r *release) debianChangelog(p *program) []byte {
	return fmt.Appendf(nil, "%s (%s) stable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n",
		p.called, r.debianVersion(), maintainer, r.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}

var (
	tagged = regexp.MustCompile(`^v?(\d[0-9.]*)(.*)$`)
	since  = regexp.MustCompile(`^(.*?)-(\d+)-g([0-9a-f]+)(.*)$`)
	bad    = regexp.MustCompile(`[^A-Za-z0-9.+~]+`)
)

// debianVersion returns the version in an order that dpkg sees: a candidate
// before its release, later commits after it, and before all of these a version
// without a tag, by its date.
func (r *release) debianVersion() string {
	version, after := r.version, ""
	if m := since.FindStringSubmatch(version); m != nil {
		version, after = m[1], "+"+m[2]+".g"+m[3]+strings.ReplaceAll(m[4], "-", "+")
	}
	m := tagged.FindStringSubmatch(version)
	if m == nil || bareHash.MatchString(version) {
		return fmt.Sprintf("0~%s.%s-1", r.date.Format("20060102.150405"), bad.ReplaceAllString(r.version, "+"))
	}
	rest, dirty := strings.CutSuffix(m[2], "-dirty")
	if dirty {
		after += "+dirty"
	}
	return bad.ReplaceAllString(m[1]+strings.Replace(rest, "-", "~", 1)+after, "+") + "-1"
}

// bareHash is what git calls a commit if no tag is before it.
var bareHash = regexp.MustCompile(`^[0-9a-f]{7,40}(-dirty)?$`)
