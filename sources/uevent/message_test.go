// SPDX-License-Identifier: MIT

package uevent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reflexd/sources"
)

func TestParse(t *testing.T) {
	text := "add@/devices/pci0/usb1/sda\x00ACTION=add\x00DEVPATH=/devices/pci0/usb1/sda\x00SUBSYSTEM=block\x00" +
		"DEVNAME=sda\x00MODALIAS=of:Nx=y=\x00lower=1\x00no value\x00=\x00EMPTY=\x001ST=x\x00SEQNUM=7\x00"
	var m message
	if err := m.parse(text, "/dev"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range m.fields {
		got = append(got, f.Name+"="+f.Value.String())
	}
	want := []string{"ACTION=add", "DEVPATH=/devices/pci0/usb1/sda", "SUBSYSTEM=block",
		"DEVNAME=/dev/sda", "MODALIAS=of:Nx=y=", "EMPTY=", "SEQNUM=7"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if m.action != "add" || m.devpath != "/devices/pci0/usb1/sda" || m.subsystem != "block" || m.synthetic {
		t.Errorf("message is %+v", m)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"",
		"\x00",
		"add@/devices/a",
		"add@/devices/a\x00ACTION=add\x00DEVPATH=/devices/a",
		"add@/devices/a\x00",
		"add@/devices/a\x00ACTION=remove\x00DEVPATH=/devices/a\x00",
		"add@/devices/a\x00ACTION=add\x00DEVPATH=/devices/b\x00",
		"add@a\x00ACTION=add\x00DEVPATH=a\x00",
		"@/a\x00ACTION=\x00DEVPATH=/a\x00",
		"libudev\x00\xfe\xed\xca\xfe\x00\x00",
		// About no device:
		"pressed\x00SUBSYSTEM=button\x00ACTION=pressed\x00",
		"pressed@\x00SUBSYSTEM=button\x00ACTION=released\x00",
		"pressed@\x00SUBSYSTEM=button\x00ACTION=pressed\x00DEVPATH=\x00",
		"pressed@\x00SUBSYSTEM=button\x00ACTION=pressed\x00DEVPATH=/devices/a\x00",
		"pressed@\x00SUBSYSTEM=button\x00ACTION=pressed\x00DEVPATH_OLD=/devices/a\x00",
		"pressed@ \x00SUBSYSTEM=button\x00ACTION=pressed\x00",
		"pressed@@\x00SUBSYSTEM=button\x00ACTION=pressed\x00",
		"pressed@\x00ACTION=pressed\x00BUTTON=reset\x00",
		"@\x00SUBSYSTEM=button\x00ACTION=\x00",
		"remove@\x00SUBSYSTEM=block\x00ACTION=remove\x00",
		"move@\x00SUBSYSTEM=net\x00ACTION=move\x00",
		"add@\x00SUBSYSTEM=block\x00ACTION=add\x00DEVNAME=sda\x00",
	} {
		var m message
		if m.parse(text, "/dev") == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// routerButton is what OpenWrt's gpio-button-hotplug.c sends, by its
// button_hotplug_fill_event.
const routerButton = "released@\x00HOME=/\x00PATH=/sbin:/bin:/usr/sbin:/usr/bin\x00SUBSYSTEM=button\x00" +
	"ACTION=released\x00BUTTON=reset\x00SEEN=7\x00SEQNUM=596\x00"

func TestParseAboutNoDevice(t *testing.T) {
	var m message
	if err := m.parse(routerButton, "/dev"); err != nil {
		t.Fatal(err)
	}
	e := sources.Event{Fields: m.fields}
	button, _ := e.Lookup("BUTTON")
	if m.action != "released" || m.devpath != "" || m.subsystem != "button" || button.String() != "reset" {
		t.Errorf("message is %+v", m)
	}
}

// Words are few, whatever messages say.
func TestWordsAreBounded(t *testing.T) {
	var m message
	for i := range 3 * mostWords {
		key := fmt.Sprint("KEY", i)
		if err := m.parse(string(kernelMessage("change", "/devices/a", key+"=x")), "/dev"); err != nil || m.fields[3].Name != key {
			t.Fatal(err, m.fields)
		}
	}
	if len(m.words) > mostWords || len(m.keys) != 5 {
		t.Errorf("%d words, %d keys", len(m.words), len(m.keys))
	}
}

// What an event says of itself stays when the buffer is used again: a copy of it needs
// no more than it copies.
func TestCopiesOfEvents(t *testing.T) {
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: fake}", "uevent: {SUBSYSTEM: button}", "{uevent: {SUBSYSTEM: fake}, stage: udev}")
	r.quiet()
	shown := func(e *sources.Event) string {
		return fmt.Sprintf("%q %q %q", []string{e.Topic.Kind, e.Topic.Name, e.Topic.State}, e.Source, e.Fields)
	}
	r.Do(func() {
		var was []string
		var copies []sources.Event
		emit := func(e *sources.Event) {
			was = append(was, shown(e))
			c := *e
			c.Fields = slices.Clone(e.Fields)
			c.CopyStrings(nil)
			copies = append(copies, c)
		}
		r.source.host.Emit, r.source.udev.host.Emit = emit, emit
		b := make([]byte, 0, maxMessage)
		for _, text := range []string{
			string(ofDisk("add")), string(ofDisk("change")), string(ofDisk("remove")), routerButton,
			"add@/devices/b\x00DEVPATH=/devices/b\x00ACTION=add\x00SUBSYSTEM=fake\x00DEVNAME=b\x00DEVNAME=c\x00",
		} {
			b = append(b[:0], text...)
			r.source.take(b)
			clear(b)
			clear(r.source.message.names)
		}
		b = append(b[:0], realFrame...)
		r.source.udev.take(b)
		clear(b)
		clear(r.source.udev.message.names)
		if len(copies) != 6 {
			t.Fatalf("%d events", len(copies))
		}
		for i := range copies {
			if is := shown(&copies[i]); is != was[i] {
				t.Errorf("was\n%s\nand is\n%s", was[i], is)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add("add@/devices/a")
	f.Add("nothing\x00at\x00all\x00")
	f.Add(string(kernelMessage("add", "/devices/a", "DEVNAME=a", "KEY", "A=b=c", "=x")))
	f.Add(string(kernelMessage("move", "/devices/b", "DEVPATH_OLD=/devices/a", "DEVPATH=/x")))
	f.Add(string(kernelMessage("remove", "/devices/a", "SYNTH_UUID=0")))
	f.Add("libudev\x00\xfe\xed\xca\xfe\x28\x00\x00\x00")
	f.Add(routerButton)
	f.Add(strings.Repeat("A=\x00", maxMessage/3))
	f.Add(strings.Repeat("@", maxMessage))
	f.Fuzz(func(t *testing.T, text string) {
		var m message
		if m.parse(text, "/dev") != nil {
			return
		}
		if m.action == "" || !strings.HasPrefix(m.devpath, "/") && !m.isPlaceless() {
			t.Errorf("action %q, path %q", m.action, m.devpath)
		}
		first := slices.Clone(m.fields)
		if err := m.parse(text, "/dev"); err != nil || !slices.Equal(m.fields, first) {
			t.Errorf("a second time, with the words known: %v, %v, %v", err, m.fields, first)
		}
		for _, field := range m.fields {
			if !validKey(field.Name) || strings.Contains(field.Value.String(), "\x00") {
				t.Errorf("field %q is %q", field.Name, field.Value)
			}
		}
		if m.devpath == "" {
			return
		}
		// The table takes whatever was parsed of a device.
		table := newTable(0)
		table.begin(&walk{})
		table.rename(m.oldPath, m.devpath)
		table.observe(&m, table.devices[m.devpath])
		table.rename(m.devpath, m.oldPath+"/x")
		for path, d := range table.devices {
			if v, ok := d.lookup("DEVPATH"); path != d.path || !ok || v == (sources.Value{}) {
				t.Errorf("device %q stands at %q", d.path, path)
			}
		}
	})
}
