// SPDX-License-Identifier: MIT

// The system calls that bring the guest up: mounts, modules, the loopback interface, and the device of the protocol.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/lab/wire"
)

// A mount is a file system without a device, and where it belongs.
type mount struct {
	kind, at, options string
}

var early = []mount{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", "mode=0755"},
	{"devpts", "/dev/pts", "mode=0620,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", "mode=1777"},
	{"tmpfs", "/run", "mode=0755"},
	{"tmpfs", "/tmp", "mode=1777"},
}

// late needs modules: configfs is one on some kernels.
var late = []mount{
	{"configfs", "/sys/kernel/config", ""},
	{"debugfs", "/sys/kernel/debug", ""},
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, unix.MS_NOSUID, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
		}
	}
	return nil
}

// loadModules loads modules in the order given. Their parameters stand in the kernel's command line
// ("usbcore.autosuspend=-1"), where modprobe would look for them too.
func loadModules(paths []string) error {
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := loadModule(path, parameters(string(cmdline), path)); err != nil {
			return err
		}
	}
	return nil
}

func loadModule(path, parameters string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), parameters, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load module %s: %w", path, err)
	}
	return nil
}

// parameters picks from a kernel command line the parameters of the module in the given file.
func parameters(cmdline, path string) string {
	module := underscored(strings.TrimSuffix(filepath.Base(path), ".ko"))
	var found []string
	for word := range strings.FieldsSeq(cmdline) {
		name, parameter, ok := strings.Cut(word, ".")
		if ok && underscored(name) == module {
			found = append(found, parameter)
		}
	}
	return strings.Join(found, " ")
}

func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

// installApplets gives BusyBox's commands their names, but leaves alone what is there already.
func installApplets(programs *processes) error {
	result, err := programs.run(context.Background(), &wire.Run{Args: []string{"/bin/busybox", "--install", "-s"}})
	if err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("install BusyBox's commands: %s", result.Stderr)
	}
	return nil
}

func raiseLoopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raise lo: %w", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("raise lo: %w", err)
	}
	return nil
}

// openPort opens the device that leads to the host: a tty by its path, or a virtio port by its name.
func openPort(name string) (*os.File, error) {
	if strings.HasPrefix(name, "/") {
		return openTTY(name)
	}
	device, err := virtioPort(name)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(device, os.O_RDWR, 0)
}

// openTTY opens a serial port and takes all that is interactive out of it.
func openTTY(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	raw := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
	raw.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, fmt.Errorf("make %s raw: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// portPatience is how long a virtio port may take to show up once its driver is loaded.
const portPatience = 10 * time.Second

// virtioPort finds the device of the virtio port with the given name, which its driver may still be setting up.
func virtioPort(name string) (string, error) {
	for end := time.Now().Add(portPatience); time.Now().Before(end); time.Sleep(pollEvery) {
		ports, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return "", err
		}
		for _, port := range ports {
			if text, _ := os.ReadFile(port); string(bytes.TrimSpace(text)) == name {
				return "/dev/" + filepath.Base(filepath.Dir(port)), nil
			}
		}
	}
	return "", fmt.Errorf("virtio port %s: %w", name, fs.ErrNotExist)
}

// hello gathers what the host gets first.
func hello() *wire.Hello {
	h := &wire.Hello{}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if model, err := os.ReadFile("/proc/device-tree/model"); err == nil {
		h.Model = strings.TrimRight(string(model), "\x00\n")
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) == nil {
		h.Uptime = time.Duration(now.Nano())
	}
	return h
}
