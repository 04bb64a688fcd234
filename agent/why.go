// SPDX-License-Identifier: MIT

// Why: what rules made of the last events, item by item.

package agent

import (
	"fmt"
	"strings"

	"reflexd/agent/control"
	"reflexd/agent/rule"
	"reflexd/client"
	"reflexd/sources"
)

// mostWhys is how many are shown over all rules.
const mostWhys = 20

// seen returns the value of what a condition asks of, "" if that is not known.
func (a *Agent) seen(kind, name string) string {
	switch kind {
	case "line":
		if on, ok := a.gpio.Level(name); ok {
			return word(on, sources.On, sources.Off)
		}
		return ""
	case "var":
		if value, err := a.vars.Value(name); err == nil {
			return value.Shown()
		}
		return ""
	}
	return a.stateOf(kind, name)
}

// why answers what a rule made of the last events, or what all did.
func (a *Agent) why(r control.Request, reply func(any, error)) {
	records, err := a.runner.History(r.Name)
	if err != nil {
		reply(nil, err)
		return
	}
	if r.Name == "" && len(records) > mostWhys {
		records = records[len(records)-mostWhys:]
	}
	all := client.Whys{Version: client.Version, Whys: []client.Why{}}
	for _, rec := range records {
		all.Whys = append(all.Whys, a.explain(rec, r.Role < control.Admin))
	}
	reply(all, nil)
}

// explain makes of a record what a client sees, in memory of its own.
func (a *Agent) explain(rec *rule.Record, masked bool) client.Why {
	e := rec.Event.Clone()
	n := eventNotice(e)
	shown := a.mask(e, n)
	secret := masked && shown.Masked
	if masked {
		n = shown
	}
	w := client.Why{
		Time: client.Seconds(rec.At), Wall: a.clock.Stamp(rec.At), Rule: rec.Rule.Name, At: rec.Rule.Pos.String(),
		Outcome: string(rec.Outcome), Why: rec.Why, Event: *n, Mode: string(rec.Rule.Mode),
	}
	if rec.Rule.Cooldown > 0 {
		w.Cooldown = rec.Rule.Cooldown.String()
	}
	if l := rec.Rule.Limit; l.Count > 0 {
		w.Limit = fmt.Sprintf("%d/%v", l.Count, l.Per)
	}
	if rec.Trigger != nil && !secret {
		w.Where = partsOf(rec.Trigger.Where, e)
	}
	for i, part := range rec.Rule.Parts() {
		if i < len(rec.Holds) {
			w.If = append(w.If, client.WhyPart{Text: part.Text, At: part.At.String(), Holds: truths[rec.Holds[i]], Seen: rec.Seen[i]})
		}
	}
	for _, d := range rec.Actions {
		w.Actions = append(w.Actions, actionOf(&d, e, masked))
	}
	return w
}

var truths = map[sources.Truth]string{sources.Yes: "yes", sources.No: "no", sources.Unknown: "unknown"}

func partsOf(where sources.Where, e *sources.Event) (parts []client.WhyPart) {
	where.Each(e, func(field, value string, present, passes bool) {
		part := client.WhyPart{Text: field, Holds: truths[sources.Whether(passes)], Seen: value}
		if !present {
			part.Seen = ""
		}
		parts = append(parts, part)
	})
	return parts
}

// actionOf describes an action; masked, only its kind, as status does.
func actionOf(d *rule.Deed, e *sources.Event, masked bool) client.WhyAction {
	w := client.WhyAction{Action: d.What, Took: client.Seconds(d.Took)}
	if w.Action == "" {
		w.Action = e.Conceal(d.Step.Describe(e))
	}
	if masked {
		w.Action, _, _ = strings.Cut(w.Action, " ")
	}
	if d.Err != nil {
		w.Error = d.Err.Error()
	}
	return w
}
