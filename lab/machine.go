// SPDX-License-Identifier: MIT

// The machines: what QEMU is to build, and where the guest finds the line to us.

package lab

import (
	"fmt"
	"strconv"
	"strings"

	"reflexd/lab/image"
	"reflexd/lab/wire"
)

// A Machine is a kind of board.
type Machine struct {
	name     string   // as the image's recipe knows it
	args     []string // of QEMU
	port     string   // the guest's device of the line to us
	portArgs []string // what makes that device of the chardev "agent"
	memory   int      // MiB
	ram      int      // the address where it begins
	window   int      // MiB of it that the kernel uses on a board that is to be saved; see state.go
	cpus     int      // 0 where the machine has a fixed number
	tree     bool     // it needs a device tree from us
	dwc2     int      // the address of its USB controller, where that is a dwc2
}

// Pi3 is a Raspberry Pi 3B. Its SoC's own GPIO lines can be requested, read and driven but have no interrupts in QEMU;
// a Chip does. By default they have no names either, so that a Chip can bear the header's.
// All four CPUs run in one thread of the host: with four, CPUs that wait spin.
var Pi3 = Machine{
	name:     "pi3",
	args:     []string{"-M", "raspi3b", "-accel", "tcg,thread=single", "-usb", "-device", "usb-hub,id=hub,port=1"},
	port:     "/dev/ttyS1",
	portArgs: []string{"-serial", "chardev:agent"}, // the second serial port, after the console's
	memory:   1024,
	window:   896, // the graphics have the last 64
	tree:     true,
	dwc2:     0x3f980000,
}

// Virt is QEMU's own ARM board: faster, with PCI, a power button behind gpio-keys, USB 3 and a network card.
var Virt = Machine{
	name: "virt",
	args: []string{
		"-M", "virt", "-cpu", "cortex-a53", "-device", "qemu-xhci,id=usb", "-device", "virtio-serial-pci",
		"-netdev", "user,id=cable,restrict=on", "-device", "virtio-net-pci,id=" + networkCard + ",netdev=cable,romfile=",
	},
	port:     "reflexd.lab",
	portArgs: []string{"-device", "virtserialport,chardev=agent,name=reflexd.lab"},
	memory:   512,
	ram:      1 << 30,
	window:   448,
	cpus:     2,
}

// networkCard is what QEMU calls the network card of Virt.
const networkCard = "lan"

// HostCard are arguments of QEMU that give Virt a second network card, which leads to
// the host: the host's loopback is HostAddress there, once `probe address` with
// HostCardMAC and GuestAddress has raised the card.
var HostCard = []string{"-netdev", "user,id=host", "-device", "virtio-net-pci,netdev=host,romfile=,mac=" + HostCardMAC}

// The addresses that QEMU's network has for itself, for the board and for the host.
const (
	HostCardMAC  = "52:54:00:12:34:99"
	GuestAddress = "10.0.2.15"
	HostAddress  = "10.0.2.2"
)

// String returns the machine's short name.
func (m Machine) String() string { return m.name }

// rootDevice is where the guest finds Config.Root.
const rootDevice = "/dev/vda"

// GuestService is a unit of systemd for Config.Root, with which programs can be run on the board when systemd is process 1.
const GuestService = `[Unit]
DefaultDependencies=no
After=sysinit.target
[Service]
ExecStart=` + wire.ServerPath + ` serve
KillMode=process
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
[Install]
WantedBy=multi-user.target
`

// icountArgs make guest time follow executed instructions, 2 ns each, whatever the host does meanwhile.
var icountArgs = []string{"-icount", "shift=1,sleep=on"}

// commonCmdline is the kernel's command line. A panic ends the board, and so does an /init that cannot be run, for
// which there shall be no substitute; a USB device is used as soon as it is seen, and
// never suspended, which QEMU's dwc2 does not survive.
const commonCmdline = "console=ttyAMA0,115200 init=/init panic=-1 quiet usbcore.autosuspend=-1 usb_storage.delay_use=0"

// unprotectedCmdline spares the emulation a flush of its address translations at every system call, which a kernel
// with a randomised address asks for: the guest is a third faster without. Where instructions are counted, the kernel
// stays as it is on boards.
const unprotectedCmdline = "kpti=off"

// Descriptors that QEMU inherits.
const (
	agentFD = 3 + iota
	qmpFD
	consoleFD
	initrdFD
	stateFD
)

func (m Machine) cmdline(c Config) string {
	words := []string{commonCmdline}
	if !c.Icount {
		words = append(words, unprotectedCmdline)
	}
	if c.Saved {
		words = append(words, fmt.Sprintf("mem=%dM", m.window))
	}
	return strings.Join(append(words, c.Cmdline), " ")
}

// qemuArgs is QEMU's whole command line.
func (m Machine) qemuArgs(c Config, i *image.Image) ([]string, error) {
	args := []string{
		"-nodefaults", "-display", "none", "-no-reboot", "-no-user-config",
		"-chardev", fmt.Sprintf("socket,id=agent,fd=%d", agentFD),
		"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", qmpFD),
		"-chardev", fmt.Sprintf("socket,id=console,fd=%d", consoleFD),
		"-mon", "chardev=qmp,mode=control",
		"-serial", "chardev:console",
		"-kernel", i.Vmlinuz(),
		"-initrd", fmt.Sprintf("/proc/self/fd/%d", initrdFD),
		"-append", m.cmdline(c),
		"-m", strconv.Itoa(m.memory),
	}
	args = append(append(args, m.args...), m.portArgs...)
	if m.tree {
		args = append(args, "-dtb", i.DeviceTree(c.HeaderNames))
	}
	cpus := m.cpus
	if c.Icount {
		if m.cpus == 0 {
			return nil, fmt.Errorf("machine %s cannot count instructions: it has a fixed number of CPUs", m)
		}
		cpus = 1
		args = append(args, icountArgs...)
	}
	if cpus > 0 {
		args = append(args, "-smp", strconv.Itoa(cpus))
	}
	if c.Root != "" {
		args = append(args, "-drive", "if=none,id=root,format=raw,snapshot=on,file="+c.Root, "-device", "virtio-blk-pci,drive=root")
	}
	return append(args, c.QEMU...), nil
}
