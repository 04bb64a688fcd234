// SPDX-License-Identifier: MIT

package clock

import (
	"strings"
	"testing"
	"time"

	"reflexd/config"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"07:00": "07:00", "7:00": "07:00", "00:00": "00:00", "23:59:59": "23:59:59", "7:00:00": "07:00", "12:00:01": "12:00:01",
		"24:00":       `expected a time of day such as 07:00 or 19:30:15, found "24:00"; midnight is 00:00`,
		"22:00-06:00": `found "22:00-06:00"; a period is a condition: if: {time: 22:00-06:00}`,
		"7":           `found "7"`, "7:0": `found "7:0"`, "07:00:5": `found "07:00:5"`, "07:60": "expected", "7:00pm": "expected",
		"-1:00": "expected", "07:00:00:00": "expected", "": "expected", "07:00 ": "expected",
	} {
		d, err := parseDaily(text)
		if err == nil && d.name() != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %s", text, d.name(), err, want)
		}
	}
	for text, want := range map[string]string{
		"-30m": "set -30m", "30m": "set +30m", "+1h": "set +1h", "-12h": "set -12h", "12h": "set +12h", "1h30m": "set +1h30m",
		"0s": "set", "-0s": "set", "90s": "set +1m30s",
		"12h1s": `"12h1s" is too far: at most 12h before or after`, "-13h": `"-13h" is too far`, "30": `"30" has no unit`,
		"--30m": "expected a duration", "-+30m": "expected a duration", "- 30m": "expected a duration", "": "expected a duration",
	} {
		offset, err := parseOffset(text)
		if got := (solar{state: set, offset: offset}).name(); err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"52.5": "", "-90": "", "90": "", "90.1": `expected degrees from -90 to 90 such as 52.5, found "90.1"`,
		"NaN": "expected", "inf": "expected", "52°31'": "expected", "52,5": "expected", "": "expected",
	} {
		if _, err := degrees(90, "52.5")(text); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzDaily(f *testing.F) {
	for _, s := range []string{"07:00", "7:00:59", "24:00", "22:00-06:00", "::", "007:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseDaily(s); err == nil {
			again, err := parseDaily(d.name())
			if err != nil || again != d || d < 0 || d >= 86400 {
				t.Errorf("%q is %d, %s; that is %d, %v", s, d, d.name(), again, err)
			}
			if minute, ok := Minute(s); !ok || minute < 0 || minute >= wholeDay {
				t.Errorf("%q is in minute %d", s, minute)
			}
		}
		if span, err := parseSpan(s); err == nil && (span.from < 0 || span.to > wholeDay || span.from == span.to) {
			t.Errorf("%q is %+v", s, span)
		}
	})
}

func FuzzOffset(f *testing.F) {
	for _, s := range []string{"-30m", "+12h", "0", "--1h", "1.5h", "1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseOffset(s)
		if err == nil && d.Abs() > mostOffset {
			t.Errorf("%q is %v", s, d)
		}
		if _, place := degrees(180, "13.4")(s); err == nil && place == nil && s != "0" && s != "+0" && s != "-0" {
			t.Errorf("%q is a duration and an angle", s)
		}
	})
}

// FuzzPlan has plans read from whatever stands in a file.
func FuzzPlan(f *testing.F) {
	f.Add("{time: [07:00, 7:30], days: mon}", "{latitude: 52.5, longitude: 13.4}")
	f.Add("{sun: [rise, set], offset: -30m, days: [sun]}", "{latitude: 90, longitude: -180}")
	f.Fuzz(func(t *testing.T, trigger, place string) {
		r := newRig(t, "Europe/Berlin", "2026-03-28T12:00:00Z")
		ps := &config.Problems{}
		read := func(v config.Value, text string) {
			if n, ok := config.Parse("f", []byte(text), ps); ok {
				v.Read(n, ps)
			}
		}
		read(r.plan.Sections()[0].Value, place)
		for _, k := range r.plan.Triggers() {
			fields, _ := k.New()
			read(config.Object(fields...), trigger)
		}
		if ps.Failed() {
			return
		}
		r.wait(trigger).apply().pass(24 * time.Hour)
	})
}
