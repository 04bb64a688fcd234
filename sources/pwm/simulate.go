// SPDX-License-Identifier: MIT

package pwm

import (
	"fmt"

	"reflexd/sources"
)

// SimulateInitial says at which level an output of p is, in percent, before p is
// applied: another than `initial` if reflexd has had it before.
func (s *Source) SimulateInitial(p *Plan, name, level string) error {
	n, err := sources.ParsePercent(level)
	switch {
	case p.outputs[name] == nil:
		return fmt.Errorf("no pwm output %q is declared", name)
	case err != nil:
		return fmt.Errorf("pwm %s: %w", name, err)
	}
	if s.given == nil {
		s.given = map[string]int{}
	}
	s.given[name] = n
	return nil
}
