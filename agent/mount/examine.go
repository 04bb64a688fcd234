// SPDX-License-Identifier: MIT

// What the verb doctor says of mounts. Nothing is mounted.

package mount

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"reflexd/agent/account"
	"reflexd/agent/mount/fstype"
	"reflexd/config"
	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) {
	acts := len(p.policies) > 0 || p.Acts
	if acts || !x.Configured {
		examineNamespace(x)
	}
	if !acts {
		return
	}
	if x.Uid != 0 {
		x.Bad(p.first(), "mounts", "only root may mount", "run the agent as root")
	}
	for _, q := range p.policies {
		q.examine(x)
	}
	for i := range rivals {
		rivals[i].Examine(x, p.first())
	}
	examineHelper(x)
}

// first is where the first policy stands.
func (p *Plan) first() *config.Pos {
	if len(p.policies) == 0 {
		return nil
	}
	return &p.policies[0].pos
}

// examineNamespace compares the mount namespace of the running agent, or ours
// without one, with everybody's.
func examineNamespace(x *sources.Report) {
	const subject = "mount namespace"
	process := "self"
	if x.Pid != 0 {
		process = strconv.Itoa(x.Pid)
	}
	if why := privateNamespace(x.Path("/proc"), process); why != "" {
		x.Bad(nil, subject, why, "")
		return
	}
	x.Good(nil, subject, "shared with the system")
}

// examine adds what the policy needs.
func (q *policy) examine(x *sources.Report) {
	missing := fstype.Missing(x.Root, q.types...)
	for _, name := range missing {
		if len(q.types) > 0 {
			x.Bad(&q.pos, "filesystem "+name, fstype.Unknown(name), "")
		}
	}
	if len(missing) > 0 && len(q.types) == 0 {
		x.Note(&q.pos, "automount", fstype.Unknown(strings.Join(missing, ", ")), "USB drives with those will not be mounted")
	}
	folder, _ := split(q.at.text)
	x.Check(&q.pos, "automount", folder+" can hold mount points", x.Creatable(filepath.Join(folder, "x")), "set `at:` to a writable folder")
	if q.owner != "" {
		user, group, _ := strings.Cut(q.owner, ":")
		x.Check(&q.pos, "owner "+q.owner, "known", account.Known(x.Root, user, group), "")
	}
}

// rivals are the programs that mount what is plugged in, too.
var rivals = [...]sources.Conflict{
	{Comm: "usbmount", File: "/lib/udev/rules.d/*usbmount.rules", Acts: true, What: "mounts USB drives too", Advice: "apt purge usbmount, or ENABLED=0 in /etc/usbmount/usbmount.conf"},
	{Comm: "udiskie", Acts: true, What: "mounts USB drives too", Advice: "stop it, or run it with --no-automount"},
	{Comm: "devmon", Acts: true, What: "mounts USB drives too", Advice: "stop it: systemctl disable --now devmon@USER"},
	{Comm: "ldm", Acts: true, What: "mounts USB drives too", Advice: "stop it: systemctl disable --now ldm"},
	{Comm: "gvfs-udisks2-vo", Acts: true, What: "makes the desktop mount USB drives too", Advice: "switch that off in the settings of the desktop: gsettings set org.gnome.desktop.media-handling automount false"},
	{Comm: "udisksd", What: "mounts drives for a desktop or udiskie", Advice: ""},
}

// examineHelper looks for a program that the kernel starts for each uevent, as
// BusyBox's mdev has itself started.
func examineHelper(x *sources.Report) {
	helper, _ := os.ReadFile(x.Path("/sys/kernel/uevent_helper"))
	if name := strings.TrimSpace(string(helper)); name != "" {
		x.Note(nil, "uevent helper", "the kernel starts "+name+" for each device, and that may mount it too", "")
	}
}
