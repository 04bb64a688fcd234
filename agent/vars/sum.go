// SPDX-License-Identifier: MIT

// Sums: what is added to variables, and which of them take that.

package vars

import (
	"fmt"
	"slices"

	"reflexd/sources"
)

// Sum is a number to add to a variable, and the limits of the result.
type Sum struct {
	Add sources.Number
	// Min and Max are where the result stops; nil for no limit.
	Min, Max *sources.Number
	// Wrap has it go on at the other limit instead: after Max comes Min. Both
	// are integers then, and there.
	Wrap bool
}

// To returns the sum of value and s.Add.
func (s *Sum) To(value string) (string, error) {
	n, ok := sources.ParseNumber(value)
	if !ok {
		return "", fmt.Errorf("its value %q is not a number", value)
	}
	sum, err := n.Add(s.Add)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s and %s: %w", n, s.Add, err)
	case s.Wrap && !sum.IsInteger():
		return "", fmt.Errorf("%s is not an integer, which wrap needs", sum)
	case s.Wrap:
		sum = sources.Integer(wrap(sum.Int(), s.Min.Int(), s.Max.Int()))
	case s.Max != nil && sum.Compare(*s.Max) > 0:
		sum = *s.Max
	case s.Min != nil && sum.Compare(*s.Min) < 0:
		sum = *s.Min
	}
	return sum.String(), nil
}

// wrap returns the number from low to high that n is, where high is followed by
// low. The differences of any two int64 fit into an uint64.
func wrap(n, low, high int64) int64 {
	size := uint64(high) - uint64(low) + 1
	switch {
	case size == 0: // every int64
		return n
	case n >= low:
		return int64(uint64(low) + (uint64(n)-uint64(low))%size)
	}
	return int64(uint64(low) + (size-(uint64(low)-uint64(n))%size)%size)
}

// Counts returns why nothing can be added to the variable, as far as that is
// known beforehand: it is not declared, or what it may be is no number.
func (p *Plan) Counts(name string) error {
	if err := p.Declares(name); err != nil {
		return err
	}
	v := p.vars[name]
	for _, value := range v.values {
		if _, ok := sources.ParseNumber(value); !ok {
			return fmt.Errorf("nothing can be added to %s: %q, one of its values, is not a number", name, value)
		}
	}
	_, ok := sources.ParseNumber(v.initial)
	switch {
	case ok:
		return nil
	case v.initial == "":
		return fmt.Errorf("nothing can be added to %s: it is empty at first; declare it with `initial: 0`", name)
	}
	return fmt.Errorf("nothing can be added to %s: its initial value %q is not a number", name, v.initial)
}

// Toggles returns an error unless the variable has two values, between which it
// can be switched.
func (p *Plan) Toggles(name string) error {
	if err := p.Declares(name); err != nil {
		return err
	}
	if n := len(p.vars[name].values); n != 2 {
		return fmt.Errorf("%s cannot be toggled: that takes a variable with two `values`, such as [off, on]", name)
	}
	return nil
}

// Add returns what the variable is with s added to it.
func (s *Source) Add(name string, sum *Sum) (sources.Value, error) {
	err := s.plan.Declares(name)
	text := ""
	if err == nil {
		text, err = sum.To(s.values[name].String())
	}
	if err != nil {
		return sources.Value{}, fmt.Errorf("add %s to variable %s: %s", sum.Add, name, concealed(err, s.values[name]))
	}
	return s.values[name].Like(text), nil
}

// Other returns the value that the variable, which has two, does not have now.
func (s *Source) Other(name string) (sources.Value, error) {
	if err := s.plan.Toggles(name); err != nil {
		return sources.Value{}, fmt.Errorf("toggle variable: %w", err)
	}
	values, now := s.plan.vars[name].values, s.values[name]
	return now.Like(values[1-slices.Index(values, now.String())]), nil
}
