// SPDX-License-Identifier: MIT

// The limits of an agent whose rules run programs, which inherit all of them. A
// denial in a program that somebody else has written is hard to find, so nothing is
// set that usual programs notice.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// inherited is a limit that programs inherit.
type inherited struct {
	setting, why string
	breaks       string // names of programs that would not work
}

const noPtrace = "CapabilityBoundingSet=~CAP_SYS_PTRACE"

// survived are limits that usual programs do not notice. One is left out if a rule,
// or a script that a rule runs, names a program that it breaks.
var survived = []inherited{
	{"CapabilityBoundingSet=~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_BLOCK_SUSPEND CAP_BPF CAP_CHECKPOINT_RESTORE CAP_IPC_LOCK CAP_IPC_OWNER " +
		"CAP_LEASE CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_NET_BROADCAST CAP_PERFMON CAP_SYS_PACCT CAP_SYS_RAWIO CAP_WAKE_ALARM",
		"neither reflexd nor usual programs need these", ""},
	{"CapabilityBoundingSet=~CAP_MKNOD CAP_SYS_CHROOT CAP_SYS_TTY_CONFIG", "no device nodes, no other root, no hang-up of terminals",
		"mknod chroot debootstrap docker podman systemd-nspawn agetty chvt openvt"},
	{"CapabilityBoundingSet=~CAP_SYSLOG", "the kernel's log is not read", "dmesg klogd"},
	{noPtrace, "no other process is looked into",
		"fuser lsof strace ltrace gdb nsenter ss netstat pidof start-stop-daemon"},
	{"CapabilityBoundingSet=~CAP_SYS_TIME\nSystemCallFilter=~@clock", "the clock stays",
		"date hwclock ntpdate ntpd chronyd chronyc sntp rdate adjtimex"},
	{"CapabilityBoundingSet=~CAP_SYS_MODULE\nSystemCallFilter=~@module", "no kernel module is loaded", "modprobe insmod rmmod kmod dkms dtoverlay"},
	{"CapabilityBoundingSet=~CAP_SYS_BOOT\nSystemCallFilter=~@reboot", "no restart but by the service manager, as by poweroff and reboot",
		"kexec halt"},
	{"SystemCallFilter=~@obsolete @cpu-emulation @raw-io @debug @swap", "system calls that usual programs do without",
		"strace ltrace gdb swapon swapoff perf flashrom"},
	{"SystemCallErrorNumber=EPERM", "such a call fails, and does not end the program", ""},
	{"RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6 AF_BLUETOOTH AF_CAN AF_ALG AF_VSOCK", "sockets of usual programs, no raw packets",
		"tcpdump tshark arping dhclient dhcpcd udhcpc hostapd wpa_supplicant etherwake ether-wake nmap"},
	{"RestrictRealtime=yes", "no real-time scheduling", "chrt jackd pipewire pulseaudio"},
	{"LockPersonality=yes", "no program changes how the kernel runs it", "setarch linux32 linux64 wine box86 box64"},
	{"ProtectHostname=yes", "the host name stays", "hostname"},
	{"KeyringMode=private", "no keys of the kernel's are shared", "keyctl"},
	{"SystemCallArchitectures=native", "no system calls of another architecture", "wine box86 steamcmd"},
}

// refused are limits that break usual programs, and which.
var refused = []limit{
	{"NoNewPrivileges=yes", "sudo, su and ping would not work", true},
	{"User=", "they may need root, as `user:` does", true},
	{"DevicePolicy=closed", "aplay and others that use a device would not work", true},
	{"MemoryDenyWriteExecute=yes", "those that compile while they run, such as node, would not work", true},
	{"ProtectSystem=strict", "they could not write, and what they mount would be invisible to others", true},
	{"PrivateTmp=yes", "they would not share /tmp with others", true},
	{"ProtectClock=yes", "it closes all devices", true},
	{"ProtectKernelTunables=yes", "sysctl would not work, and what they mount would be invisible to others", true},
	{"RestrictSUIDSGID=yes", "apt, and rsync -a and cp -a of folders with setgid, would not work", true},
	{"RestrictNamespaces=yes", "it refuses clone3(2), and they would not get a cgroup each", true},
	{"UMask=0077", "others could not read what they write", true},
}

// forPrograms sets the limits that programs survive.
func (u *unit) forPrograms() {
	u.execStart("")
	named := u.named()
	for _, l := range survived {
		var broken []string
		for name := range strings.FieldsSeq(l.breaks) {
			if named[name] {
				broken = append(broken, name)
			}
		}
		switch {
		case l.setting == noPtrace && u.needs.Mounts:
			u.off(l.setting, "who uses a drive is looked up in /proc")
		case len(broken) > 0:
			u.off(l.setting, "a rule or its script names "+strings.Join(broken, ", "))
		case l.breaks != "":
			u.set(l.setting, l.why+"; would break "+strings.Join(strings.Fields(l.breaks), ", "))
		default:
			u.set(l.setting, l.why)
		}
	}
	names := fmt.Sprintf("%q runs programs", u.needs.Programs[0])
	if n := len(u.needs.Programs); n > 1 {
		names = fmt.Sprintf("%d rules, such as %q, run programs", n, u.needs.Programs[0])
	}
	for _, l := range refused {
		l.why = names + ": " + l.why
		u.lines = append(u.lines, l)
	}
}

// named returns the words that the rules' command lines contain, and the scripts that
// these name: one of them may be a program.
func (u *unit) named() map[string]bool {
	named := map[string]bool{}
	for _, line := range u.needs.CommandLines {
		for word := range commandWords(line) {
			named[filepath.Base(word)] = true
			if !filepath.IsAbs(word) {
				continue
			}
			for inner := range commandWords(u.script(word)) {
				named[filepath.Base(inner)] = true
			}
		}
	}
	return named
}

// commandWords yields the words of a command line or a script that may be names of programs.
func commandWords(text string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+", r))
	})
}

// script returns the text of a script, "" if the file is none.
func (u *unit) script(path string) string {
	const most = 1 << 20
	path = filepath.Join(u.root, path)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > most {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "#!") {
		return ""
	}
	return string(text)
}
