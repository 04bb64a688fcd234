// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"reflexd/lab"
)

// siteRule is what the owner of a machine might have configured in udev.
const siteRule = `SUBSYSTEM=="block", ENV{ID_FS_LABEL}=="PHOTOS", ENV{SITE_ROLE}="camera", TAG+="site", SYMLINK+="camera"
`

// udevBoard boots a board that can run Debian's udevd.
var udevBoard = sync.OnceValues(func() (*board, error) {
	return boot(lab.Config{Machine: lab.Virt, Udev: true, Files: map[string]lab.File{
		"/etc/udev/rules.d/90-site.rules": lab.Text(siteRule),
	}})
})

// onUdev returns a board on which udevd runs as long as the test.
func onUdev(t *testing.T) *board {
	t.Helper()
	wants(t, lab.Virt)
	b, err := udevBoard()
	if err != nil {
		t.Fatal(err)
	}
	b.startUdevd(t)
	t.Cleanup(func() { _, _ = b.Shell(context.Background(), "udevadm control --exit") })
	return b
}

// startUdevd starts it with one worker: more of them would leave little to others
// on an emulated board.
func (b *board) startUdevd(t *testing.T) {
	t.Helper()
	b.shell(t, "/lib/systemd/systemd-udevd --daemon --children-max=1 >/tmp/udevd.log 2>&1 && udevadm control --ping")
}

// identity are the fields that both udevd and reflexd have.
var identity = []string{
	"ID_BUS", "ID_VENDOR_ID", "ID_MODEL_ID", "ID_VENDOR", "ID_MODEL", "ID_SERIAL", "ID_SERIAL_SHORT", "ID_USB_INTERFACE_NUM", "ID_PATH",
}

// identityText is the text of a rule that logs all of identity.
func identityText(stage string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s:${DEVPATH}:", stage)
	for _, name := range identity {
		fmt.Fprintf(&text, "|${%s:-}", name)
	}
	return text.String() + "|"
}

// identities returns what the agent's log has of a stage, by DEVPATH.
func identities(log, stage string) map[string][]string {
	all := map[string][]string{}
	for _, m := range regexp.MustCompile(`msg="?`+stage+`:([^|]*):\|(.*)\|"?( |\n)`).FindAllStringSubmatch(log, -1) {
		all[m[1]] = strings.Split(m[2], "|")
	}
	return all
}

// A stick reaches rules by udevd, with what udevd and the machine's own rules
// found out, and by the kernel, once each.
func TestUdevTellsOfAStick(t *testing.T) {
	b := onUdev(t)
	const trigger = "when: {uevent: {ACTION: add, SUBSYSTEM: block, DEVTYPE: partition"
	rules := `
rules:
  - {name: ours, ` + trigger + `}}, do: {log: "` + identityText("kernel") + `"}}
  - {name: theirs, ` + trigger + `}, stage: udev}, do: {log: "` + identityText("udev") + `"}}
  - {name: content, ` + trigger + `, ID_FS_LABEL: PHOTOS, TAGS: "*:site:*"}, stage: udev}, do: {log: "content: ${STAGE} ${DEVNAME} ${ID_FS_TYPE} ${ID_FS_UUID} ${SITE_ROLE} ${TAGS} ${DEVLINKS}"}}
  - {name: forged, when: {uevent: {SUBSYSTEM: forged}, stage: udev}, do: {log: "from udev: ${DEVPATH}"}}
  - {name: out, when: {uevent: {ACTION: remove, DEVTYPE: partition, ID_SERIAL_SHORT: stick}, stage: udev}, do: {log: "gone: ${DEVNAME} ${ID_FS_LABEL}"}}
`
	a := b.start(t, rules)
	b.plugStick(t, "stick")
	content := a.expect("msg=\"content: ")
	if !regexp.MustCompile(`content: udev /dev/sda1 vfat [0-9A-F]{4}-[0-9A-F]{4} camera :([a-z]+:)*site:([a-z]+:)* .*/dev/camera`).MatchString(content) {
		t.Errorf("udev told: %s", content)
	}
	for _, name := range []string{"ours", "theirs", "content"} {
		a.expectVerb(name, "status")
		if n := count(a.log(), "msg=fired rule="+name); n != 1 {
			t.Errorf("rule %s fired %d times", name, n)
		}
	}
	for path, theirs := range identities(a.log(), "udev") {
		t.Log(path, theirs)
		if ours := identities(a.log(), "kernel")[path]; strings.Join(ours, "|") != strings.Join(theirs, "|") {
			t.Errorf("we say  %q\nudev says %q", ours, theirs)
		}
		for i, want := range []string{"usb", "46f4", "0001", "QEMU", "QEMU_HARDDISK", "QEMU_QEMU_HARDDISK_stick-0:0", "stick", "00"} {
			if theirs[i] != want {
				t.Errorf("%s is %q, want %q", identity[i], theirs[i], want)
			}
		}
	}

	b.shell(t, "probe forge 1000 ACTION=add DEVPATH=/devices/false SUBSYSTEM=forged && probe forge 0 ACTION=add DEVPATH=/devices/true SUBSYSTEM=forged")
	a.expect("from udev: /devices/true")
	if strings.Contains(a.log(), "/devices/false") {
		t.Error("a user's word was taken for udevd's")
	}
	if status := a.verb("status"); !regexp.MustCompile(`udev +[0-9]+ received, 0 malformed, 1 from others, 0 losses`).MatchString(status) {
		t.Errorf("status:\n%s", status)
	}
	if out, _ := b.doctor(t, "/usr/bin/reflexd", rules, "/tmp/no-socket"); !strings.Contains(out, "uevents of udev: can be received") {
		t.Errorf("doctor:\n%s", out)
	}
	b.unplug(t, "stick")
	a.expect("gone: /dev/sda1 PHOTOS")
}

// Of every device that there is, what we say of it is what udev says, as far as
// udev says anything.
func TestUdevAndWeSayTheSame(t *testing.T) {
	b := onUdev(t)
	b.keyboard(t, "keyboard")
	if err := b.PlugMouse(t.Context(), "mouse"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AwaitInput(t.Context(), "Mouse"); err != nil {
		t.Fatal(err)
	}
	b.plugStick(t, "stick")
	defer b.unplug(t, "stick")
	if err := b.AwaitFile(t.Context(), "/dev/camera"); err != nil {
		t.Fatal(err)
	}
	b.shell(t, "udevadm settle")
	a := b.start(t, `
rules:
  - {name: ours, mode: parallel, when: {uevent: {ACTION: change}}, do: {log: "`+identityText("kernel")+`"}}
  - {name: theirs, mode: parallel, when: {uevent: {ACTION: change}, stage: udev}, do: {log: "`+identityText("udev")+`"}}
  - {name: our last, when: {uevent: {ACTION: online, ID_BUS: {not: x}}}, do: {log: "the last of kernel"}}
  - {name: their last, when: {uevent: {ACTION: online}, stage: udev}, do: {log: "the last of udev"}}
`)
	// More than two hundred devices keep the two of them busy for a while.
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if _, err := b.Shell(ctx, "udevadm trigger --action=change && udevadm settle --timeout=200 && echo online > /sys/devices/virtual/mem/null/uevent"); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"kernel", "udev"} {
		if _, err := b.AwaitMatch(ctx, a.dir+"/log", "the last of "+stage); err != nil {
			t.Fatal(err)
		}
	}
	theirs, ours := identities(a.log(), "udev"), identities(a.log(), "kernel")
	t.Logf("%d devices by udev, %d by the kernel", len(theirs), len(ours))
	if len(theirs) < 100 || len(theirs) != len(ours) {
		t.Error("not all devices were told of")
	}
	agreed := 0
	for path, said := range theirs {
		for i, want := range said {
			switch {
			case want == "":
			case len(ours[path]) != len(identity) || ours[path][i] != want:
				t.Errorf("%s: udev says %s=%q, we %q", path, identity[i], want, ours[path])
			default:
				agreed++
			}
		}
	}
	t.Logf("%d fields are the same", agreed)
}

// An udevd that ends, or is killed, is noticed, and events of one that starts are received.
func TestUdevComesAndGoes(t *testing.T) {
	b := onUdev(t)
	a := b.start(t, `
rules:
  - {name: change, when: {uevent: {DEVNAME: /dev/null, ACTION: change}, stage: udev}, do: {log: "null changed"}}
`)
	change := "echo change > /sys/devices/virtual/mem/null/uevent"
	b.shell(t, change)
	a.expect("null changed")
	for _, end := range []string{"udevadm control --exit", "kill -KILL $(pidof systemd-udevd)"} {
		b.shell(t, end+"; while pidof systemd-udevd >/dev/null; do sleep 0.1; done")
		if status := a.verb("status"); !strings.Contains(status, "udevd is not running") {
			t.Errorf("after %s:\n%s", end, status)
		}
		b.startUdevd(t)
		b.shell(t, change)
		a.expect("null changed")
		if status := a.verb("status"); strings.Contains(status, "udevd is not running") {
			t.Errorf("an udevd runs:\n%s", status)
		}
	}
}
