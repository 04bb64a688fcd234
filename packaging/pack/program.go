// SPDX-License-Identifier: MIT

// What a built program is made of: modules, their licences, and the list of both that a release comes with.

package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// program is one that is built: the agent or the bridge.
type program struct {
	target
	called  string
	data    []byte
	modules []module // that are linked in, Go's own packages last
	sbom    []byte
}

// module is a work of others that is part of the program.
type module struct {
	path, version string
	sum           string   // of its source, as go.sum has it
	licences      []string // by their SPDX names
	texts         []string // of the licences, and notices
}

// licences names the licence of each module that may be linked in. A new module gets a line here when
// somebody has read what it asks for.
var licences = map[string][]string{
	"github.com/eclipse/paho.golang":    {"BSD-3-Clause"}, // or the EPL: we take the EDL, which SPDX calls so
	"github.com/gorilla/websocket":      {"BSD-2-Clause"},
	"github.com/warthog618/go-gpiocdev": {"MIT"},
	"golang.org/x/net":                  {"BSD-3-Clause"},
	"golang.org/x/sys":                  {"BSD-3-Clause"},
	"gopkg.in/yaml.v3":                  {"MIT", "Apache-2.0"},
	"std":                               {"BSD-3-Clause"},
}

// readProgram reads a program for t from where the Makefile puts it.
func (r *release) readProgram(called string, t target) (*program, error) {
	path := filepath.Join(r.root, "build", t.name, called)
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if arch := setting(info, "GOARCH"); arch != t.arch || arch == "arm" && !strings.HasSuffix(t.name, "v"+setting(info, "GOARM")[:1]) {
		return nil, fmt.Errorf("%s is for %s %s", path, arch, setting(info, "GOARM"))
	}
	p := &program{target: t, called: called}
	if p.data, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	for _, d := range append(info.Deps, &debug.Module{Path: "std", Version: info.GoVersion}) {
		m, err := r.readModule(d)
		if err != nil {
			return nil, err
		}
		p.modules = append(p.modules, m)
	}
	p.sbom, err = r.billOfMaterials(p)
	return p, err
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return "?"
}

// readModule finds a module's licences where Go keeps its source.
func (r *release) readModule(d *debug.Module) (module, error) {
	m := module{path: d.Path, version: d.Version, sum: d.Sum, licences: licences[d.Path]}
	if m.licences == nil {
		return m, fmt.Errorf("the licence of %s is not known to packaging/pack", d.Path)
	}
	asked := []string{"list", "-m", "-f", "{{.Dir}}", d.Path}
	if d.Path == "std" {
		asked = []string{"env", "GOROOT"}
	}
	c := exec.Command("go", asked...)
	c.Dir, c.Stderr = r.root, os.Stderr
	dir, err := c.Output()
	if err != nil {
		return m, fmt.Errorf("find the source of %s: %w", d.Path, err)
	}
	for _, name := range []string{"LICENSE", "NOTICE", "edl-v10"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), name))
		if err == nil {
			m.texts = append(m.texts, strings.TrimSpace(string(text)))
		}
	}
	if m.texts == nil {
		return m, fmt.Errorf("%s has no file LICENSE in %s", d.Path, dir)
	}
	return m, nil
}

// copyright returns the licences of the program and of all that is linked into it.
func (r *release) copyright(p *program) ([]byte, error) {
	own, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, its documentation and examples:\n\n%s\n", p.called, bytes.TrimSpace(own))
	fmt.Fprint(&b, "\nThe program contains works of others, unchanged.\n")
	for _, m := range p.modules {
		name := m.path
		if name == "std" {
			name = "The Go runtime and standard library"
		}
		fmt.Fprintf(&b, "\n%s\n%s %s (%s):\n", strings.Repeat("-", 78), name, m.version, strings.Join(m.licences, " and "))
		for _, text := range m.texts {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
	}
	return b.Bytes(), nil
}

// The parts of CycloneDX 1.5 that we fill in.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type     string    `json:"type"`
		Ref      string    `json:"bom-ref"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		Licenses []licence `json:"licenses"`
		PURL     string    `json:"purl,omitempty"`
		// Properties has the module's checksum: `hashes` must be of one file.
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

func (r *release) billOfMaterials(p *program) ([]byte, error) {
	own := component{Type: "application", Ref: p.called, Name: p.called, Version: r.version, Licenses: licensed("MIT"),
		Properties: []property{{"reflexd:target", "linux/" + p.name}}}
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{r.date.Format("2006-01-02T15:04:05Z"), own}}
	needs := dependency{Ref: own.Ref}
	for _, m := range p.modules {
		c := component{Type: "library", Ref: m.path, Name: m.path, Version: m.version, Licenses: licensed(m.licences...),
			PURL: "pkg:golang/" + m.path + "@" + m.version}
		if m.sum != "" {
			c.Properties = []property{{"go:sum", m.sum}}
		}
		b.Components = append(b.Components, c)
		needs.DependsOn = append(needs.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{needs}
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

func licensed(ids ...string) []licence {
	all := make([]licence, len(ids))
	for i, id := range ids {
		all[i].License.ID = id
	}
	return all
}
