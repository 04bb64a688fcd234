//go:build lab

// SPDX-License-Identifier: MIT

// The Debian package on a board where systemd is process 1: installed, upgraded, removed and purged by dpkg while
// the service runs.

package install

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/lab"
	"reflexd/lab/image"
)

// masked are units of a Debian that take long to start on an emulated board, and that nothing here needs.
var masked = strings.Fields(`apt-daily.timer apt-daily-upgrade.timer dev-hugepages.mount dev-mqueue.mount dpkg-db-backup.timer
	e2scrub_all.timer e2scrub_reap.service fstrim.timer getty.target proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount
	sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount modprobe@.service systemd-ask-password-console.path
	systemd-ask-password-wall.path systemd-journal-flush.service systemd-logind.service systemd-modules-load.service
	systemd-pstore.service systemd-random-seed.service systemd-remount-fs.service systemd-sysusers.service
	systemd-tmpfiles-clean.timer systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-update-utmp.service
	systemd-user-sessions.service serial-getty@ttyAMA0.service`)

// guest is a board with systemd.
type guest struct {
	*testing.T
	*lab.Board
}

// boot boots a Debian with the given files in its root, with more packages, and with
// more arguments for QEMU.
func boot(t *testing.T, files map[string]string, more []string, qemu ...string) guest {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make the root of a system")
	}
	root := debianRoot(t, "arm64", more...)
	units := filepath.Join(root, "etc/systemd/system")
	for _, unit := range masked {
		link(t, "/dev/null", filepath.Join(units, unit))
	}
	if err := os.WriteFile(filepath.Join(units, "lab.service"), []byte(lab.GuestService), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(units, "multi-user.target.wants"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, "../lab.service", filepath.Join(units, "multi-user.target.wants/lab.service"))
	link(t, "/usr/lib/systemd/system/multi-user.target", filepath.Join(units, "default.target"))
	for to, from := range files {
		put(t, root, from, to)
	}
	disk := filepath.Join(t.TempDir(), "root.img")
	run(t, image.Command(t.Context(), "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", root, disk, "400M"))
	board, err := lab.Boot(t.Context(), lab.Config{Machine: lab.Virt, Root: disk, Cmdline: "systemd.show_status=0", QEMU: qemu, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() })
	return guest{t, board}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// sh returns what a script prints, and ends the test if it fails.
func (g guest) sh(script string) string {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), 5*time.Minute) // dpkg is slow there, and slower on a busy host
	defer cancel()
	said, err := g.Shell(ctx, script+" 2>&1")
	if err != nil {
		g.Fatalf("%s: %v\n%s", script, err, said)
	}
	return strings.TrimSpace(said)
}

// pid is the main process of the service, "0" if there is none.
func (g guest) pid() string { return g.sh("systemctl show --property MainPID --value reflexd") }

func TestPackageUnderSystemd(t *testing.T) {
	before, after := packages(t, "arm64")
	g := boot(t, map[string]string{"root/1.deb": before, "root/2.deb": after}, nil)
	chip, err := g.Chip(t.Context(), lab.Header("header"))
	if err != nil {
		t.Fatal(err)
	}
	g.sh("dpkg --install /root/1.deb")
	if state := g.sh("systemctl is-active reflexd; systemctl is-enabled reflexd"); state != "active\nenabled" {
		t.Fatalf("after the installation the service is %s", state)
	}
	g.sh(`cat >/etc/reflexd/reflexd.yaml <<'END'
lines: {lamp: {output: GPIO17}}
rules:
  - {name: on, when: {event: light}, do: {set: {line: lamp, to: on}}}
END
reflexd reload && reflexd emit light`)
	if err := chip.AwaitValue(t.Context(), 17, true); err != nil {
		t.Fatal(err)
	}
	first := g.pid()
	for _, c := range []struct{ ask, want string }{
		{"REFLEXD_RULE=on --output json", `"MESSAGE":"fired rule=on`},
		{"REFLEXD_RULE=on --output json", `"SYSLOG_IDENTIFIER":"reflexd"`},
		{"REFLEXD_RULE=on --output json", `"PRIORITY":"6"`},
		{"--output cat", "started version="},
	} {
		g.until("journalctl --unit reflexd --no-pager "+c.ask, c.want)
	}

	g.sh("dpkg --install /root/2.deb </dev/null")
	second := g.pid()
	if second == first || second == "0" {
		t.Errorf("the upgrade left the process %s, now %s", first, second)
	}
	// As the documentation says: the line was released, and has its initial level again.
	if err := chip.AwaitValue(t.Context(), 17, false); err != nil {
		t.Error(err)
	}
	if said := g.sh("reflexd status"); !strings.Contains(said, "lamp") {
		t.Errorf("after the upgrade:\n%s", said)
	}

	g.sh("sed -i s/rules:/ruels:/ /etc/reflexd/reflexd.yaml")
	said := g.sh("dpkg --install /root/2.deb")
	for _, want := range []string{`unknown key "ruels"`, "this version refuses the configuration"} {
		if !strings.Contains(said, want) {
			t.Errorf("the upgrade to a version that refuses the configuration prints\n%s\nwithout %q", said, want)
		}
	}
	if now := g.pid(); now != second {
		t.Errorf("that upgrade ended the process %s, now %s", second, now)
	}
	g.sh("sed -i s/ruels:/rules:/ /etc/reflexd/reflexd.yaml")

	g.sh("dpkg --remove reflexd")
	if state := g.sh("systemctl is-active reflexd || true; test ! -e /usr/bin/reflexd && test -e /etc/reflexd/reflexd.yaml"); state != "inactive" {
		t.Errorf("after the removal the service is %s", state)
	}
	g.sh("dpkg --purge reflexd")
	if left := g.sh("find /etc /usr /var/lib /run -path '*reflexd*' -not -path '/var/lib/dpkg/*' -not -path '/run/lab/*'"); left != "" {
		t.Errorf("left after the purge:\n%s", left)
	}
}

// TestWatchdogUnderSystemd stops the agent, which looks to systemd as a loop that hangs.
func TestWatchdogUnderSystemd(t *testing.T) {
	build := exec.Command("make", "-s", "build/arm64/reflexd")
	build.Dir = "../.."
	run(t, build)
	g := boot(t, map[string]string{"usr/bin/reflexd": "../../build/arm64/reflexd", "usr/lib/systemd/system/reflexd.service": "../../packaging/reflexd.service"}, nil)
	g.sh(`chmod 755 /usr/bin/reflexd; mkdir -p /etc/reflexd; echo 'rules: []' >/etc/reflexd/reflexd.yaml
sed -i -e s,/usr/local,/usr, -e s,WatchdogSec=30,WatchdogSec=4, -e s,TimeoutStopSec=5,TimeoutStopSec=2, /usr/lib/systemd/system/reflexd.service
systemctl daemon-reload; systemctl start reflexd`)
	first := g.pid()
	g.sh("sleep 9") // more than two periods
	if now := g.pid(); now != first {
		t.Fatalf("the process %s, whose loop goes round, is now %s", first, now)
	}
	g.sh("kill -STOP " + first)
	second := g.sh("for i in $(seq 30); do p=$(systemctl show --property MainPID --value reflexd); [ $p != " + first + " ] && [ $p != 0 ] && break; sleep 1; done; echo $p")
	if result := g.sh("journalctl --unit reflexd --no-pager | grep -c 'Watchdog timeout'"); second == first || result == "0" {
		t.Errorf("the process %s, whose loop hung, is now %s; %s watchdog timeouts", first, second, result)
	}
}
