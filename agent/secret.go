// SPDX-License-Identifier: MIT

// What somebody types, and the variables that rules make of it. While the agent
// runs, values carry a mark (sources.Value); this is what is known beforehand.

package agent

import (
	"slices"

	"reflexd/agent/action"
	"reflexd/agent/expand"
	"reflexd/agent/rule"
)

// secretVars returns the variables that rules set to what an input types, if
// that must not be logged, or to another such variable; with the name of the
// input.
func (c *Configuration) secretVars() map[string]string {
	secret := map[string]string{}
	for found := -1; found < len(secret); {
		found = len(secret)
		for _, r := range c.Rules {
			input := c.secretInput(r)
			for _, list := range []action.List{r.Do, r.OnFailure} {
				for i := range list {
					list[i].Assigns(func(name string, from expand.Text) {
						if origin := originOf(from, input, secret); origin != "" && secret[name] == "" {
							secret[name] = origin
						}
					})
				}
			}
		}
	}
	return secret
}

// secretInput returns the input whose text fires the rule and must not be
// logged, "" if there is none.
func (c *Configuration) secretInput(r *rule.Rule) string {
	for i := range r.Triggers {
		for _, topic := range r.Triggers[i].Topics {
			in := c.input.Inputs[topic.Name]
			if topic.Kind == "input" && topic.State == "typed" && in != nil && in.Text != nil && !in.Text.Logged {
				return topic.Name
			}
		}
	}
	return ""
}

// originOf returns the input whose text is in from, "" for none.
func originOf(from expand.Text, input string, secret map[string]string) (origin string) {
	if input != "" && slices.Contains(from.Fields(), "TEXT") {
		return input
	}
	from.References(func(space, name string) {
		if space == "var" && origin == "" {
			origin = secret[name]
		}
	})
	return origin
}
