// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reflexd/agent"
	"reflexd/regular"
)

// unitOf returns the drop-in for a configuration, on a machine whose devices have a group of their own.
func unitOf(t *testing.T, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "dev/input"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"dev/gpiochip0", "dev/input/event0"} {
		if err := os.WriteFile(filepath.Join(dir, node), nil, 0o660); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(filepath.Join(dir, node), 0, 5); err != nil { // tty, on any Debian
				t.Fatal(err)
			}
		}
	}
	job := filepath.Join(dir, "usr/local/bin/job")
	if err := regular.Replace(job, "#!/bin/sh\nexec chrt -f 10 play \"$1\"\n", 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "it.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	c, ps, err := agent.Load([]string{file})
	if err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
	u := unit{needs: c.Needs(), root: dir, files: c.Files, program: "/usr/bin/reflexd"}
	var out bytes.Buffer
	u.write(&out)
	return out.String()
}

func TestUnit(t *testing.T) {
	gid := strconv.Itoa(os.Getegid()) // of files that we make
	if gid == "0" {
		gid = "5"
	}
	group, err := user.LookupGroupId(gid)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, yaml, want, not string }{
		{"buttons and lines", "lines: {a: {button: GPIO3}, b: {output: GPIO4}}\nrules: [{when: {line: a, is: pressed}, do: {set: {line: b, to: on}}}]",
			"DynamicUser=yes|SupplementaryGroups=" + group.Name + "|DeviceAllow=char-gpiochip rw|CapabilityBoundingSet=|ExecStart=/usr/bin/reflexd run --socket /run/reflexd/reflexd.sock|LimitNICE=-10|ProtectSystem=strict|PrivateTmp=yes",
			"DeviceAllow=char-input r|StateDirectory=reflexd"},
		{"a button in place", "rules: [{when: {button: GPIO3, is: pressed}, do: {log: x}}]", "DeviceAllow=char-gpiochip rw|DynamicUser=yes", ""},
		{"keys", "rules: [{when: {event: a}, if: {not: {any: [{key: KEY_A, is: pressed}]}}, do: {log: x}}]", "DeviceAllow=char-input r|DynamicUser=yes", "DeviceAllow=char-gpiochip rw"},
		{"a kept variable", "vars: {n: {keep: true}}\nrules: [{when: {event: a}, do: {var: {n: x}}}]\npriority: normal", "StateDirectory=reflexd|DynamicUser=yes", "LimitNICE=-10"},
		{"a state file elsewhere", "state_file: /srv/it/state\nvars: {n: {keep: true}}\nrules: []", "#DynamicUser=yes|ReadWritePaths=-/srv/it", "DynamicUser=yes"},
		{"drives", "automount: true\nrules: []", "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE|DeviceAllow=block-* rw|SystemCallFilter=@system-service @mount|#PrivateTmp=yes|#ProtectSystem=strict|#ProtectKernelTunables=yes|#ProtectProc=invisible|NoNewPrivileges=yes",
			"PrivateTmp=yes|ProtectSystem=strict|DynamicUser=yes|ProtectHome=yes|ProtectKernelModules=yes|ProtectKernelLogs=yes|ProtectControlGroups=yes"},
		{"LEDs", "rules: [{when: {event: a}, do: {set: {led: ACT, to: on}}}]", "#DynamicUser=yes|#ProtectKernelTunables=yes|CapabilityBoundingSet=|PrivateTmp=yes", "ProtectKernelTunables=yes"},
		{"writes", "rules: [{when: {event: a}, do: {write: {path: /srv/x/y, text: z}}, on_failure: {write: {path: \"/sys/class/*/z\", text: z}}}]", "ReadWritePaths=-/srv/x/y|#ProtectKernelTunables=yes", "DynamicUser=yes"},
		{"writes to odd places", "rules: [{when: {event: a}, do: {write: {path: \"/srv/my\\nfiles/50%/y\", text: z}}}]", `ReadWritePaths="-/srv/my\nfiles/50%%/y"`, "files/50%/y"},
		{"signals", "rules: [{when: {event: a}, do: {signal: {to: mpd, signal: SIGUSR1}}}]", "CapabilityBoundingSet=CAP_KILL|#ProtectProc=invisible", "DynamicUser=yes"},
		{"a device file", "files: {s: {path: /dev/sensor}}\nrules: [{when: {file: s, is: readable}, do: {log: x}}]", "DeviceAllow=/dev/sensor rw|#DynamicUser=yes", ""},
		{"metrics", "metrics: {file: /var/lib/node/x.prom}\nrules: []", "ReadWritePaths=-/var/lib/node|#DynamicUser=yes", ""},
		{"programs", "rules: [{name: one, when: {event: a}, do: {run: [x]}}, {name: two, when: {event: a}, do: {log: x}, on_failure: {shell: x}}]",
			"LockPersonality=yes|CapabilityBoundingSet=~CAP_SYS_PTRACE|SystemCallFilter=~@clock|RestrictRealtime=yes|#NoNewPrivileges=yes|#DevicePolicy=closed|# 2 rules, such as \"one\", run programs: sudo, su and ping would not work",
			"NoNewPrivileges=yes|DevicePolicy=closed|PrivateTmp=yes|ProtectSystem=strict|RestrictAddressFamilies=AF_UNIX AF_NETLINK"},
		{"a program that sets the clock", "rules: [{when: {event: a}, do: {run: [/bin/date, -s, now]}}]",
			"#CapabilityBoundingSet=~CAP_SYS_TIME|#SystemCallFilter=~@clock|# a rule or its script names date|RestrictRealtime=yes", "SystemCallFilter=~@clock"},
		{"programs in a script", "rules: [{when: {event: a}, do: {shell: 'x=1; modprobe snd||fuser -k /mnt'}}]",
			"#SystemCallFilter=~@module|#CapabilityBoundingSet=~CAP_SYS_PTRACE|SystemCallFilter=~@clock", ""},
		{"programs in a script's file", "rules: [{when: {event: a}, do: {run: [/usr/local/bin/job, x]}}]",
			"#RestrictRealtime=yes|# a rule or its script names chrt|SystemCallFilter=~@clock", "RestrictRealtime=yes"},
		{"programs and drives", "automount: true\nrules: [{when: {event: a}, do: {run: [x]}}]", "#CapabilityBoundingSet=~CAP_SYS_PTRACE", ""},
	} {
		lines := strings.Split(unitOf(t, c.yaml), "\n")
		has := func(line string) bool {
			for _, l := range lines {
				if l == line {
					return true
				}
			}
			return false
		}
		for want := range strings.SplitSeq(c.want, "|") {
			if !has(want) {
				t.Errorf("%s: there is no line %s in\n%s", c.name, want, strings.Join(lines, "\n"))
			}
		}
		for not := range strings.SplitSeq(c.not, "|") {
			if not != "" && has(not) {
				t.Errorf("%s: there is a line %s", c.name, not)
			}
		}
		for i, l := range lines {
			if strings.Contains(l, "=") && !strings.HasPrefix(l, "# ") && !strings.HasPrefix(lines[i-1], "# ") && !strings.Contains(lines[i-1], "=") {
				t.Errorf("%s: %s has no comment", c.name, l)
			}
		}
	}
}

// TestUnitConsidersAll fails for a new source or action until somebody has said in unit.go what it needs: files,
// devices, capabilities.
func TestUnitConsidersAll(t *testing.T) {
	names := agent.SourceNames()
	for _, f := range agent.Language().Fields {
		if f.Name != "rules" {
			continue
		}
		for _, inner := range f.Value.Shape().Elem.Fields {
			if inner.Name == "do" {
				for _, v := range inner.Value.Shape().Elem.Variants {
					names = append(names, v.Key)
				}
			}
		}
	}
	if len(names) < 25 {
		t.Errorf("there are only %s", names)
	}
	for _, name := range names {
		if !slices.Contains(considered, name) {
			t.Errorf("`reflexd unit` does not know what %q needs", name)
		}
	}
}

func TestUnitQuotesPaths(t *testing.T) {
	for word, want := range map[string]string{"/etc/x.yaml": "/etc/x.yaml", "/srv/my files": `"/srv/my files"`, "/a\nExecStart=x": `"/a\nExecStart=x"`, "/a%b$c": "/a%%b$$c"} {
		if got := quotedWord(word); got != want {
			t.Errorf("%s becomes %s, want %s", word, got, want)
		}
	}
}

// The command in the comment makes this drop-in again, in a shell.
func TestUnitNamesItsConfiguration(t *testing.T) {
	u := unit{root: t.TempDir(), files: []string{"/etc/a.yaml"}}
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{nil, "#   reflexd unit > /etc"},
		{[]string{"/etc/a.yaml", "/srv/the kid's/b.yaml"}, `#   reflexd unit -c '/etc/a.yaml' -c '/srv/the kid'\''s/b.yaml' > /etc`},
	} {
		u.paths = c.paths
		var out strings.Builder
		if u.write(&out); !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: %s", c.paths, &out)
		}
	}
}
