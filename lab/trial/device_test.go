// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"reflexd/lab"
)

// A drive is distinguished from others by what its maker wrote into it, when it comes
// and when it goes, on a board without udevd.
func TestStickKnownByItsMaker(t *testing.T) {
	const rules = `
rules:
  - name: in
    when: {uevent: {ACTION: add, SUBSYSTEM: block, DEVTYPE: partition, ID_BUS: usb, ID_VENDOR_ID: 46f4, ID_MODEL_ID: "0001"}}
    do: {log: "in: ${DEVNAME} ${ID_VENDOR} ${ID_MODEL} at ${ID_PATH}"}
  - name: out
    when: {uevent: {ACTION: remove, SUBSYSTEM: block, DEVTYPE: partition, ID_VENDOR: QEMU, ID_SERIAL: "QEMU_*"}}
    do: {log: "out: ${DEVNAME} ${ID_SERIAL_SHORT:-}"}
  - name: other
    when: {uevent: {SUBSYSTEM: block, ID_BUS: {not: usb}}}
    do: {log: "not ours: ${DEVNAME} ${ACTION}"}
`
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, rules)
			b.plugStick(t, "stick")
			line := a.expect(`in: /dev/sd[a-z]1 QEMU QEMU_HARDDISK at [a-z]+-.*usb-0:[0-9.]+:1.0-scsi-0:0:0:0`)
			t.Log(line)
			name := regexp.MustCompile(`/dev/sd[a-z]1`).FindString(line)
			b.unplug(t, "stick")
			t.Log(a.expect("out: " + name))
			if log := a.log(); strings.Contains(log, "not ours: /dev/sd") || strings.Contains(log, "cannot identify a device") {
				t.Errorf("a stick was not known:\n%s", log)
			}
			a.finish()
		}
	})
}

// A drive that is there is announced again to rules that were not there.
func TestTriggerTellsOfWhatIsThere(t *testing.T) {
	b := on(t, lab.Virt)
	b.plugStick(t, "early")
	defer b.unplug(t, "early")
	if err := b.AwaitFile(t.Context(), "/dev/sda1"); err != nil {
		t.Fatal(err)
	}
	a := b.start(t, `
rules:
  - {name: stick, when: {uevent: {SUBSYSTEM: block, ACTION: [add, change], ID_BUS: usb}}, do: {log: "told: ${ACTION} ${DEVNAME} ${COLDPLUG:-new} ${REQUESTED:-unasked}"}}
`)
	if out := b.shell(t, "reflexd trigger --dry-run --subsystem block --match ID_BUS=usb"); !strings.HasSuffix(out, "block/sda/sda1\n2 devices, nothing sent\n") {
		t.Errorf("dry run: %q", out)
	}
	if out := a.verb("trigger", "--subsystem", "block", "--match", "ID_BUS=usb"); out != "sent the events of 2 devices to the rules\n" {
		t.Errorf("printed %q", out)
	}
	a.expect("told: add /dev/sda 1 1")
	a.expect("told: add /dev/sda1 1 1")
	if out := b.shell(t, "reflexd trigger --kernel --subsystem block --match DEVTYPE=partition --action change"); !strings.Contains(out, "the kernel sent the uevents of 1 device ") {
		t.Errorf("printed %q", out)
	}
	a.expect("told: change /dev/sda1 new unasked")
}

// A burst of uevents: each fires its rule, and none is lost.
func TestBurstOfUevents(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		const events = 2000
		a := b.start(t, `
rules:
  - {name: burst, when: {uevent: {SUBSYSTEM: mem, DEVNAME: /dev/null}}, do: {emit: one}}
  - {name: last, when: {uevent: {SUBSYSTEM: mem, DEVNAME: /dev/zero}}, do: {log: "the last one"}}
  - {name: loss, when: {loss: "*"}, do: {log: "lost ${COUNT}"}}
`)
		b.shell(t, fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo change > /sys/devices/virtual/mem/null/uevent; i=$((i+1)); done
echo change > /sys/devices/virtual/mem/zero/uevent`, events))
		a.expect("the last one")
		status := a.verb("status")
		if !regexp.MustCompile(fmt.Sprintf(`burst +%d +0 +0`, events)).MatchString(status) || !strings.Contains(status, "0 losses") {
			t.Errorf("status:\n%s", status)
		}
	})
}

// The cable of the network card, its name and its addresses.
func TestNetworkLink(t *testing.T) {
	b := on(t, lab.Virt)
	if err := b.SetLink(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	b.shell(t, "ip link set eth0 down")
	a := b.start(t, `
rules:
  - {name: cable, when: {link: "eth*", is: [up, down]}, do: {log: "cable of ${IFNAME} is ${STATE}, ${MAC}"}}
  - {name: address, when: {link: "*", is: [address-added, address-removed], where: {FAMILY: inet}}, do: {log: "address ${ADDRESS}/${PREFIX} of ${IFNAME}: ${REFLEXD_EVENT}"}}
  - {name: name, when: {link: eth0, is: renamed}, do: {log: "${PREVIOUS} became ${IFNAME}"}}
`)
	b.shell(t, "ip link set eth0 up")
	a.expect("cable of eth0 is up, 52:54:")
	if err := b.SetLink(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	a.expect("cable of eth0 is down")
	if err := b.SetLink(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	a.expect("cable of eth0 is up")
	b.shell(t, "ip addr add 192.168.7.5/24 dev eth0")
	a.expect("address 192.168.7.5/24 of eth0: link eth0 address-added")
	if status := a.verb("status"); !regexp.MustCompile(`link +eth0 +up, 192.168.7.5/24`).MatchString(status) {
		t.Errorf("status:\n%s", status)
	}
	b.shell(t, "ip addr del 192.168.7.5/24 dev eth0")
	a.expect("address 192.168.7.5/24 of eth0: link eth0 address-removed")
	b.shell(t, "ip link set eth0 down; ip link set eth0 name lan0")
	a.expect("eth0 became lan0")
	b.shell(t, "ip link set lan0 name eth0")
	a.expect("lan0 became eth0")
}
