//go:build lab

// SPDX-License-Identifier: MIT

// How rules are tested where reflexd does not run: the image of the Dockerfile, as an empty root, and the lines for CI.

package install

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"
)

// rulesOfACustomer puts a configuration, its tests and a recording into a folder.
func rulesOfACustomer(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{
		"reflexd.yaml":      "lines: {bell: {button: GPIO3}}\nrules: [{name: ring, when: {line: bell, is: held, for: 3s}, do: {run: [ring]}}, {when: {time: '07:00'}, do: {log: day}}]\n",
		"reflexd.test.yaml": "tests:\n  - {name: it rings, given: {time: '2026-03-01 06:00', zone: Europe/Berlin}, steps: [{hold: {bell: 4s}}, {expect: {run: [ring]}}, {expect: {log: day}, within: 2h}]}\n",
		"fault.jsonl": `{"recording":1,"reflexd":"1.0","kernel":"Linux 6.1","time":100.0,"wall":"2026-03-01T12:00:00+01:00","zone":"Europe/Berlin","lines":{"bell":"off"}}
{"type":"event","time":101.0,"kind":"line","name":"bell","state":"falling","source":"gpio:bell"}
{"type":"event","time":105.0,"kind":"line","name":"bell","state":"rising","source":"gpio:bell"}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImage makes what the last stage of the Dockerfile says, and has the program work there: no file is there that is not copied.
func TestImage(t *testing.T) {
	text, err := os.ReadFile("../../packaging/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	build, last, ok := strings.Cut(string(text), "FROM scratch\n")
	if !ok {
		t.Fatal("no stage from scratch")
	}
	root := t.TempDir()
	compile := regexp.MustCompile(`RUN (CGO_ENABLED=0 go build .*) -o /reflexd (.*)`).FindStringSubmatch(build)
	if compile == nil {
		t.Fatal(build)
	}
	script := fmt.Sprintf("%s -o %s/reflexd %s", compile[1], root, compile[2])
	c := exec.Command("sh", "-c", script)
	c.Dir = "../.."
	run(t, c)
	var environ []string
	work := ""
	for line := range strings.Lines(last) {
		switch words := strings.Fields(line); words[0] {
		case "COPY":
			if from := words[2]; from != "/reflexd" {
				goRoot := strings.TrimSpace(run(t, exec.Command("go", "env", "GOROOT")))
				run(t, exec.Command("cp", strings.Replace(from, "/usr/local/go", goRoot, 1), root+words[3]))
			}
		case "ENV":
			environ = append(environ, words[1])
		case "WORKDIR":
			work = words[1]
		}
	}
	// Docker gives each container the devices of the OCI's runtime specification, /dev/null among them.
	err = errors.Join(os.Mkdir(root+work, 0o755), os.Mkdir(root+"/dev", 0o755), unix.Mknod(root+"/dev/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	if err != nil {
		t.Fatal(err)
	}
	rulesOfACustomer(t, root+work)
	installed := "/reflexd" // in the image
	for _, tc := range []struct{ arguments, want string }{
		{"test", "1 test passed"},
		{"check reflexd.yaml", "2 rules"},
		{"replay -c reflexd.yaml fault.jsonl", `rule "ring" fired`},
		{"convert --to test -c reflexd.yaml fault.jsonl", "expect: [{run: [ring]}]"},
		{"convert --to vcd fault.jsonl", "$timescale"},
		{"schema tests", "json-schema.org"},
	} {
		c := exec.Command(installed, strings.Fields(tc.arguments)...)
		c.Path, c.Env, c.Dir = installed, environ, work
		c.SysProcAttr = &unix.SysProcAttr{Chroot: root}
		said, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(said), tc.want) {
			t.Errorf("reflexd %s: %v\n%.2000s", tc.arguments, err, said)
		}
	}
}

// TestContinuousIntegration carries out what the page has CI services do.
func TestContinuousIntegration(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	root := debianRoot(t, runtime.GOARCH)
	packed, _ := packages(t, runtime.GOARCH)
	// The images have the package tzdata, which our smaller Debian has not.
	const zone = "usr/share/zoneinfo/Europe/Berlin"
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(zone)), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, root, "/"+zone, zone)
	blocks := regexp.MustCompile("(?s)```yaml ci\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		var file struct {
			Jobs map[string]struct {
				Steps []struct{ Run string }
			}
			Rules struct{ Script []string }
		}
		if err := yaml.Unmarshal(block[1], &file); err != nil {
			t.Fatal(err)
		}
		commands := file.Rules.Script
		for _, step := range file.Jobs["rules"].Steps {
			commands = append(commands, strings.TrimPrefix(step.Run, "sudo "))
		}
		work := filepath.Join(root, "work")
		if err := os.MkdirAll(filepath.Join(work, "ci"), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, root, packed, "work/ci/reflexd_1.0.0-1_amd64.deb")
		rulesOfACustomer(t, work)
		said := in(t, root, "sh", "-e", "-c", "cd /work\n"+strings.Join(commands, "\n"))
		if !strings.Contains(said, "1 test passed") || len(commands) < 3 {
			t.Errorf("%q prints\n%s", commands, said)
		}
		if text, err := os.ReadFile(filepath.Join(work, "rules.xml")); err != nil || !strings.Contains(string(text), `failures="0"`) {
			t.Errorf("%v %s", err, text)
		}
		in(t, root, "dpkg", "--purge", "reflexd")
		if err := os.RemoveAll(work); err != nil {
			t.Fatal(err)
		}
	}
}
