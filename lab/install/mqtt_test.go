//go:build lab

// SPDX-License-Identifier: MIT

// The bridge's package on a board where systemd is process 1, with a broker on the host.

package install

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"reflexd/lab"
	"reflexd/lab/mqtt"
)

// bridgeOf returns the path of the bridge's package beside that of the agent.
func bridgeOf(agent string) string {
	return filepath.Join(filepath.Dir(agent), strings.Replace(filepath.Base(agent), "reflexd_", "reflexd-mqtt_", 1))
}

// The package makes its user in a Debian whose systemd does not run, and stays out of
// the way where there is no systemd-sysusers.
func TestBridgePackageInChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can use chroot")
	}
	agent, _ := packages(t, runtime.GOARCH)
	for _, sysusers := range []bool{true, false} {
		root := debianRoot(t, runtime.GOARCH)
		if !sysusers {
			if err := os.Remove(filepath.Join(root, "usr/bin/systemd-sysusers")); err != nil {
				t.Fatal(err)
			}
		}
		put(t, root, agent, "1.deb")
		put(t, root, bridgeOf(agent), "2.deb")
		in(t, root, "dpkg", "--install", "1.deb", "2.deb")
		if user := in(t, root, "getent", "passwd", "reflexd-mqtt"); !strings.HasSuffix(user, "nologin\n") {
			t.Errorf("its user is %q", user)
		}
		in(t, root, "getent", "group", "reflexd-mqtt")
		if said := in(t, root, "dpkg", "--verify", "reflexd-mqtt"); said != "" {
			t.Errorf("dpkg --verify: %s", said)
		}
		if !exists(root, "etc/systemd/system/multi-user.target.wants/reflexd-mqtt.service") {
			t.Error("the service is not enabled")
		}
		in(t, root, "dpkg", "--purge", "reflexd-mqtt")
		for _, path := range listing(t, root) {
			if strings.Contains(path, "reflexd-mqtt") {
				t.Errorf("left after the purge: %s", path)
			}
		}
	}
}

func TestBridgeUnderSystemd(t *testing.T) {
	const patience = time.Minute
	broker, err := mqtt.Start(t.TempDir(), mqtt.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	host, err := mqtt.Connect(t.Context(), broker.Port)
	if err != nil {
		t.Fatal(err)
	}
	await := func(topic, payload string) {
		t.Helper()
		if _, err := host.Await(patience, func(m mqtt.Message) bool { return m.Topic == "board/"+topic && m.Payload == payload && !m.Retained }); err != nil {
			t.Fatal(topic, payload, err)
		}
	}
	publish := func(topic, payload string) {
		t.Helper()
		if err := host.Publish(t.Context(), "board/"+topic, payload, false); err != nil {
			t.Fatal(err)
		}
	}

	agent := filepath.Join(pack(t, "arm64", "v1.0.0"), "reflexd_1.0.0-1_arm64.deb")
	probe := filepath.Join(t.TempDir(), "probe")
	if err := lab.Build(t.Context(), "arm64", "reflexd/lab/probe", probe); err != nil {
		t.Fatal(err)
	}
	g := boot(t, map[string]string{"root/1.deb": agent, "root/2.deb": bridgeOf(agent), "root/probe": probe}, nil, lab.HostCard...)
	chip, err := g.Chip(t.Context(), lab.Header("header"))
	if err != nil {
		t.Fatal(err)
	}
	g.sh("chmod 755 /root/probe; /root/probe address " + lab.HostCardMAC + " " + lab.GuestAddress)
	g.sh(fmt.Sprintf(`dpkg --install /root/1.deb
cat >/etc/reflexd/reflexd.yaml <<'END'
mqtt: {broker: "mqtt://%s:%d", topic: board, expose: [lamp]}
lines: {lamp: {output: GPIO17}, hidden: {output: GPIO27}}
vars: {secret: {initial: x}}
rules: [{name: chime, when: {mqtt: chime}, do: {log: "chime $\{PAYLOAD}"}}]
END
sed -i 's/\\{/{/' /etc/reflexd/reflexd.yaml
reflexd reload`, lab.HostAddress, broker.Port))

	// The package brings the user, and has the agent learn of its group.
	g.sh("dpkg --install /root/2.deb")
	await("line/lamp", "OFF")
	await("availability", "online")
	user := g.sh("ps -o user:20= -p $(systemctl show --property MainPID --value reflexd-mqtt); grep -E '^(Uid|CapEff)' /proc/$(systemctl show --property MainPID --value reflexd-mqtt)/status")
	if !strings.Contains(user, "reflexd-mqtt") || strings.Contains(user, "Uid:\t0\t") || !strings.Contains(user, "CapEff:\t0000000000000000") {
		t.Errorf("the bridge runs as %s", user)
	}
	if exposure := g.sh("sed '/^.Install/,$d' /usr/lib/systemd/system/reflexd-mqtt.service >/tmp/reflexd-mqtt.service; systemd-analyze security --offline=true --no-pager /tmp/reflexd-mqtt.service | sed -n 's/.*exposure level[^:]*: \\([0-9.]*\\).*/\\1/p'"); len(exposure) != 3 || exposure > "1.5" {
		t.Errorf("the exposure is %q, at most 1.5 is wanted", exposure)
	}
	publish("line/lamp/set", "ON")
	await("line/lamp", "ON")
	if err := chip.AwaitValue(t.Context(), 17, true); err != nil {
		t.Error(err)
	}
	publish("chime", "ding")
	g.until("journalctl --unit reflexd --no-pager", "chime ding")

	// Its user can do what is exposed, and nothing else.
	as := "setpriv --reuid reflexd-mqtt --regid reflexd-mqtt --clear-groups reflexd "
	if said := g.sh(as + "get line/lamp"); said != "on" {
		t.Errorf("get line/lamp prints %q", said)
	}
	for _, denied := range []string{"set line/hidden on", "get var/secret", "set hidden on", "status", "emit chime", "reload", "watch"} {
		if said := g.sh(as + denied + " 2>&1 || true"); !strings.Contains(said, "permission denied") {
			t.Errorf("%s prints %q", denied, said)
		}
	}

	// It comes back after it was killed, and after the agent was started again.
	g.sh("systemctl kill --kill-whom=main --signal=KILL reflexd-mqtt")
	await("availability", "offline")
	await("availability", "online")
	if n := g.sh("systemctl show --property NRestarts --value reflexd-mqtt"); n != "1" {
		t.Errorf("it was started again %s times", n)
	}
	g.sh("systemctl restart reflexd")
	await("line/lamp", "OFF")
	await("availability", "online")

	// An agent with the tightest unit has a user that the bridge does not see.
	g.sh("chgrp gpio /dev/gpiochip*; chmod 660 /dev/gpiochip*; mkdir -p /etc/systemd/system/reflexd.service.d; reflexd unit >/etc/systemd/system/reflexd.service.d/reflexd-unit.conf; systemctl daemon-reload; systemctl restart reflexd")
	await("availability", "offline")
	await("availability", "online")
	publish("line/lamp/set", "ON")
	await("line/lamp", "ON")
	if user := g.sh("systemctl show --property DynamicUser --value reflexd"); user != "yes" {
		t.Errorf("DynamicUser is %s", user)
	}
	g.sh("systemctl stop reflexd-mqtt")
	await("availability", "offline")

	g.sh("dpkg --purge reflexd-mqtt; dpkg --purge reflexd")
	if left := g.sh("find /etc /usr /var/lib /run -path '*reflexd*' -not -path '/var/lib/dpkg/*' -not -path '/run/lab/*'"); left != "" {
		t.Errorf("left after the purge:\n%s", left)
	}
}
