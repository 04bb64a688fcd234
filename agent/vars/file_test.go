// SPDX-License-Identifier: MIT

package vars

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFormatAndParse(t *testing.T) {
	for _, values := range []map[string]string{
		{},
		{"mode": "night"},
		{"a": "", "b": "x\ny", `c"`: `\"`, "d": "\x00\xff ✓", "sum 0": "sum 1\n"},
	} {
		got, err := parse(format(values))
		if err != nil || !maps.Equal(got, values) {
			t.Errorf("%q became %q, %v", values, got, err)
		}
	}
}

// A text that is cut off anywhere, or in which any byte is another, is not
// taken for one that is whole.
func TestDamageIsSeen(t *testing.T) {
	whole := format(map[string]string{"mode": "night", "level": "42"})
	for i := range whole {
		if values, err := parse(whole[:i]); err == nil {
			t.Errorf("cut off after %d bytes: %q", i, values)
		}
		changed := whole[:i] + string(whole[i]^1) + whole[i+1:]
		if values, err := parse(changed); err == nil {
			t.Errorf("byte %d changed: %q", i, values)
		}
	}
	for _, text := range []string{"", "\n", whole + "\n", whole + whole, header + "\"a\" \"b\nc\"\n", header + "a b\n" + sumOf(header+"a b\n"),
		header + "\"a\"\"b\" c\n" + sumOf(header+"\"a\"\"b\" c\n"), header + "\"a\"\n" + sumOf(header+"\"a\"\n")} {
		if values, err := parse(text); err == nil {
			t.Errorf("%q: %q", text, values)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add(format(nil))
	f.Add(format(map[string]string{"mode": "night", "x y": "\"\\\n"}))
	f.Add(header + "\"a\" b\n" + sumOf(header))
	f.Fuzz(func(t *testing.T, text string) {
		for _, body := range []string{text, header + text + sumOf(header+text)} {
			values, err := parse(body)
			if err != nil {
				continue
			}
			again, err := parse(format(values))
			if err != nil || !maps.Equal(values, again) {
				t.Errorf("%q: %q, then %q, %v", body, values, again, err)
			}
		}
	})
}

// TestMain serves TestKilledWhileWriting too: as a child it writes until it
// is killed.
func TestMain(m *testing.M) {
	path := os.Getenv("STATE_TEST_FILE")
	if path == "" {
		os.Exit(m.Run())
	}
	for n := 0; ; n++ {
		if err := save(path, format(map[string]string{"n": fmt.Sprint(n), "pad": strings.Repeat("x", 3000)})); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if n == 0 {
			fmt.Println("writing")
		}
	}
}

func TestKilledWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for n := range 25 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STATE_TEST_FILE="+path)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscanln(out, new(string)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n) * 300 * time.Microsecond) // at another moment each time
		cmd.Process.Kill()
		cmd.Wait()
		if values, err := read(path); err != nil || values["n"] == "" {
			t.Fatalf("%q, %v", values, err)
		}
	}
}

// How long the power has to last for `save: kept`, on the disk of the folder for
// temporary files.
func BenchmarkSave(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	for i := 0; b.Loop(); i++ {
		if err := save(path, format(map[string]string{"mode": "night", "\x00counter gas": strconv.Itoa(i)})); err != nil {
			b.Fatal(err)
		}
	}
}
