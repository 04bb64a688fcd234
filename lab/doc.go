// SPDX-License-Identifier: MIT

// Package lab boots emulated boards, runs programs on them and is the hand that presses their buttons.
//
// # Boards
//
// [Boot] starts a Raspberry Pi 3B ([Pi3], up in 5 to 8 seconds) or QEMU's own ARM board ([Virt], 3 to 4 seconds) with
// Debian's kernel, by emulation alone: neither KVM nor root is needed once the cache is filled (package image; "go run
// ./lab/warm" does it). The guest has BusyBox, the files of [Config.Files], and a process 1 that listens to us. It ends
// with the context that it was booted with, with [Board.Close], or with the process that booted it.
//
//	board, err := lab.Boot(ctx, lab.Config{
//		Machine: lab.Pi3,
//		Files: map[string]lab.File{
//			"/usr/bin/reflexd":          lab.Executable("build/reflexd-arm64"),
//			"/etc/reflexd/reflexd.yaml": lab.Text("rules: …"),
//		},
//	})
//	defer board.Close()
//
// With [Config.Saved], a board starts from a state that was saved of one of its kind when that had just booted: it is up
// in about a second, whatever is in [Config.Files]. States are in the cache, six at most of some 110 MB each, under a
// hash of all that a boot depends on; the first board of a kind makes its state. Where a state is damaged or cannot be
// used, the board boots. On a board from a saved state the kernel's log has the boot of the saved one, the console begins
// empty, the kernel uses 64 MB less of the memory (128 MB less of the Pi's, the graphics' share among them), and /init
// cannot be another's.
//
// # Programs and files
//
// [Board.Run], [Board.Output] and [Board.Shell] run a program to its end; [Board.Start] leaves one running, with its
// output in a [Log] of which [Log.Await] returns the lines that are waited for. [Board.ReadFile], [Board.WriteFile],
// [Board.AwaitFile], [Board.AwaitGone], [Board.AwaitText] and [Board.AwaitMatch] are for files, of proc and sysfs too.
// [Build] and [Driver] build Go programs and kernel modules to run there. The guest's kernel runs programs for 32-bit ARM
// as well.
//
// A context without a deadline gets one of a minute, so that nothing waits for ever. An error of a wait that was in
// vain has what was there instead; one of a boot, the end of the console.
//
// # GPIO
//
// [Board.Chip] makes a simulated chip with lines of any name ([Header]: those of a Raspberry Pi). [Chip.Pull] and
// [Chip.Play] work its inputs from outside, [Chip.Value] and [Chip.AwaitValue] look at its outputs, [Chip.Remove] and
// [Chip.Restore] take it away and bring it back.
//
// On the Pi such a chip stands beside the SoC's own, which QEMU gives levels but no interrupts. So that a line called
// GPIO17 is there once, the SoC's lines go without names unless [Config.HeaderNames] keeps them.
//
// # Plugging
//
// [Board.PlugKeyboard], [Board.PlugMouse], [Board.PlugStick] and [Board.Unplug] work the USB ports, [Board.Key],
// [Board.Type], [Board.Click] and [Board.Move] what is plugged in; [StickImage] and [VolumeImage] make sticks.
// [Board.AwaitInput] returns when the guest has seen a keyboard. On Virt, [Board.PressPower] presses the power button and
// [Board.SetLink] pulls the network cable.
package lab
