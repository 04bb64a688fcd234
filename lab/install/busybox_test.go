//go:build lab

// SPDX-License-Identifier: MIT

// The archive on a board without dpkg, where BusyBox is process 1: in a PID namespace, since the lab's own program is
// the board's.

package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/lab"
)

func TestArchiveUnderBusyBox(t *testing.T) {
	out := pack(t, "arm64", "v1.0.0", "v1.1.0")
	files := map[string]lab.File{}
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		name := "reflexd-" + version + "-linux-arm64.tar.gz"
		files["/root/"+name] = lab.File{Path: filepath.Join(out, name)}
	}
	board, err := lab.Boot(t.Context(), lab.Config{Machine: lab.Virt, Files: files, Saved: true, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() })
	g := guest{t, board}
	// The last line of a file that somebody has edited may have no end.
	init := g.sh(`printf ::sysinit:/bin/true >/etc/inittab
cd /root; for a in *.tar.gz; do tar xzf $a; done
mkdir -p /usr/local/bin
unshare -m -p -f --mount-proc busybox init </dev/null >/dev/null 2>&1 &
for i in $(seq 50); do p=$(cat /proc/$!/task/$!/children); [ "$(tr -d '\0' </proc/${p% }/cmdline)" = init ] && break; sleep 0.1; done 2>/dev/null
echo $p`)
	inside := func(script string) string {
		return g.sh("nsenter -m -p -t " + init + " sh -c 'cd /root; " + script + "'")
	}
	running := func() string {
		return inside("for i in $(seq 50); do reflexd status --json 2>/dev/null | grep \"pid\\\"\" && exit; sleep 0.1; done; echo none")
	}

	inside("reflexd-v1.0.0-linux-arm64/install.sh")
	first := running()
	if !strings.HasPrefix(first, `"pid"`) {
		t.Fatalf("after the installation there runs %s", first)
	}
	// An upgrade keeps arguments that somebody has added.
	inside("sed -i \"s/reflexd run/& --log-level debug/\" /etc/inittab")
	inside("reflexd-v1.1.0-linux-arm64/install.sh")
	inside("while reflexd status --json 2>/dev/null | grep -qF " + strings.ReplaceAll(first, `"`, `\"`) + "; do sleep 0.1; done")
	if second := running(); second == first || second == "none" {
		t.Errorf("before the upgrade %s ran, after it %s", first, second)
	}
	if lines := inside("cat /etc/inittab"); lines != "::sysinit:/bin/true\n::respawn:/usr/local/bin/reflexd run --log-level debug" {
		t.Errorf("/etc/inittab has\n%s", lines)
	}
	// syslogd of BusyBox.
	inside("busybox syslogd -O /tmp/messages; for i in $(seq 50); do [ -S /dev/log ] && break; sleep 0.1; done; " +
		"reflexd run --dry-run --log-target syslog & for i in $(seq 50); do grep -q version= /tmp/messages && break; sleep 0.1; done; kill $!")
	if said := inside("cat /tmp/messages"); !strings.Contains(said, " daemon.info reflexd[") || !strings.Contains(said, "]: started version=") {
		t.Errorf("syslogd has written\n%s", said)
	}
	inside("echo ruels: >/etc/reflexd/reflexd.yaml")
	if said := inside("reflexd-v1.0.0-linux-arm64/install.sh || true"); !strings.Contains(said, "this version refuses the configuration; nothing was changed") {
		t.Errorf("with a configuration that is refused, install.sh prints\n%s", said)
	}
	if running() == "none" {
		t.Error("and the agent runs no more")
	}
	inside("reflexd-v1.1.0-linux-arm64/install.sh --purge")
	if left := inside("grep respawn /etc/inittab; ls -d /usr/local/bin/reflexd /etc/reflexd 2>/dev/null; for i in $(seq 50); do pidof reflexd >/dev/null || exit 0; sleep 0.1; done; pidof reflexd"); left != "" {
		t.Errorf("left after --purge:\n%s", left)
	}
}
