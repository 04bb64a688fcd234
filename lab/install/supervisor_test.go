//go:build lab

// SPDX-License-Identifier: MIT

// The archive under the supervisors of Debian's packages runit and s6, which are started by hand: process 1 is
// systemd.

package install

import (
	"path/filepath"
	"strings"
	"testing"

	"reflexd/lab/image"
)

func TestArchiveUnderSupervisors(t *testing.T) {
	out := pack(t, "arm64", "v1.0.0", "v1.1.0")
	files := map[string]string{}
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		name := "reflexd-" + version + "-linux-arm64.tar.gz"
		files["root/"+name] = filepath.Join(out, name)
	}
	g := boot(t, files, image.Supervisors)
	g.sh(`cd /root; for a in *.tar.gz; do tar xzf $a; done
rm -f /etc/service # a link to where no package script has been
mkdir -p /etc/service /etc/reflexd; systemd-run --unit runit runsvdir /etc/service
echo 'rules: [{when: {event: a}, do: {log: b}}]' >/etc/reflexd/reflexd.yaml`)

	running := func() string {
		t.Helper()
		g.until("sv check reflexd", "ok: run: reflexd: (pid ")
		return g.sh("reflexd status --json | grep '\"pid\"'")
	}
	g.sh("INIT=runit /root/reflexd-v1.0.0-linux-arm64/install.sh")
	first := running()
	g.until("cat /var/log/reflexd/current", "msg=started")
	g.sh("echo '# mine' >>/etc/sv/reflexd/run")
	if said := g.sh("INIT=runit /root/reflexd-v1.1.0-linux-arm64/install.sh"); !strings.Contains(said, "install.sh: replaced /etc/sv/reflexd/run; the previous file is /etc/sv/reflexd/run.old") {
		t.Errorf("over a service that was edited, install.sh prints\n%s", said)
	}
	if kept := g.sh("tail -n 1 /etc/sv/reflexd/run.old; ls /etc/sv/reflexd"); kept != "# mine\ncheck\nlog\nrun\nrun.old\nsupervise" {
		t.Errorf("the edited service is now\n%s", kept)
	}
	second := running()
	if second == first {
		t.Errorf("before the upgrade %s ran, after it %s", first, second)
	}
	g.sh("sv kill reflexd")
	g.until("reflexd status --json | grep '\"pid\"' | grep -vF '"+second+"'", "pid")
	g.sh("echo ruels: >/etc/reflexd/reflexd.yaml")
	if said := g.sh("INIT=runit /root/reflexd-v1.0.0-linux-arm64/install.sh 2>&1 || true"); !strings.Contains(said, "nothing was changed") {
		t.Errorf("with a configuration that is refused, install.sh prints\n%s", said)
	}
	running()
	g.sh("INIT=runit /root/reflexd-v1.1.0-linux-arm64/install.sh --purge")
	if left := g.sh("find /etc /usr/local /var/lib /var/log -path '*reflexd*'; pidof reflexd runsv svlogd || true"); left != "" {
		t.Errorf("left after --purge:\n%s", left)
	}
	if said := g.sh("INIT=upstart /root/reflexd-v1.1.0-linux-arm64/install.sh 2>&1 || true"); said != "install.sh: INIT=upstart: expected systemd, openrc, runit, inittab or none" {
		t.Error(said)
	}

	// s6 reports readiness no earlier than the agent answers.
	g.sh(`cd /root/reflexd-v1.1.0-linux-arm64; install -m 755 reflexd /usr/local/bin; mkdir -p /run/s6 /etc/reflexd; cp -r s6 /run/s6/reflexd
echo 'rules: [{when: {event: a}, do: {log: b}}]' >/etc/reflexd/reflexd.yaml
systemd-run --unit s6 s6-svscan /run/s6`)
	g.until("s6-svstat -o up,ready /run/s6/reflexd", "true true")
	g.sh("s6-svc -wR -r /run/s6/reflexd && reflexd status >/dev/null")
}
