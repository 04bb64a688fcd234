// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"reflexd/agent"
	"reflexd/config"
	"reflexd/sources"
)

var update = flag.Bool("update", false, "write what doctor says into testdata/doctor")

// Each archive of testdata/doctor is a machine, with its files, the
// configuration reflexd.yaml, if it has one, and what doctor says of them.
func TestDoctorGolden(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("what doctor says depends on who asks; these machines are looked at by root")
	}
	t.Setenv("PATH", "/usr/bin:/bin:/opt/own")
	archives, _ := filepath.Glob("testdata/doctor/*.txtar")
	if len(archives) < 3 {
		t.Fatal("the machines are missing")
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			build(t, root, archive)
			got := diagnose(t, root)
			last := &archive.Files[len(archive.Files)-1]
			if last.Name != "want" {
				t.Fatal("its last file must be want")
			}
			if *update {
				last.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(last.Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// build makes the files of an archive below root, and what its comment orders:
// `mode 755 PATH`, `link TARGET PATH`, `folder PATH`.
func build(t *testing.T, root string, archive *txtar.Archive) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files[:len(archive.Files)-1] {
		path := filepath.Join(root, f.Name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, f.Data, 0o644))
	}
	for line := range strings.Lines(string(archive.Comment)) {
		switch words := strings.Fields(line); {
		case len(words) == 3 && words[0] == "mode":
			mode, err := strconv.ParseUint(words[1], 8, 32)
			must(err)
			must(os.Chmod(filepath.Join(root, words[2]), os.FileMode(mode)))
		case len(words) == 3 && words[0] == "link":
			path := filepath.Join(root, words[2])
			must(os.MkdirAll(filepath.Dir(path), 0o755))
			must(os.Symlink(words[1], path))
		case len(words) == 2 && words[0] == "folder":
			must(os.MkdirAll(filepath.Join(root, words[1]), 0o755))
		}
	}
}

// diagnose returns what doctor prints of the machine at root.
func diagnose(t *testing.T, root string) string {
	t.Helper()
	var c *agent.Configuration
	var warnings *config.Problems
	file := filepath.Join(root, "reflexd.yaml")
	if _, err := os.Stat(file); err == nil {
		if c, warnings, err = agent.Load([]string{file}); err != nil || warnings.Failed() {
			t.Fatal(err, warnings)
		}
	}
	var out bytes.Buffer
	writeFindings(&out, agent.Machine{Machine: sources.Machine{Root: root}, Socket: filepath.Join(root, "run/reflexd.sock")}.Examine(c, warnings))
	return strings.ReplaceAll(strings.ReplaceAll(out.String(), file, "reflexd.yaml"), root, "")
}
