//go:build lab

package lab

import (
	"path/filepath"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	ctx := t.Context()
	stick := filepath.Join(t.TempDir(), "stick.img")
	must(t, StickImage(ctx, stick, Volume{Type: "vfat"}))
	for _, m := range []Machine{Pi3} {
		b, err := Boot(ctx, Config{Machine: m})
		must(t, err)
		for i := range 40 {
			d := time.Duration(i) * 80*time.Millisecond
			if err := b.PlugStick(ctx, "stick", stick); err != nil {
				t.Errorf("%v %v: plug %v %s", m, d, err, b.lastWords())
				break
			}
			time.Sleep(d)
			if err := b.Unplug(ctx, "stick"); err != nil {
				t.Errorf("%v %v: %v", m, d, err)
				b.Close()
				t.Log(b.lastWords())
				break
			}
			t.Log(m, d)
			if i%5==4 {time.Sleep(8*time.Second)}
		}
		t.Log(b.Shell(ctx, "uptime; dmesg | tail -20"))
		b.Close()
	}
}
