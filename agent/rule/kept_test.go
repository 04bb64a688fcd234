// SPDX-License-Identifier: MIT

package rule

import (
	"strings"
	"testing"

	"reflexd/sources"
)

// What is kept of an event may have fewer fields than its source owns: a path can be longer
// than all that is kept, and one message has fewer fields than the message before.
func TestKeptEventOfWhichFieldsAreCut(t *testing.T) {
	for _, borrowed := range []bool{true, false} {
		e := &sources.Event{Borrowed: borrowed, Owned: 2, Fields: []sources.Field{
			{Name: "PATH", Value: sources.Text(strings.Repeat("x", longestText+1))},
			{Name: "CODE", Value: sources.Text("POLL_IN")}, {Name: "TEXT", Value: sources.Text("42")},
		}}
		var k Kept
		k.copy(e)
		if len(k.Event.Fields) != 0 {
			t.Errorf("%d fields", len(k.Event.Fields))
		}
		e.Fields = e.Fields[1:2]
		k.copy(e)
		if code, _ := k.Event.Lookup("CODE"); code.String() != "POLL_IN" {
			t.Errorf("CODE is %q", code.String())
		}
	}
}
