// SPDX-License-Identifier: MIT

// The verb unit: the limits that systemd can put on the agent of a
// configuration without breaking it, as a drop-in for its unit.

package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"reflexd/agent"
)

// unitFile is where the drop-in belongs. Purging the package removes it.
const unitFile = "/etc/systemd/system/reflexd.service.d/reflexd-unit.conf"

func unitVerb(c *command) func([]string) int {
	paths := c.pathsFlag()
	return func([]string) int {
		configuration, code := c.load(*paths, true)
		if configuration == nil {
			return code
		}
		u := unit{needs: configuration.Needs(), root: "/", files: configuration.Files}
		if len(*paths) > 0 {
			u.paths = configuration.Paths
		}
		if program, err := os.Executable(); err == nil {
			u.program = program
		}
		u.write(c.stdout)
		return done
	}
}

// unit is a drop-in that is being written.
type unit struct {
	needs   agent.Needs
	root    string   // where /dev and scripts are
	program string   // the path of reflexd
	paths   []string // of -c, if given
	files   []string // of the configuration
	lines   []limit
}

// limit is one line, and why it is there or, if it is off, is not.
type limit struct {
	setting, why string
	off          bool
}

func (u *unit) set(setting, why string) { u.lines = append(u.lines, limit{setting, why, false}) }
func (u *unit) off(setting, why string) { u.lines = append(u.lines, limit{setting, why, true}) }

// unless sets a limit, or leaves it out where a reason is given.
func (u *unit) unless(reason, setting, why string) {
	if reason != "" {
		u.off(setting, reason)
		return
	}
	u.set(setting, why)
}

func (u *unit) write(w io.Writer) {
	fmt.Fprintf(w, "# The limits that %s works with, by `reflexd unit`. To use them:\n", oneLine(strings.Join(u.files, ", ")))
	paths := ""
	for _, path := range u.paths {
		paths += " -c '" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	fmt.Fprintf(w, "#   mkdir -p %s\n#   reflexd unit%s > %s\n", filepath.Dir(unitFile), oneLine(paths), unitFile)
	fmt.Fprintf(w, "#   systemctl daemon-reload && systemctl restart reflexd\n")
	fmt.Fprintln(w, "# After a change of the configuration that needs more, do it again.\n[Service]")
	if len(u.needs.Programs) > 0 {
		u.forPrograms()
	} else {
		u.alone()
	}
	for _, l := range u.lines {
		mark := ""
		if l.off {
			mark = "#"
		}
		fmt.Fprintf(w, "# %s\n%s%s\n", oneLine(l.why), mark, strings.ReplaceAll(l.setting, "\n", "\n"+mark))
	}
}

func (u *unit) has(source string) bool { return slices.Contains(u.needs.Sources, source) }
func (u *unit) does(actions ...string) bool {
	return slices.ContainsFunc(actions, func(a string) bool { return slices.Contains(u.needs.Actions, a) })
}

// alone sets the limits of an agent that runs no programs.
func (u *unit) alone() {
	reason := u.whyRoot()
	if reason == "" {
		u.dynamic()
	} else {
		u.off("DynamicUser=yes", reason)
		u.execStart("")
	}
	capabilities, why := u.capabilities()
	u.set("CapabilityBoundingSet="+capabilities, why)
	u.set("NoNewPrivileges=yes", "no rule runs a program")
	if u.needs.Priority {
		u.set("LimitNICE=-10", "the priority of the thread that handles events")
	}
	u.set("LimitSIGPENDING=32768", "bursts of signals")
	u.set("Delegate=no", "no rule runs a program that would need a cgroup")
	u.set("TasksMax=64", "the threads of reflexd alone")
	u.devices()
	u.filesystem()
	u.kernel()
}

// whyRoot returns why the agent must be root, "" if it need not.
func (u *unit) whyRoot() string {
	n := u.needs
	switch {
	case n.Mounts:
		return "only root mounts drives"
	case n.LEDs:
		return "LEDs belong to root"
	case len(n.Writes) > 0:
		return "the file of `write` may belong to root: " + n.Writes[0]
	case len(n.Files) > 0:
		return "a watched file may belong to root: " + n.Files[0]
	case u.has("pwm"):
		return "PWM outputs belong to root"
	case u.does("key"):
		return "/dev/uinput belongs to root"
	case u.does("signal"):
		return "only root may send signals to others' processes"
	case u.does("send"), u.has("netlink"):
		return "netlink sockets may be for root alone"
	case u.unknown() != "":
		return fmt.Sprintf("%q may need root", u.unknown())
	case n.Metrics != "":
		return "the file of metrics is in a folder of another user"
	case n.PidFile != "":
		return "pid_file is in a folder of root"
	case n.State != "" && n.State != agent.DefaultState:
		return "state_file is in a folder of root"
	}
	for _, file := range u.files {
		if info, err := os.Stat(file); err != nil || info.Mode()&0o004 == 0 {
			return "only root can read " + file
		}
	}
	for _, d := range u.classes() {
		if group, err := u.groupOf(d.glob); err != nil {
			return err.Error()
		} else if group == "root" {
			return d.glob + " belongs to root alone"
		}
	}
	return ""
}

// considered are the sources and actions that this verb knows the needs of.
var considered = strings.Fields(`gpio input uevent link netlink signal file timer clock vars mqtt mount agent pwm sensor counter
	set pulse blink fade counter save key log write emit wait signal var rule source mount unmount eject send publish run shell`)

// unknown returns a source or action whose needs are not known, "" if there is none.
func (u *unit) unknown() string {
	for _, name := range slices.Concat(u.needs.Sources, u.needs.Actions) {
		if !slices.Contains(considered, name) {
			return name
		}
	}
	return ""
}

// class is a kind of devices that the agent opens.
type class struct{ glob, allow, why string }

func (u *unit) classes() []class {
	var all []class
	if u.has("gpio") {
		all = append(all, class{"/dev/gpiochip*", "char-gpiochip rw", "GPIO lines"})
	}
	if u.has("input") {
		all = append(all, class{"/dev/input/event*", "char-input r", "input devices"})
	}
	return all
}

// groupOf returns the group of the devices that a glob matches.
func (u *unit) groupOf(glob string) (string, error) {
	found, _ := filepath.Glob(filepath.Join(u.root, glob)) // the pattern is one
	if len(found) == 0 {
		return "", fmt.Errorf("there is no %s here whose group could be known", glob)
	}
	info, err := os.Stat(found[0])
	if err != nil {
		return "", err
	}
	gid := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Gid), 10)
	group, err := user.LookupGroupId(gid)
	if err != nil {
		return "", fmt.Errorf("the group %s of %s has no name", gid, found[0])
	}
	return group.Name, nil
}

// dynamic has systemd make a user for the agent.
func (u *unit) dynamic() {
	u.set("DynamicUser=yes", "no rule needs root")
	var groups []string
	for _, d := range u.classes() {
		if group, err := u.groupOf(d.glob); err == nil {
			groups = append(groups, group)
		}
	}
	if groups = slices.Compact(groups); len(groups) > 0 {
		u.set("SupplementaryGroups="+strings.Join(groups, " "), "who may use the devices")
	}
	u.set("RuntimeDirectory=reflexd", "the folder of the control socket")
	if u.needs.State != "" {
		u.set("StateDirectory=reflexd", "variables with `keep`")
	}
	const socket = "/run/reflexd/reflexd.sock"
	u.execStart(socket)
	u.set("ExecStartPost=+/bin/ln -sfT "+socket+" "+rootSocket+"\nExecStopPost=+/bin/rm -f "+rootSocket, "where root's clients look for the socket")
}

// rootSocket is where clients of root look for the agent.
const rootSocket = "/run/reflexd.sock"

// execStart changes how the agent is started, if it must be.
func (u *unit) execStart(socket string) {
	args, why := "", "the configuration of -c"
	for _, path := range u.paths {
		if full, err := filepath.Abs(path); err == nil {
			path = full
		}
		args += " -c " + quotedWord(path)
	}
	if socket != "" {
		args += " --socket " + socket
		why = "a socket where its user may make one"
	}
	if args != "" {
		u.set("ExecStart=\nExecStart="+u.program+" run"+args, why)
	}
}

// quotedWord returns a word as systemd.syntax(7) has it.
func quotedWord(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if strings.ContainsAny(word, " \t\r\n\"'\\;") {
		return strconv.Quote(word)
	}
	return word
}

// capabilities returns those that the agent needs, and what for.
func (u *unit) capabilities() (names, why string) {
	var all, reasons []string
	for _, c := range []struct {
		needed     bool
		names, why string
	}{
		{u.needs.Mounts, "CAP_SYS_ADMIN CAP_DAC_OVERRIDE", "drives"},
		{u.has("netlink") || u.does("send"), "CAP_NET_ADMIN", "multicast groups"},
		{u.does("signal"), "CAP_KILL", "signals to others' processes"},
	} {
		if c.needed {
			all, reasons = append(all, c.names), append(reasons, c.why)
		}
	}
	if all == nil {
		return "", "no rule needs a privilege"
	}
	return strings.Join(all, " "), "for " + strings.Join(reasons, ", ")
}

func (u *unit) devices() {
	u.set("DevicePolicy=closed", "no devices but those below and /dev/null and its like")
	for _, d := range u.classes() {
		u.set("DeviceAllow="+d.allow, d.why)
	}
	if u.does("key") {
		u.set("DeviceAllow=/dev/uinput rw", "the keys that rules press")
	}
	if u.needs.Mounts {
		u.set("DeviceAllow=block-* rw", "drives")
	}
	for _, path := range slices.Concat(u.needs.Files, u.needs.Writes) {
		if strings.HasPrefix(path, "/dev/") {
			u.set("DeviceAllow="+quotedWord(path)+" rw", "a file of the configuration")
		}
	}
}

// filesystem sets what makes a mount namespace, unless the agent mounts.
func (u *unit) filesystem() {
	mounts, writes := "", ""
	if u.needs.Mounts {
		mounts = "it makes a mount namespace, and others would not see what is mounted"
	}
	if mounts == "" && (u.needs.LEDs || u.has("pwm") || slices.ContainsFunc(u.needs.Writes, inSysfs)) {
		writes = "rules write to /sys or /proc"
	}
	u.unless(mounts, "ProtectSystem=strict", "no file is written but those below")
	if mounts == "" {
		for _, dir := range u.writable() {
			u.set("ReadWritePaths="+quotedWord("-"+dir), "rules or the agent write there")
		}
	}
	u.unless(cmp.Or(mounts, writes), "ProtectKernelTunables=yes", "/sys and /proc/sys are only read")
	for _, l := range unseen {
		u.unless(mounts, l.setting, l.why)
	}
	invisible := mounts
	if u.does("signal") {
		invisible = cmp.Or(mounts, "`signal` looks for processes by name")
	}
	u.unless(invisible, "ProtectProc=invisible", "no other processes")
}

// unseen are limits that hide what the agent does not look at, by a mount namespace.
var unseen = []limit{
	{setting: "PrivateTmp=yes", why: "nothing is shared in /tmp"},
	{setting: "ProtectHome=yes", why: "no home folders"},
	{setting: "ProtectControlGroups=yes", why: "no cgroups"},
	{setting: "ProtectKernelModules=yes", why: "no kernel modules"},
	{setting: "ProtectKernelLogs=yes", why: "no kernel log"},
}

func inSysfs(path string) bool {
	return strings.HasPrefix(path, "/sys") || strings.HasPrefix(path, "/proc") || strings.Contains(path, "${")
}

// writable returns the folders that the agent writes into, beside those that systemd makes for it.
func (u *unit) writable() []string {
	var dirs []string
	if u.whyRoot() != "" {
		dirs = append(dirs, "/run")
		if u.needs.State != "" {
			dirs = append(dirs, filepath.Dir(u.needs.State))
		}
	}
	if u.needs.PidFile != "" {
		dirs = append(dirs, filepath.Dir(u.needs.PidFile))
	}
	if u.needs.Metrics != "" {
		dirs = append(dirs, filepath.Dir(u.needs.Metrics))
	}
	for _, path := range u.needs.Writes {
		switch {
		case strings.ContainsAny(path, "$*?["):
			fixed, _, _ := strings.Cut(strings.NewReplacer("$", "*", "?", "*", "[", "*").Replace(path), "*")
			dirs = append(dirs, filepath.Dir(fixed+"x"))
		case !inSysfs(path):
			dirs = append(dirs, path)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// kernel sets what a Go program never needs.
func (u *unit) kernel() {
	u.lines = append(u.lines, needless...)
	if u.needs.Mounts {
		u.off("RestrictSUIDSGID=yes", "it refuses openat2(2), by which mount points are made")
		u.set("SystemCallFilter=@system-service @mount", "what services need, and mounts")
	} else {
		u.set("RestrictSUIDSGID=yes", "no setuid files")
		u.set("SystemCallFilter=@system-service\nSystemCallFilter=~@privileged", "what services need, without privileges")
	}
}

// needless are limits that the agent itself does not notice.
var needless = []limit{
	{setting: "RestrictAddressFamilies=AF_UNIX AF_NETLINK", why: "the control socket and the kernel's messages; no network"},
	{setting: "IPAddressDeny=any", why: "no network"},
	{setting: "RestrictNamespaces=yes", why: "no namespaces"},
	{setting: "RestrictRealtime=yes", why: "no real-time scheduling"},
	{setting: "LockPersonality=yes", why: "no change of how the kernel runs it"},
	{setting: "MemoryDenyWriteExecute=yes", why: "no code is made while it runs"},
	{setting: "ProtectHostname=yes", why: "the host name stays"},
	{setting: "ProtectClock=yes", why: "the clock stays"},
	{setting: "UMask=0077", why: "files for itself alone"},
	{setting: "SystemCallArchitectures=native", why: "no system calls of another architecture"},
	{setting: "SystemCallErrorNumber=EPERM", why: "system calls that are not allowed fail, and do not end the agent"},
}
