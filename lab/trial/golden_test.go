// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// varying is what differs from boot to boot and from kernel to kernel.
var varying = []struct{ pattern, mask string }{
	{`Linux \d+\.\S+`, "Linux N"},
	{`process \d+`, "process N"},
	{`gpiochip\d+`, "gpiochipN"},
	{`event\d+`, "eventN"},
	{`input\d+`, "inputN"},
	{`/tmp/\d+/`, "/tmp/N/"},
	{`\d+ of \d+ are pending`, "N of N are pending"}, // all of root's processes count
}

func mask(text string) string {
	for _, v := range varying {
		text = regexp.MustCompile(v.pattern).ReplaceAllString(text, v.mask)
	}
	return text
}

// golden compares what was printed, masked, with the file of that name in
// testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = mask(got)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, -update writes it):\n%s", path, diff)
	}
}
