// SPDX-License-Identifier: MIT

// Benchmarks of starts: from the call to the first instruction of a tiny
// program, beside a C program with posix_spawn. With REFLEXD_SPAWN_BIN set the
// two programs are taken from there, where no compiler is at hand.

package spawn

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tools puts the two C programs, and an empty file for stamps, into a new
// directory and goes there.
func tools(b *testing.B) {
	dir := b.TempDir()
	for name, flags := range map[string][]string{
		"stamp":       {"-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"},
		"posix_spawn": {"-O2", "-static"},
	} {
		to := filepath.Join(dir, name)
		if bin := os.Getenv("REFLEXD_SPAWN_BIN"); bin != "" {
			if err := os.Symlink(filepath.Join(bin, name), to); err != nil {
				b.Fatal(err)
			}
			continue
		}
		out, err := exec.Command("cc", append(flags, "-o", to, "testdata/"+name+".c")...).CombinedOutput()
		if err != nil {
			b.Skipf("no compiler: %v\n%s", err, out)
		}
	}
	b.Chdir(dir)
	if err := os.WriteFile("stamps", nil, 0o666); err != nil {
		b.Fatal(err)
	}
}

// report prints the median time from befores to the stamps.
func report(b *testing.B, befores []time.Duration) {
	text, err := os.ReadFile("stamps")
	if err != nil {
		b.Fatal(err)
	}
	var stamp unix.Timespec
	var took []time.Duration
	for i := range befores {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&stamp)), unsafe.Sizeof(stamp)), text[i*int(unsafe.Sizeof(stamp)):])
		took = append(took, time.Duration(stamp.Nano())-befores[i])
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "ns-to-first-instruction")
	b.ReportMetric(float64(took[len(took)*99/100]), "ns-p99")
}

func BenchmarkFirstInstruction(b *testing.B) {
	for _, bench := range []struct {
		name string
		rig  func(testing.TB) *rig
		spec Spec
	}{
		{"plain", newRig, Spec{Argv: []string{"./stamp"}}},
		{"output", newRig, Spec{Argv: []string{"./stamp"}, Output: func([]byte) {}}},
		{"cgroup", newCellRig, Spec{Argv: []string{"./stamp"}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			tools(b)
			r := bench.rig(b)
			bench.spec.Env = os.Environ()
			var befores []time.Duration
			var onThread time.Duration
			b.ReportAllocs()
			for b.Loop() {
				ended := make(chan Result)
				r.do(func() {
					before := r.loop.Now()
					r.Start(bench.spec, func(res Result) { ended <- res })
					onThread += r.loop.Now() - before
					befores = append(befores, before)
				})
				if err := (<-ended).Failure(); err != nil {
					b.Fatal(err)
				}
			}
			report(b, befores)
			b.ReportMetric(float64(onThread)/float64(len(befores)), "ns-in-Start")
		})
	}
	b.Run("posix_spawn", func(b *testing.B) {
		tools(b)
		for b.Loop() {
		}
		out, err := exec.Command("./posix_spawn", strconv.Itoa(1000)).Output()
		if err != nil {
			b.Fatal(err)
		}
		var befores []time.Duration
		for line := range strings.FieldsSeq(string(bytes.TrimSpace(out))) {
			n, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			befores = append(befores, time.Duration(n))
		}
		report(b, befores)
	})
}
