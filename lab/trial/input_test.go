// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"strings"
	"testing"

	"reflexd/lab"
)

// inputTests are the tests of the source of input devices, for both layouts of
// an event. What they need of a kernel, uinput, is here in any case.
var inputTests = map[string]string{"arm64": "/usr/bin/input-tests", "armv6": "/usr/bin/input-tests6"}

func TestInputOverUinput(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for arch, program := range inputTests {
			result, err := b.Run(t.Context(), lab.Command{Args: []string{program, "-test.run", "TestKernel", "-test.v"}})
			if err != nil || result.Code != 0 || !strings.Contains(result.Stdout, "--- PASS") || strings.Contains(result.Stdout, "--- SKIP") {
				t.Errorf("%s: %v\n%s%s", arch, err, result.Stdout, result.Stderr)
			}
		}
	})
}
