// SPDX-License-Identifier: MIT

package signal

import "reflexd/sources"

// Simulated returns the event of a signal that a process sent, with its value
// as by sigqueue(3), for tests of rules.
func Simulated(name string, value int32) (*sources.Event, error) {
	number, err := Receivable(name)
	if err != nil {
		return nil, err
	}
	s := &Source{}
	s.fill(&record{signal: number, code: -1, value: value})
	return s.event.Clone(), nil
}
