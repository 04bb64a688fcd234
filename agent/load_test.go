// SPDX-License-Identifier: MIT

// How much memory reading a configuration takes: what it leaves behind stays
// with the process for good.

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// wideFile writes a configuration with a rule for each of 64 lines and 16
// inputs, and returns its path.
func wideFile(t testing.TB) string {
	var lines, inputs, rules strings.Builder
	for i := range 64 {
		fmt.Fprintf(&lines, "  l%d: {input: \"gpiochip1:%d\"}\n", i, i)
		fmt.Fprintf(&rules, "  - {when: {line: l%d, is: rising}, do: {log: \"l%d\"}}\n", i, i)
	}
	for i := range 16 {
		fmt.Fprintf(&inputs, "  k%d: {name: \"keyboard %d\"}\n", i, i)
		fmt.Fprintf(&rules, "  - {when: {key: KEY_A, is: pressed, from: k%d}, do: {log: \"k%d\"}}\n", i, i)
	}
	path := filepath.Join(t.TempDir(), "wide.yaml")
	text := "lines:\n" + lines.String() + "inputs:\n" + inputs.String() + "rules:\n" + rules.String()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadWide(t testing.TB, path string) {
	if _, ps, err := Load([]string{path}); err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
}

// Once 80 rules took 19 MB, since each described the whole language.
func TestLoadTakesLittleMemory(t *testing.T) {
	const most = 2500 << 10
	path := wideFile(t)
	loadWide(t, path)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	loadWide(t, path)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("80 rules take %d KiB to read, %d are allowed", took>>10, most>>10)
	}
}

func BenchmarkLoad(b *testing.B) {
	path := wideFile(b)
	b.ReportAllocs()
	for b.Loop() {
		loadWide(b, path)
	}
}
