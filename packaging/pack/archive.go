// SPDX-License-Identifier: MIT

// The archive for boards without dpkg: the same files, and a script that installs them.

package main

// archive returns what is in the archive.
func (r *release) archive(p *program) (*tree, error) {
	copyright, err := r.copyright(p)
	if err != nil {
		return nil, err
	}
	t := &tree{root: r.root}
	t.add("reflexd", 0o755, p.data)
	t.copy("install.sh", 0o755, "packaging/install.sh")
	t.copy("reflexd.yaml", 0o644, "packaging/reflexd.yaml")
	t.copy("reflexd.service", 0o644, "packaging/reflexd.service")
	for _, script := range []string{"openrc/reflexd", "runit/run", "runit/check", "runit/log/run", "s6/run"} {
		t.copy(script, 0o755, "packaging/"+script)
	}
	t.copy("60-reflexd.rules", 0o644, "packaging/60-reflexd.rules")
	t.copy("s6/notification-fd", 0o644, "packaging/s6/notification-fd")
	t.add("COPYRIGHT", 0o644, copyright)
	t.add("sbom.cdx.json", 0o644, p.sbom)
	t.copy("LICENSE", 0o644, "LICENSE")
	t.copy("CHANGELOG.md", 0o644, "CHANGELOG.md")
	t.copyAll("completion", "cmd/reflexd/completion/*", nil)
	t.copyAll("man", "docs/man/*", nil)
	t.documents(".")
	return t, t.err
}
