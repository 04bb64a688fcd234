// SPDX-License-Identifier: MIT

//go:build lab

// The bridge on a board, and a broker on the host, over the board's network card.

package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/lab"
	"reflexd/lab/mqtt"
)

// connected is a Virt with a network card that leads to the host.
var connected = sync.OnceValues(func() (*board, error) {
	files := map[string]lab.File{}
	for path, arch := range map[string]string{"/usr/bin/reflexd-mqtt": "arm64", "/usr/bin/reflexd-mqtt6": "armv6"} {
		files[path] = lab.Executable(filepath.Join(os.Getenv("REFLEXD_BUILD"), arch, "reflexd-mqtt"))
	}
	return boot(lab.Config{Machine: lab.Virt, Files: files, QEMU: lab.HostCard})
})

// patience bounds a failure and measures nothing.
const patience = time.Minute

// A press becomes a message, and a command moves an output and comes back as its
// state, also after the broker was frozen, and after it was started again.
func TestBridgeToABrokerOnTheHost(t *testing.T) {
	wants(t, lab.Virt)
	b, err := connected()
	if err != nil {
		t.Fatal(err)
	}
	b.shell(t, "probe address "+lab.HostCardMAC+" "+lab.GuestAddress)
	for _, bits := range []string{"", "6"} {
		t.Run("reflexd"+bits, func(t *testing.T) { b.tryBridge(t, bits) })
	}
}

func (b *board) tryBridge(t *testing.T, bits string) {
	broker, err := mqtt.Start(t.TempDir(), mqtt.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	host, err := mqtt.Connect(t.Context(), broker.Port)
	if err != nil {
		t.Fatal(err)
	}
	await := func(what string, meant func(mqtt.Message) bool) mqtt.Message {
		t.Helper()
		m, err := host.Await(patience, meant)
		if err != nil {
			t.Fatal(what, err)
		}
		return m
	}
	is := func(topic, payload string) func(mqtt.Message) bool {
		return func(m mqtt.Message) bool { return m.Topic == "board/"+topic && m.Payload == payload && !m.Retained }
	}
	publish := func(topic, payload string) {
		t.Helper()
		if err := host.Publish(t.Context(), "board/"+topic, payload, false); err != nil {
			t.Fatal(err)
		}
	}

	b.pull(t, 22, true)
	a := b.startProgram(t, "/usr/bin/reflexd"+bits, fmt.Sprintf(`
mqtt: {broker: "mqtt://%s:%d", topic: board, homeassistant: true, expose: [bell, door, lamp, load]}
lines:
  bell: {button: GPIO22}
  door: {contact: GPIO23, active: high}
  lamp: {output: GPIO27}
sensors: {load: {path: /proc/loadavg, every: 1s}}
rules:
  - {name: chime, when: {mqtt: chime}, do: {log: "chime ${PAYLOAD}"}}
  - {name: away, when: {broker: disconnected}, do: {log: "away ${REASON}"}}
  - {name: back, when: {broker: connected}, do: {log: "back"}}
`, lab.HostAddress, broker.Port))
	bridge, err := b.Start(t.Context(), lab.Command{Args: []string{"/usr/bin/reflexd-mqtt" + bits, "run", "--socket", a.dir + "/socket", "--verbose"}}, a.dir+"/bridge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bridge.Signal(context.Background(), unix.SIGKILL) })
	a.expect("msg=back")
	await("status", func(m mqtt.Message) bool {
		return m.Topic == "board/status" && strings.Contains(m.Payload, `"board":"linux,dummy-virt"`)
	})
	t.Logf("resident memory of the bridge: %s", b.shell(t, "grep VmRSS /proc/$(pidof reflexd-mqtt"+bits+")/status"))

	work := func(t *testing.T) {
		t.Helper()
		var times []time.Duration
		for range 10 {
			begun := time.Now()
			b.pull(t, 22, false)
			times = append(times, await("pressed", func(m mqtt.Message) bool {
				return m.Topic == "board/event/bell" && strings.Contains(m.Payload, `"event_type":"pressed"`)
			}).At.Sub(begun))
			b.pull(t, 22, true)
			await("clicked", func(m mqtt.Message) bool {
				return m.Topic == "board/event/bell" && strings.Contains(m.Payload, `"event_type":"clicked"`)
			})
		}
		slices.Sort(times)
		t.Logf("from pulling the line to the message: median %v, longest %v", times[len(times)/2], times[len(times)-1])
		times = nil
		for i := range 10 {
			to := []string{"ON", "OFF"}[i%2]
			begun := time.Now()
			publish("line/lamp/set", to)
			times = append(times, await("lamp "+to, is("line/lamp", to)).At.Sub(begun))
			b.awaitLine(t, 27, to == "ON")
		}
		slices.Sort(times)
		t.Logf("from the command to the state: median %v, longest %v", times[len(times)/2], times[len(times)-1])
		publish("chime", "ding")
		a.expect("chime ding")
	}
	work(t)

	if err := broker.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	a.expect("away")
	b.pull(t, 23, true) // nobody is told
	if err := broker.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.expect("msg=back")
	await("door", is("line/door", "ON"))
	work(t)

	broker.Kill()
	a.expect("away")
	b.pull(t, 23, false)
	begun := time.Now()
	if err := broker.Again(); err != nil {
		t.Fatal(err)
	}
	a.expect("msg=back")
	t.Logf("connected %v after the broker was there again", time.Since(begun))
	await("door", func(m mqtt.Message) bool { return m.Topic == "board/line/door" && m.Payload == "OFF" })
	work(t)
	if err := bridge.Signal(t.Context(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("offline", is("availability", "offline"))
	a.expect("away.*not connected to the agent")
}
