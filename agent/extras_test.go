// SPDX-License-Identifier: MIT

package agent

import (
	"reflect"
	"testing"
)

// What a plan has the methods for, its Extras name: else the agent would not call them.
func TestExtrasAreComplete(t *testing.T) {
	for i, p := range newConfiguration().plans {
		extras := reflect.ValueOf(p.Extras())
		for j := range extras.NumField() {
			offers := extras.Type().Field(j)
			if can := reflect.TypeOf(p).Implements(offers.Type); can == extras.Field(j).IsNil() {
				t.Errorf("plan of %s: it has the methods of a %s: %t, which its Extras contradict", kinds[i].Name, offers.Type.Name(), can)
			}
		}
	}
}
