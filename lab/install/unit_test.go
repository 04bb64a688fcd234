//go:build lab

// SPDX-License-Identifier: MIT

// What `reflexd unit` prints, under systemd on a board: each configuration works with it, and not without what it
// grants.

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/lab"
)

// confine writes a configuration and its drop-in, changed by edit, a script of sed, and restarts the service. It
// returns the exposure that systemd-analyze computes, in tenths.
func (g guest) confine(yaml, edit string) string {
	g.Helper()
	if err := g.WriteFile(g.Context(), "/etc/reflexd/reflexd.yaml", []byte(yaml), 0o644); err != nil {
		g.Fatal(err)
	}
	return g.sh(`set -e
d=/etc/systemd/system/reflexd.service.d
mkdir -p $d
reflexd unit | sed -e '` + edit + `' >$d/reflexd-unit.conf
systemctl daemon-reload
systemctl restart reflexd
sed '/^.Install/,$d' /usr/lib/systemd/system/reflexd.service | cat - $d/reflexd-unit.conf >/tmp/reflexd.service
systemd-analyze security --offline=true --no-pager /tmp/reflexd.service | sed -n 's/.*exposure level[^:]*: \([0-9.]*\).*/\1/p'`)
}

// until waits until a script prints what is wanted.
func (g guest) until(script, want string) {
	g.Helper()
	const patience = 30 * time.Second
	said := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if said = g.sh(script + " || true"); strings.Contains(said, want) {
			return
		}
	}
	g.Errorf("%s prints %q, without %q\n%s", script, said, want, g.sh("systemctl status --no-pager --lines 30 reflexd || true"))
}

func TestUnitUnderSystemd(t *testing.T) {
	build := exec.Command("make", "-s", "build/arm64/reflexd")
	build.Dir = "../.."
	run(t, build)
	g := boot(t, map[string]string{"usr/bin/reflexd": "../../build/arm64/reflexd", "usr/lib/systemd/system/reflexd.service": "../../packaging/reflexd.service"}, nil)
	chip, err := g.Chip(t.Context(), lab.Header("header"))
	if err != nil {
		t.Fatal(err)
	}
	g.sh("chmod 755 /usr/bin/reflexd; mkdir -p /etc/reflexd; sed -i s,/usr/local,/usr, /usr/lib/systemd/system/reflexd.service; chgrp gpio /dev/gpiochip*; chmod 660 /dev/gpiochip*")
	atMost := func(exposure, limit string) {
		t.Helper()
		if t.Logf("exposure %s", exposure); len(exposure) != len(limit) || exposure > limit {
			t.Errorf("the exposure is %s, at most %s is wanted", exposure, limit)
		}
	}

	const buttons = "lines: {power: {button: GPIO3}, lamp: {output: GPIO17}}\nvars: {n: {keep: true}}\nrules: [{when: {line: power, is: pressed}, do: [{set: {line: lamp, to: toggle}}, {var: {n: x}}]}]\n"
	atMost(g.confine(buttons, ""), "1.5")
	if user := g.sh("systemctl show --property DynamicUser --value reflexd; ls -l /run/reflexd/reflexd.sock | grep -c root || true"); user != "yes\n0" {
		t.Errorf("the agent with buttons alone runs as root: %s", user)
	}
	press := func() {
		for _, up := range []bool{false, true} { // a button to ground
			if err := chip.Pull(t.Context(), 3, up); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // its bounce is over
		}
	}
	press()
	if err := chip.AwaitValue(t.Context(), 17, true); err != nil {
		t.Error(err)
	}
	g.until("cat /var/lib/reflexd/state", `"n" "x"`)
	g.confine(buttons, "/char-gpiochip/d")
	g.until("reflexd status", "that can be opened: open GPIO chip /dev/gpiochip0: operation not permitted")
	g.confine(buttons, "/SupplementaryGroups/d")
	g.until("reflexd status", "permission denied")

	g.sh("systemctl stop reflexd; test ! -L /run/reflexd.sock")

	const drives = "automount: true\nrules: []\n"
	atMost(g.confine(drives, ""), "4.0")
	stick := filepath.Join(t.TempDir(), "stick.img")
	err = lab.StickImage(t.Context(), stick, lab.Volume{Type: "vfat", Label: "PHOTOS"})
	if err == nil {
		err = g.PlugStick(t.Context(), "stick", stick)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.until("grep /media/ /proc/mounts", "/media/PHOTOS vfat")
	g.sh("systemctl stop reflexd; umount /media/PHOTOS") // else it is found mounted
	g.confine(drives, "s/CAP_SYS_ADMIN//")
	g.until("reflexd status", "operation not permitted")

	const programs = "rules: [{when: {event: go}, do: {run: [sh, -c, \"id -u >/root/ran; touch /tmp/ran; mkdir -p /mnt; mount -t tmpfs x /mnt\"]}}]\n"
	atMost(g.confine(programs, ""), "6.9")
	g.sh("reflexd emit go")
	if said := g.sh("journalctl --unit reflexd --no-pager | grep -e SIGPENDING -e 'no longer get their own cgroup' || true"); said != "" {
		t.Errorf("in the log there is\n%s", said)
	}
	g.until("cat /root/ran; ls /tmp/ran; grep -c ' /mnt ' /proc/mounts", "0\n/tmp/ran\n1")

	// A rule that names date may set the clock, and no longer if that is taken away.
	const clock = "rules: [{when: {event: go}, do: {run: [date, -s, \"2031-05-06 07:08\"]}}]\n"
	g.confine(clock, "")
	g.sh("reflexd emit go")
	g.until("date +%Y-%m", "2031-05")
	g.confine(clock, "s/^#\\(.*CAP_SYS_TIME\\)/\\1/;s/^#\\(.*@clock\\)/\\1/")
	g.sh("reflexd emit go")
	g.until("journalctl --unit reflexd --no-pager --output cat", "cannot set date: Operation not permitted")
	// Raw packets are for no usual program.
	const packets = "rules: [{when: {event: go}, do: {run: [arping, -c, 1, 10.0.0.1]}}]\n"
	g.confine(packets, "")
	if said := g.sh("systemctl show --property RestrictAddressFamilies --value reflexd"); strings.Contains(said, "AF_") {
		t.Errorf("with a rule that names arping the address families are %s", said)
	}
}

// TestExamplesUnderTheirUnits starts each example with the limits that are printed for it: nothing is denied.
func TestExamplesUnderTheirUnits(t *testing.T) {
	build := exec.Command("make", "-s", "build/arm64/reflexd")
	build.Dir = "../.."
	run(t, build)
	g := boot(t, map[string]string{"usr/bin/reflexd": "../../build/arm64/reflexd", "usr/lib/systemd/system/reflexd.service": "../../packaging/reflexd.service"}, nil)
	if _, err := g.Chip(t.Context(), lab.Header("header")); err != nil {
		t.Fatal(err)
	}
	g.sh("chmod 755 /usr/bin/reflexd; mkdir -p /etc/reflexd; sed -i s,/usr/local,/usr, /usr/lib/systemd/system/reflexd.service")
	examples, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatal(err)
	}
	for _, example := range examples {
		if strings.HasSuffix(example, ".test.yaml") {
			continue
		}
		yaml, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		since := g.sh("date +%s")
		exposure := g.confine(string(yaml), "")
		t.Logf("%s: exposure %s", filepath.Base(example), exposure)
		if said := g.sh("systemctl is-active reflexd; journalctl --unit reflexd --no-pager --output cat --since @" + since + " | grep -i -e 'not permitted' -e 'denied' || true"); said != "active" {
			t.Errorf("%s: %s", filepath.Base(example), said)
		}
	}
}
