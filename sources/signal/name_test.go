// SPDX-License-Identifier: MIT

package signal

import (
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for name, want := range map[string]int{
		"SIGUSR1": 10, "usr1": 10, "USR2": 12, "sigterm": 15, "10": 10, "SIGPOLL": 29,
		"SIGRTMIN": 34, "SIGRTMIN+2": 36, "rtmin+30": 64, "SIGRTMAX": 64, "rtmax-30": 34, "33": 33,
	} {
		if n, err := Number(name); n != want || err != nil {
			t.Errorf("Number(%q) = %d, %v, want %d", name, n, err, want)
		}
	}
	for n := 1; n <= rtMax; n++ {
		if got, err := Number(Name(n)); got != n || err != nil {
			t.Errorf("Number(%q) = %d, %v, want %d", Name(n), got, err, n)
		}
	}
}

func TestNumberComplains(t *testing.T) {
	for name, want := range map[string]string{
		"SIGUSR3":     `did you mean "SIGUSR`,
		"urs1":        `did you mean "SIGUSR1"`,
		"":            `unknown signal ""`,
		"0":           "from 1 to 64",
		"65":          "from 1 to 64",
		"SIGRTMIN+31": "SIGRTMIN to SIGRTMIN+30",
		"SIGRTMIN-1":  "SIGRTMIN to SIGRTMIN+30",
		"SIGRTMAX+1":  "SIGRTMIN to SIGRTMIN+30",
		"SIGRTMIN2":   "SIGRTMIN+2",
		"SIGRTMINX":   "SIGRTMIN+2",
		"SIGRTMIN+":   "SIGRTMIN+2",
	} {
		if n, err := Number(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Number(%q) = %d, %v, want an error with %q", name, n, err, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, want := range map[string]string{
		"SIGHUP": "agent: reloaded", "SIGTERM": "agent: stopping", "SIGINT": "agent: stopping",
		"SIGKILL": "no process", "SIGSEGV": "fault", "SIGCHLD": "use SIGUSR1", "SIGPIPE": "use SIGUSR1",
		"SIGRTMIN": "SIGRTMIN+1", "32": "SIGRTMIN+1",
	} {
		if _, err := Receivable(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Receivable(%q): %v, want %q in it", name, err, want)
		}
	}
	if n, err := Receivable("SIGRTMIN+1"); n != 35 || err != nil {
		t.Errorf("Receivable(SIGRTMIN+1) = %d, %v", n, err)
	}
}
