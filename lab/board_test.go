//go:build lab

// SPDX-License-Identifier: MIT

// Boards, really booted: "go test -tags lab ./lab/". A machine is booted once for all tests that share it.

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"reflexd/lab/image"
	"reflexd/lab/wire"
)

// shared boots each machine when the first test asks for it.
var shared = map[string]func() (*Board, error){
	Pi3.name:  sync.OnceValues(func() (*Board, error) { return bootShared(Pi3) }),
	Virt.name: sync.OnceValues(func() (*Board, error) { return bootShared(Virt) }),
}

var (
	allTests = context.Background()
	programs = map[string]File{} // the probe, for each architecture
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "reflexd-lab-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	var cancel context.CancelFunc
	allTests, cancel = context.WithCancel(context.Background())
	defer cancel()
	for _, arch := range []string{"arm64", "armv7", "armv6"} {
		probe := filepath.Join(dir, arch)
		if err := Build(allTests, arch, "reflexd/lab/probe", probe); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		programs["/bin/probe-"+arch] = Executable(probe)
	}
	return m.Run()
}

// bootShared resumes a board: where that does not work, Boot would boot it instead.
func bootShared(m Machine) (*Board, error) {
	prepared, err := image.Prepare(allTests, image.Options{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	return resume(allTests, Config{Machine: m, Saved: true, Files: programs}, prepared)
}

// onBoth runs a test on both machines.
func onBoth(t *testing.T, test func(t *testing.T, b *Board)) {
	for _, m := range []Machine{Virt, Pi3} {
		t.Run(m.String(), func(t *testing.T) { test(t, sharedBoard(t, m)) })
	}
}

func sharedBoard(t *testing.T, m Machine) *Board {
	t.Helper()
	b, err := shared[m.name]()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBoardHello(t *testing.T) {
	for m, model := range map[*Machine]string{&Virt: "linux,dummy-virt", &Pi3: "Raspberry Pi 3 Model B"} {
		b := sharedBoard(t, *m)
		if !strings.HasPrefix(b.Hello.Model, model) || !strings.HasSuffix(b.Hello.Kernel, "-arm64") {
			t.Errorf("%s: hello %+v", m, b.Hello)
		}
		t.Logf("%s: up %v after power-on, by its own clock", m, b.Hello.Uptime)
	}
}

func TestBoardRun(t *testing.T) {
	onBoth(t, func(t *testing.T, b *Board) {
		result, err := b.Run(t.Context(), Command{
			Args: []string{"sh", "-c", "cat; echo $X >&2; exit 3"}, Env: []string{"X=y"}, Stdin: []byte("in\x00\xff"),
		})
		want := Result{Stdout: "in\x00\xff", Stderr: "y\n", Code: 3}
		if err != nil || result != want {
			t.Errorf("result %+v, error %v", result, err)
		}
		if _, err := b.Output(t.Context(), "ls", "/none"); err == nil || !strings.Contains(err.Error(), "No such file") {
			t.Errorf("ls of nothing: error %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_ = b.AwaitFile(t.Context(), "/tmp/begun")
			cancel()
		}()
		result, err = b.Run(ctx, Command{Args: []string{"sh", "-c", "echo begun; : >/tmp/begun; sleep 1000"}})
		if err == nil || result.Stdout != "begun\n" || result.Signal != syscall.SIGKILL {
			t.Errorf("a program past its time: result %+v, error %v", result, err)
		}
		must(t, b.Remove(t.Context(), "/tmp/begun"))
	})
}

func TestBoardFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, b *Board) {
		ctx := t.Context()
		data := make([]byte, 60_000) // several chunks
		for i := range data {
			data[i] = byte(i * i >> 3)
		}
		must(t, b.WriteFile(ctx, "/tmp/dir/data", data, 0o600))
		got, err := b.ReadFile(ctx, "/tmp/dir/data")
		must(t, err)
		if string(got) != string(data) {
			t.Errorf("%d bytes were written, %d others read", len(data), len(got))
		}
		go func() { _ = b.Remove(ctx, "/tmp/dir/data") }()
		must(t, b.AwaitGone(ctx, "/tmp/dir/data"))
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		err = b.AwaitText(short, "/proc/sys/kernel/hostname", "other")
		if err == nil || !strings.Contains(err.Error(), "there is:\nboard") {
			t.Errorf("a wait in vain: error %v", err)
		}
	})
}

func TestBoardProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, b *Board) {
		ctx := t.Context()
		p, err := b.Start(ctx, Command{Args: []string{
			"sh", "-c", "trap 'echo caught; exit 5' USR1; echo ready; while :; do sleep 0.05; done",
		}}, "/tmp/process.log")
		must(t, err)
		_, err = p.Log.Await(ctx, "^ready$")
		must(t, err)
		must(t, p.Signal(ctx, syscall.SIGUSR1))
		_, err = p.Log.Await(ctx, "^caught$")
		must(t, err)
		if result, err := p.Wait(ctx); err != nil || result.Code != 5 {
			t.Errorf("result %+v, error %v", result, err)
		}
	})
}

func TestBoardRunsEveryARM(t *testing.T) {
	onBoth(t, func(t *testing.T, b *Board) {
		for arch, want := range map[string]string{"arm64": "arm64", "armv7": "arm", "armv6": "arm"} {
			out, err := b.Output(t.Context(), "probe-"+arch, "hello")
			if err != nil || out != "hello from "+want+"\n" {
				t.Errorf("%s: %q, error %v", arch, out, err)
			}
		}
	})
}

func TestBoardChip(t *testing.T) {
	onBoth(t, func(t *testing.T, b *Board) {
		for _, arch := range []string{"arm64", "armv6"} {
			testChip(t, b, arch)
		}
	})
}

// testChip follows a line with another, then takes the chip from under the program's feet, and does it all again.
func testChip(t *testing.T, b *Board, arch string) {
	ctx := t.Context()
	chip, err := b.Chip(ctx, Header("lab-"+arch))
	must(t, err)
	for round := range 2 {
		if round > 0 {
			must(t, chip.Restore(ctx))
		}
		p, err := b.Start(ctx, Command{Args: []string{"probe-" + arch, "follow", chip.Device, "17", "27"}}, "/tmp/follow.log")
		must(t, err)
		_, err = p.Log.Await(ctx, "line 17 is false")
		must(t, err)
		must(t, chip.Pull(ctx, 17, true))
		must(t, chip.AwaitValue(ctx, 27, true))
		// Far enough apart for a slow guest: edges that come before the last one's interrupt was served are one.
		const apart = 100 * time.Millisecond
		must(t, chip.Play(ctx, Pull{Offset: 17, Up: false}, Pull{After: apart, Offset: 17, Up: true},
			Pull{After: apart, Offset: 17, Up: false}))
		_, err = p.Log.Await(ctx, "edge 4: line 17 is false")
		must(t, err)
		if high, err := chip.Value(ctx, 27); err != nil || high {
			t.Errorf("line 27 is %v, error %v", high, err)
		}
		device := chip.Device
		must(t, chip.Remove(ctx))
		must(t, b.AwaitGone(ctx, device))
		must(t, p.Signal(ctx, syscall.SIGKILL))
		_, err = p.Wait(ctx)
		must(t, err)
	}
	must(t, chip.Close(ctx))
}

func TestBoardHeaderNames(t *testing.T) {
	b := sharedBoard(t, Pi3)
	if _, err := b.Output(t.Context(), "test", "!", "-e", "/proc/device-tree/soc/gpio@7e200000/gpio-line-names"); err != nil {
		t.Errorf("the SoC's lines still have their names: %v", err)
	}
	labels, err := b.Shell(t.Context(), "cat /sys/bus/gpio/devices/*/of_node/compatible")
	must(t, err)
	if !strings.Contains(labels, "brcm,bcm2835-gpio") {
		t.Errorf("chips %q, without the SoC's", labels)
	}
}

func TestBoardStick(t *testing.T) {
	stick := filepath.Join(t.TempDir(), "stick.img")
	must(t, StickImage(t.Context(), stick,
		Volume{Type: "vfat", Label: "PHOTOS", Files: map[string][]byte{"DCIM/1.jpg": []byte("one")}},
		Volume{Type: "ext4", Label: "data", Files: map[string][]byte{"two": []byte("two")}},
	))
	onBoth(t, func(t *testing.T, b *Board) {
		ctx := t.Context()
		for range 2 {
			must(t, b.PlugStick(ctx, "stick", stick))
			_, err := b.AwaitMatch(ctx, "/proc/partitions", `(?m) sda2$`)
			must(t, err)
			out, err := b.Shell(ctx, `mkdir -p /mnt/1 /mnt/2
				mount -t vfat /dev/sda1 /mnt/1 && mount -t ext4 /dev/sda2 /mnt/2 && cat /mnt/1/DCIM/1.jpg /mnt/2/two
				umount /mnt/1 /mnt/2`)
			if err != nil || out != "onetwo" {
				t.Errorf("on the stick: %q, error %v", out, err)
			}
			must(t, b.Unplug(ctx, "stick"))
			must(t, b.AwaitGone(ctx, "/dev/sda"))
		}
	})
}

// A stick that is pulled while it is read must cut the reading off, and nothing else.
func TestBoardYank(t *testing.T) {
	stick := filepath.Join(t.TempDir(), "stick.img")
	must(t, StickImage(t.Context(), stick, Volume{Type: "vfat"}))
	onBoth(t, func(t *testing.T, b *Board) {
		ctx := t.Context()
		for range 3 {
			must(t, b.PlugStick(ctx, "stick", stick))
			must(t, b.AwaitFile(ctx, "/dev/sda1"))
			p, err := b.Start(ctx, Command{Args: []string{
				"sh", "-c", "while dd if=/dev/sda1 of=/dev/null bs=64k count=1; do echo 3 > /proc/sys/vm/drop_caches; done",
			}}, "/tmp/yank.log")
			must(t, err)
			_, err = p.Log.Await(ctx, "records in")
			must(t, err)
			must(t, b.Unplug(ctx, "stick"))
			_, err = p.Wait(ctx)
			must(t, err)
			must(t, b.AwaitGone(ctx, "/dev/sda"))
		}
	})
}

func TestBoardKeyboard(t *testing.T) {
	onBoth(t, func(t *testing.T, b *Board) {
		ctx := t.Context()
		must(t, b.PlugKeyboard(ctx, "keyboard"))
		device, err := b.AwaitInput(ctx, "Keyboard")
		must(t, err)
		p, err := b.Start(ctx, Command{Args: []string{"probe-arm64", "keys", device}}, "/tmp/keys.log")
		must(t, err)
		_, err = p.Log.Await(ctx, "listening")
		must(t, err)
		must(t, b.Type(ctx, "volumeup", "volumedown", "audiomute", "a", "ret"))
		for _, key := range []int{115, 114, 113, 30, 28} {
			for _, value := range []int{1, 0} {
				_, err := p.Log.Await(ctx, fmt.Sprintf("^key %d is %d$", key, value))
				must(t, err)
			}
		}
		must(t, b.Key(ctx, "b", true))
		_, err = p.Log.Await(ctx, "^key 48 is 1$")
		must(t, err)
		must(t, b.Unplug(ctx, "keyboard"))
		_, err = p.Log.Await(ctx, "no such device")
		must(t, err)
		must(t, b.AwaitNoInput(ctx, "Keyboard"))
	})
}

func TestBoardMouse(t *testing.T) {
	b := sharedBoard(t, Virt)
	ctx := t.Context()
	must(t, b.PlugMouse(ctx, "mouse"))
	device, err := b.AwaitInput(ctx, "Mouse")
	must(t, err)
	p, err := b.Start(ctx, Command{Args: []string{"probe-arm64", "keys", device}}, "/tmp/mouse.log")
	must(t, err)
	_, err = p.Log.Await(ctx, "listening")
	must(t, err)
	must(t, b.Move(ctx, "x", 10))
	must(t, b.Click(ctx, "left"))
	_, err = p.Log.Await(ctx, "^key 272 is 1$")
	must(t, err)
	must(t, b.Unplug(ctx, "mouse"))
}

func TestBoardPowerButton(t *testing.T) {
	b := sharedBoard(t, Virt)
	ctx := t.Context()
	device, err := b.AwaitInput(ctx, "gpio-keys")
	must(t, err)
	p, err := b.Start(ctx, Command{Args: []string{"probe-arm64", "keys", device}}, "/tmp/power.log")
	must(t, err)
	_, err = p.Log.Await(ctx, "listening")
	must(t, err)
	must(t, b.PressPower(ctx))
	_, err = p.Log.Await(ctx, "^key 116 is 1$")
	must(t, err)
	must(t, p.Signal(ctx, syscall.SIGKILL))
}

func TestBoardCable(t *testing.T) {
	b := sharedBoard(t, Virt)
	ctx := t.Context()
	_, err := b.Output(ctx, "ip", "link", "set", "eth0", "up")
	must(t, err)
	for carrier, up := range map[string]bool{"1": true, "0": false} {
		must(t, b.SetLink(ctx, up))
		must(t, b.AwaitText(ctx, "/sys/class/net/eth0/carrier", carrier))
	}
	must(t, b.SetLink(ctx, true))
}

func TestBoardModprobe(t *testing.T) {
	b := sharedBoard(t, Virt)
	_, err := b.Output(t.Context(), "modprobe", "exfat")
	must(t, err)
	_, err = b.AwaitMatch(t.Context(), "/proc/filesystems", `(?m)\texfat$`)
	must(t, err)
}

func TestBoardDriver(t *testing.T) {
	dir := t.TempDir()
	const source = `// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
static int __init hello_init(void) { pr_info("hello from a module\n"); return 0; }
static void __exit hello_exit(void) { }
module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
`
	must(t, os.WriteFile(filepath.Join(dir, "hello.c"), []byte(source), 0o644))
	driver, err := Driver(t.Context(), "hello", dir)
	must(t, err)
	module, err := os.ReadFile(driver.Path)
	must(t, err)
	b := sharedBoard(t, Virt)
	must(t, b.WriteFile(t.Context(), "/tmp/hello.ko", module, 0o644))
	_, err = b.Output(t.Context(), "insmod", "/tmp/hello.ko")
	must(t, err)
	log, err := b.Output(t.Context(), "dmesg")
	if err != nil || !strings.Contains(log, "hello from a module") {
		t.Errorf("error %v; the kernel's log has no greeting", err)
	}
}

// From here on, each test has a board of its own: two run at a time.

func TestBoardPowerOff(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Machine: Pi3, HeaderNames: true}, {Machine: Virt, Icount: true}} {
		t.Run(c.Machine.String(), func(t *testing.T) {
			t.Parallel()
			b, err := Boot(t.Context(), c)
			must(t, err)
			defer b.Close()
			if c.HeaderNames {
				names, err := b.Shell(t.Context(), "cat /proc/device-tree/soc/gpio@7e200000/gpio-line-names")
				if err != nil || !strings.Contains(names, "\x00GPIO17\x00") {
					t.Errorf("the SoC's lines are called %q, error %v", names, err)
				}
			}
			must(t, b.PowerOff(t.Context()))
			if _, err := b.Output(t.Context(), "true"); err == nil {
				t.Error("a board that is off ran a program")
			}
		})
	}
}

// A state that is damaged, or that QEMU does not take, costs a boot and is not found again.
func TestBadStateIsBooted(t *testing.T) {
	t.Parallel()
	prepared, err := image.Prepare(t.Context(), image.Options{})
	must(t, err)
	for name, write := range map[string]func(path string) error{
		"damaged": func(string) error { return nil },
		"refused": seal,
	} {
		t.Run(name, func(t *testing.T) {
			const noState = "no state"
			c := Config{Machine: Virt, Saved: true, Cmdline: "lab.state=" + name, Files: map[string]File{"/etc/own": Text("own")}}
			k, err := newKind(t.Context(), c, prepared)
			must(t, err)
			defer k.initramfs.Close()
			must(t, os.MkdirAll(filepath.Dir(k.state), 0o755))
			must(t, os.WriteFile(k.state, []byte(noState), 0o644))
			defer os.Remove(k.state)
			must(t, write(k.state))
			b, err := Boot(t.Context(), c)
			must(t, err)
			defer b.Close()
			if own, err := b.ReadFile(t.Context(), "/etc/own"); err != nil || string(own) != "own" {
				t.Errorf("its own file is %q, error %v", own, err)
			}
			if state, _ := os.ReadFile(k.state); strings.HasPrefix(string(state), noState) {
				t.Error("the bad state is still there")
			}
		})
	}
}

// Boards that go on from one state have today's time, not that of the state.
func TestResumedBoardHasTheTime(t *testing.T) {
	b := sharedBoard(t, Virt)
	tomorrow := time.Now().Add(24 * time.Hour)
	for _, now := range []time.Time{tomorrow, time.Now()} {
		_, err := b.call(t.Context(), wire.Request{Resume: &wire.Resume{Now: now}})
		must(t, err)
		date, err := b.Output(t.Context(), "date", "+%s")
		must(t, err)
		seconds, err := strconv.ParseInt(strings.TrimSpace(date), 10, 64)
		if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > time.Minute {
			t.Errorf("at %v its clock says %s, error %v", now, date, err)
		}
	}
}

func TestBootFailureShowsTheConsole(t *testing.T) {
	t.Parallel()
	_, err := Boot(t.Context(), Config{Machine: Virt, Files: map[string]File{"init": Text("no program\n")}})
	if err == nil || !strings.Contains(err.Error(), "Kernel panic") {
		t.Errorf("error %v", err)
	}
}

func TestQEMUFailureIsTold(t *testing.T) {
	t.Parallel()
	_, err := Boot(t.Context(), Config{Machine: Virt, QEMU: []string{"-no-such-option"}})
	if err == nil || !strings.Contains(err.Error(), "invalid option") {
		t.Errorf("error %v", err)
	}
}

// QEMU's sockets may close before what it said is read.
func TestQEMUFailureIsToldInFull(t *testing.T) {
	bin := t.TempDir()
	const program = "#!/bin/sh\nexec 3>&- 4>&-\nsleep 0.3\necho invalid option >&2\nexit 1\n"
	must(t, os.WriteFile(filepath.Join(bin, "qemu-system-aarch64"), []byte(program), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	_, err := Boot(t.Context(), Config{Machine: Virt})
	if err == nil || strings.Count(err.Error(), "invalid option") != 1 {
		t.Errorf("error %v", err)
	}
}

func TestContextEndsTheBoard(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b, err := Boot(ctx, Config{Machine: Virt})
	must(t, err)
	cancel()
	must(t, b.AwaitEnd(t.Context()))
	must(t, b.Close())
}
