// SPDX-License-Identifier: MIT

package input

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"reflexd/sources"
)

func TestExamine(t *testing.T) {
	root := t.TempDir()
	r := bareRig(t, filepath.Join(root, "dev"))
	k := &kernel{r.openNode, r.identify, r.readLevels, r.setMask, r.setGrab, r.closeFD, nil}
	remote := r.plug("Philips IR Receiver", "KEY_MUTE", "KEY_POWER")
	remote.id.id.vendor, remote.id.id.product = 0x0471, 0x0815
	r.plug("Lid", "SW_LID")
	r.plug("locked", "KEY_A").openErr = unix.EACCES
	own := r.plug("reflexd", "KEY_B")
	own.id.phys = "reflexd-4711/keys"
	if err := os.MkdirAll(filepath.Join(root, "proc/77"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc/77/comm"), []byte("thd\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, ps := compile(`
inputs:
  remote: {name: "*IR*"}
  typo: {name: Philip IR Receiver}
  number: {id: 0471:0816}
  link: {path: /nowhere/by-id/x}
rules:
  - {key: [KEY_MUTE, KEY_B], is: pressed}
  - {key: KEY_C, is: pressed, from: remote}
  - {key: KEY_D, is: pressed, from: typo}
  - {keys: [KEY_MUTE, KEY_E], together: true, is: pressed}
  - {switch: SW_LID, is: on}
  - {axis: REL_WHEEL, above: 0}
`)
	if ps.Failed() {
		t.Fatal(ps)
	}
	c.plan.Virtual = map[string][]uint16{"reflexd": {1}, "made": {2}}
	x := &sources.Report{Machine: sources.Machine{Root: root}, Configured: true, Triggers: c.triggers, States: map[string][]sources.State{"input": {{Name: "made", OK: true}}}}
	c.plan.examine(x, k)
	want := `
BAD  input devices: open ROOT/dev/input/event2: permission denied: run the agent as root or in the group of the device, mostly input
ok  input devices: 3 can be read
BAD :6 input link: no such device; no folder /nowhere/by-id: udevd creates such links; use name or id instead
BAD :5 input number: no such device; did you mean "0471:0815"?; LIST
ok :3 input remote: ROOT/dev/input/event0 Philips IR Receiver
BAD :4 input typo: no such device; did you mean "Philips IR Receiver"?; LIST
BAD :11 key KEY_E: no input device has it; MONITOR
BAD :8 key KEY_B: no input device has it; MONITOR
ok :8 key KEY_MUTE: ROOT/dev/input/event0 Philips IR Receiver
ok :12 switch SW_LID: ROOT/dev/input/event1 Lid
BAD :13 axis REL_WHEEL: no input device has it; MONITOR
BAD :9 key KEY_C from remote: the device has no such key; MONITOR
ok  virtual device "made": created by the running agent
BAD  virtual device "reflexd": create virtual device "reflexd": open /dev/uinput: no such file or directory: load the kernel's module: modprobe uinput
note  thd: process 77 is triggerhappy, which acts on keys too; take the keys out of /etc/triggerhappy/triggers.d, or declare the input with grab: auto
`
	var got strings.Builder
	for _, f := range x.Findings {
		at := ""
		if f.At.Line > 0 {
			at = fmt.Sprint(":", f.At.Line)
		}
		fmt.Fprintf(&got, "%s %s %s: %s", f.Mark, at, f.Subject, f.Found)
		if f.Advice != "" {
			fmt.Fprintf(&got, "; %s", f.Advice)
		}
		fmt.Fprintln(&got)
	}
	told := strings.NewReplacer(root, "ROOT", "`reflexd inputs` lists the devices; `run` waits for it", "LIST",
		"`reflexd monitor input` shows the name of a key or wheel when you use it", "MONITOR").Replace(got.String())
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), told); diff != "" {
		t.Error(diff)
	}
	if remote.grabbed || remote.masked {
		t.Error("a device was grabbed or its events chosen")
	}
}
