// SPDX-License-Identifier: MIT

// Number: the numbers of the language, integers and decimal fractions.

package sources

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"reflexd/config"
)

// Number is an exact decimal number of up to 18 digits. Its zero value is 0;
// equal numbers are equal Go values.
type Number struct {
	n      int64 // the number times 10 to the power of places
	places uint8 // after the point; no more than needed
}

// mostPlaces is the largest Number.places: 10 to its power is an int64.
const mostPlaces = 18

// powers are the powers of 10 that an int64 can hold.
var powers = func() (p [mostPlaces + 1]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// errRange is the error for a result that a Number cannot hold.
var errRange = errors.New("the result has too many digits")

// Integer returns n as a Number.
func Integer(n int64) Number { return Number{n: n} }

// ParseNumber reads "-12", "0.5". It allocates nothing. It is not ok for what is no
// number, or has too many digits.
func ParseNumber(s string) (Number, bool) {
	point := strings.IndexByte(s, '.')
	if point < 0 {
		n, ok := parseInt(s)
		return Number{n: n}, ok
	}
	fraction := strings.TrimRight(s[point+1:], "0")
	if point+1 == len(s) || len(fraction) > mostPlaces || !digits(fraction) {
		return Number{}, false
	}
	whole, ok := parseInt(s[:point])
	if !ok {
		return Number{}, false
	}
	below, _ := parseInt(fraction)
	if s[0] == '-' {
		below = -below
	}
	a := Number{n: whole}
	b := Number{n: below, places: uint8(len(fraction))}
	sum, err := a.Add(b)
	return sum, err == nil
}

// parseInt is strconv.ParseInt for the base 10 without an error to allocate.
// It takes no number as 0.
func parseInt(s string) (n int64, ok bool) {
	unsigned := strings.TrimPrefix(s, "-")
	if len(unsigned) == len(s) {
		unsigned = strings.TrimPrefix(s, "+")
	}
	if unsigned == "" || !digits(unsigned) {
		return 0, false
	}
	if len(unsigned) <= mostPlaces {
		for i := range len(unsigned) {
			n = 10*n + int64(unsigned[i]-'0')
		}
		if s[0] == '-' {
			n = -n
		}
		return n, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// IsInteger reports whether n has no places after the point.
func (n Number) IsInteger() bool { return n.places == 0 }

// Int returns an integer as it is, and of other numbers the part before the point.
func (n Number) Int() int64 { return n.n / powers[n.places] }

// String returns n as ParseNumber reads it.
func (n Number) String() string {
	if n.places == 0 {
		return strconv.FormatInt(n.n, 10)
	}
	sign, text := "", strconv.FormatUint(magnitude(n.n), 10)
	if n.n < 0 {
		sign = "-"
	}
	if missing := int(n.places) + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	point := len(text) - int(n.places)
	return sign + text[:point] + "." + text[point:]
}

// Compare returns -1, 0 or 1 as n is less than, equal to or more than other.
func (n Number) Compare(other Number) int {
	if n.places == other.places || (n.n < 0) != (other.n < 0) {
		return cmp.Compare(n.n, other.n)
	}
	places := max(n.places, other.places)
	high, low := bits.Mul64(magnitude(n.n), uint64(powers[places-n.places]))
	otherHigh, otherLow := bits.Mul64(magnitude(other.n), uint64(powers[places-other.places]))
	order := cmp.Or(cmp.Compare(high, otherHigh), cmp.Compare(low, otherLow))
	if n.n < 0 {
		return -order
	}
	return order
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// Add returns the sum, or an error if it has too many digits.
func (n Number) Add(other Number) (Number, error) {
	places := max(n.places, other.places)
	a, ok := n.scaled(places)
	b, too := other.scaled(places)
	sum := a + b
	if !ok || !too || (a < 0) == (b < 0) && (sum < 0) != (a < 0) {
		return Number{}, errRange
	}
	for places > 0 && sum%10 == 0 {
		sum, places = sum/10, places-1
	}
	return Number{sum, places}, nil
}

// scaled returns n.n as it is with that many places.
func (n Number) scaled(places uint8) (int64, bool) {
	power := powers[places-n.places]
	scaled := n.n * power
	return scaled, scaled/power == n.n
}

// NumberValue returns the Value that reads a Number, or an integer.
func NumberValue(p **Number, integers bool) config.Value {
	what := "a number"
	if integers {
		what = "an integer"
	}
	return config.Parsed(p, what, func(text string) (*Number, error) {
		n, ok := ParseNumber(text)
		if !ok || integers && !n.IsInteger() {
			return nil, fmt.Errorf("expected %s, found %q", what, text)
		}
		return &n, nil
	})
}

// Number returns the value as a Number; a text counts if it is one.
func (v Value) Number() (Number, bool) {
	if !v.isText {
		return Integer(v.number), true
	}
	return ParseNumber(v.text)
}

// Mul returns the product, with as many places as a Number has room for; the rest
// is cut off. It is an error if there is no room for the digits before the point.
func (n Number) Mul(other Number) (Number, error) {
	high, low := bits.Mul64(magnitude(n.n), magnitude(other.n))
	places := n.places + other.places
	for high > 0 || low > math.MaxInt64 || places > mostPlaces || places > 0 && low%10 == 0 {
		if places == 0 {
			return Number{}, errRange
		}
		rest := high % 10
		high /= 10
		low, _ = bits.Div64(rest, low, 10)
		places--
	}
	if (n.n < 0) != (other.n < 0) {
		return Number{-int64(low), places}, nil
	}
	return Number{int64(low), places}, nil
}

// Div returns n divided by k, which is not 0, with up to three more places than n
// has; the rest is cut off.
func (n Number) Div(k int64) Number {
	for more := uint8(3); more > 0; more-- {
		if n.places+more > mostPlaces {
			continue
		}
		if scaled, ok := n.scaled(n.places + more); ok {
			q, _ := Number{scaled / k, n.places + more}.Mul(Integer(1)) // without zeros at the end
			return q
		}
	}
	q, _ := Number{n.n / k, n.places}.Mul(Integer(1))
	return q
}

// Neg returns n with the other sign.
func (n Number) Neg() Number { return Number{-n.n, n.places} }

// Fixed returns n times 10 to the power of places, if that is an integer.
func (n Number) Fixed(places uint8) (int64, bool) {
	if places < n.places || places > mostPlaces {
		return 0, false
	}
	return n.scaled(places)
}

// Places returns how many digits n has after the point.
func (n Number) Places() uint8 { return n.places }

// FromFixed returns n divided by 10 to the power of places.
func FromFixed(n int64, places uint8) Number {
	q, _ := Number{n, places}.Mul(Integer(1)) // without zeros at the end
	return q
}

// Float returns n as nearly as a float64 can.
func (n Number) Float() float64 { return float64(n.n) / float64(powers[n.places]) }
