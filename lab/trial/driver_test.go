// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"strings"
	"testing"

	"reflexd/lab"
)

// drivers are our test drivers, which every board has, not loaded yet.
var drivers = []string{"adc", "caller", "dialogue", "family", "group21", "joined", "sensor", "stalled", "thermometers", "values"}

// addDrivers builds the test drivers and adds them to the files of a board.
func addDrivers(ctx context.Context, files map[string]lab.File) error {
	for _, name := range drivers {
		built, err := lab.Driver(ctx, name, "../driver/"+name)
		if err != nil {
			return err
		}
		files[driverPath(name)] = built
	}
	return nil
}

func driverPath(name string) string { return "/usr/lib/trial/" + name + ".ko" }

// module returns where on the board one of our test drivers is. If it is loaded
// when the test ends, it is unloaded.
func (b *board) module(t *testing.T, name string) string {
	t.Helper()
	t.Cleanup(func() { b.shell(t, "rmmod "+name+" 2>/dev/null || true") })
	return driverPath(name)
}

// load loads one.
func (b *board) load(t *testing.T, name string, params ...string) {
	t.Helper()
	b.shell(t, "insmod "+driverPath(name)+" "+strings.Join(params, " "))
}

// shell runs a script on the board that must succeed, and returns what it says.
func (b *board) shell(t *testing.T, script string) string {
	t.Helper()
	out, err := b.Shell(cleanupContext(t), script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A board lasts for many tests: a driver must come and go on it as often as they
// like, also while a program still has its GPIO chip open.
func TestDriversComeAndGo(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "modprobe -a w1_therm industrialio")
	for _, name := range drivers {
		path := b.module(t, name)
		b.shell(t, "for i in $(seq 20); do insmod "+path+" && rmmod "+name+" || exit 1; done")
	}
	b.shell(t, `for i in $(seq 20); do
	insmod `+driverPath("joined")+` || exit 1
	reflexd lines | grep -q JOINED4 || exit 1
	chip=$(ls -d /sys/devices/platform/joined/gpiochip*)
	exec 3</dev/${chip##*/} # until the next has come
	rmmod joined || exit 1
done`)
	if log := b.Console(); strings.Contains(log, "Oops") {
		t.Errorf("the kernel complains:\n%s", log)
	}
}
