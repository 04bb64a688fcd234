// SPDX-License-Identifier: MIT

package sources

import (
	"math/big"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "+7": "7", "007": "7", "12": "12", "-3": "-3", "0.5": "0.5", "-0.5": "-0.5", "1.50": "1.5", "2.00": "2",
		"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808",
		"9.223372036854775807": "9.223372036854775807", "0.000000000000000001": "0.000000000000000001",
	} {
		n, ok := ParseNumber(text)
		if !ok || n.String() != want {
			t.Errorf("%s is %s, %v, want %s", text, n, ok, want)
		}
	}
	for _, text := range []string{"", "-", "+", ".", "5.", ".5", "1e3", "0x10", "1_000", " 1", "1 ", "--1", "+-1", "1.-5", "1.2.3", "one",
		"9223372036854775808", "10.000000000000000001", "0.0000000000000000001", "٣"} {
		if n, ok := ParseNumber(text); ok {
			t.Errorf("%q is read as %s", text, n)
		}
	}
}

func TestNumbersAddExactly(t *testing.T) {
	tenth, _ := ParseNumber("0.1")
	var sum Number
	for range 10 {
		sum, _ = sum.Add(tenth)
	}
	if sum != Integer(1) {
		t.Errorf("ten tenths are %s", sum)
	}
	for _, c := range [][2]string{{"9223372036854775807", "1"}, {"-9223372036854775808", "-1"}, {"9223372036854775807", "0.5"}} {
		a, _ := ParseNumber(c[0])
		b, _ := ParseNumber(c[1])
		if sum, err := a.Add(b); err == nil {
			t.Errorf("%s + %s = %s", a, b, sum)
		}
	}
}

func TestNumbersAllocateNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		a, _ := ParseNumber("21.75")
		b, _ := ParseNumber("not one")
		if a.Compare(b) < 0 {
			t.Error("21.75 < 0")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzNumbers holds reading, adding and comparing against math/big.
func FuzzNumbers(f *testing.F) {
	for _, s := range [][2]string{{"1", "2.5"}, {"-0.1", "0.10"}, {"9223372036854775807", "0.1"}, {"", "x"}, {"-9.2", "-9.25"}, {"-0", "-0.0"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, ok := ParseNumber(one)
		b, too := ParseNumber(other)
		if !ok || !too {
			return
		}
		x, _ := new(big.Rat).SetString(one)
		y, _ := new(big.Rat).SetString(other)
		if back, _ := new(big.Rat).SetString(a.String()); x.Cmp(back) != 0 {
			t.Errorf("%s became %s", one, a)
		}
		if got := a.Compare(b); got != x.Cmp(y) {
			t.Errorf("%s compared with %s: %d", one, other, got)
		}
		if sum, err := a.Add(b); err == nil {
			if s, _ := new(big.Rat).SetString(sum.String()); s.Cmp(new(big.Rat).Add(x, y)) != 0 {
				t.Errorf("%s + %s = %s", one, other, sum)
			}
		}
	})
}

func TestProducts(t *testing.T) {
	for _, test := range []struct{ a, b, want string }{
		{"45123", "0.001", "45.123"}, {"-1500", "0.001", "-1.5"}, {"0", "-0.1", "0"}, {"73", "0.001333", "0.097309"},
		{"3000000000", "3000000000", "9000000000000000000"}, {"4000000000", "4000000000", ""},
		{"0.000000001", "0.000000001", "0.000000000000000001"}, {"0.0000000001", "0.0000000001", "0"},
		{"999999999999999999", "0.999999999999999999", "999999999999999998"},
	} {
		a, _ := ParseNumber(test.a)
		b, _ := ParseNumber(test.b)
		got, err := a.Mul(b)
		if err != nil && test.want == "" {
			continue
		}
		if err != nil || got.String() != test.want {
			t.Errorf("%s * %s = %v, %v, want %s", test.a, test.b, got, err, test.want)
		}
	}
	for _, test := range []struct {
		a    string
		k    int64
		want string
	}{{"10", 4, "2.5"}, {"-1", 3, "-0.333"}, {"9", 3, "3"}, {"0.5", 2, "0.25"}, {"9223372036854775807", 7, "1317624576693539401"}} {
		a, _ := ParseNumber(test.a)
		if got := a.Div(test.k).String(); got != test.want {
			t.Errorf("%s / %d = %s, want %s", test.a, test.k, got, test.want)
		}
	}
}
