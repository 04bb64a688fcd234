// SPDX-License-Identifier: MIT

package agent

import (
	"strings"
	"testing"

	"reflexd/config"
	"reflexd/sources"
)

// mounted sends what the mount source would.
func (r *rig) mounted(state, device, point string) {
	r.t.Helper()
	r.do(func() {
		r.agent.emit(&sources.Event{
			Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "mount", Name: point, State: state}, Source: "mount:" + device,
			Fields: []sources.Field{{Name: "DEVNAME", Value: sources.Text(device)}, {Name: "MOUNTPOINT", Value: sources.Text(point)}},
		})
	})
}

// What runs because a stick is there ends when it is pulled; what runs because
// of another one, or because it was pulled, does not.
func TestRunsEndWithTheStick(t *testing.T) {
	r := start(t, `
rules:
  - {name: copy, when: {mount: /media/*, is: mounted}, mode: parallel, do: [{log: "copying ${DEVNAME}"}, {run: [sleep, "1000"]}]}
  - {name: pulled, when: {mount: "*", is: yanked}, do: [{log: "pulled ${DEVNAME}"}, {wait: 10ms}, {log: "and done"}]}
`)
	r.mounted("mounted", "/dev/sdx1", "/media/A")
	r.mounted("mounted", "/dev/sdy1", "/media/B")
	r.expect("copying /dev/sdx1")
	r.expect("copying /dev/sdy1")
	r.mounted("yanked", "/dev/sdx1", "/media/A")
	r.expect("msg=stopped", "rule=copy", "/media/A")
	r.expect("program ended", "rule=copy")
	r.expect("pulled /dev/sdx1")
	r.expect("and done")
	r.do(func() {
		if n := r.agent.runner.Running(); n != 1 {
			t.Errorf("%d runs are under way, want the other stick's", n)
		}
	})
}

func TestMountsAreChecked(t *testing.T) {
	for yaml, want := range map[string]string{
		`when: {mount: "*", is: pulled}, do: {log: x}`:                                     "expected mounted, unmounted, failed, yanked or ignored",
		`when: {mount: "*", is: mounted}, do: {log: "${LABLE}"}`:                           `did you mean "LABEL"?`,
		`when: {mount: "*", is: mounted}, do: {unmount: al}`:                               `did you mean "all"?`,
		`when: {mount: "*", is: mounted}, do: {unmount: "${DEVNAM}"}`:                      `did you mean "DEVNAME"?`,
		`when: {mount: "*", is: mounted}, do: {eject: sda}`:                                `must be absolute, found "sda"; did you mean /dev/sda?`,
		`when: {agent: started}, do: {mount: {device: /dev/sda1, at: mnt}}`:                "at must be an absolute path",
		`when: {agent: started}, do: {mount: {device: /dev/sda1, at: "/mnt/${NAME}"}}`:     "no event of this rule has a field NAME",
		`when: {agent: started}, do: {mount: {device: /dev/sda1, type: vfta}}`:             `did you mean "vfat"?`,
		`when: {agent: started}, do: {mount: {device: /dev/sda1, options: [rw]}}`:          "read_only: false",
		`when: {agent: started}, do: {mount: /dev/sda1}`:                                   "",
		`when: {agent: started}, do: {unmount: {target: all, lazy: true}}`:                 "",
		`when: {agent: started}, do: {mount: {device: /dev/sda1, at: "/mnt/${LABEL:-x}"}}`: "",
	} {
		c, ps := newConfiguration(), &config.Problems{}
		if n, ok := config.Parse("t.yaml", []byte("rules: [{"+yaml+"}]"), ps); ok {
			c.root().Read(n, ps)
			c.compile(ps)
		}
		if got := ps.Error(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q lacks %q", yaml, got, want)
		}
	}
}
