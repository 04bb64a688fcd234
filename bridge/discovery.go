// SPDX-License-Identifier: MIT

// Discovery: how the board is announced to Home Assistant, as one device with
// a component for each thing that is exposed.

package bridge

import (
	"encoding/json"
	"strings"

	"reflexd/client"
)

// Device is what Home Assistant is told about.
type Device struct {
	ID      string // the client id
	Base    string // the base topic
	Model   string
	Version string // of the agent
	HA      client.HomeAssistant
	Expose  []client.Exposed
}

// Topic is where the announcement is published, retained.
func (d *Device) Topic() string { return d.HA.Prefix + "/device/" + d.ID + "/config" }

type object = map[string]any

// Payload returns the announcement.
func (d *Device) Payload() ([]byte, error) {
	name := d.HA.Name
	if name == "" {
		name = d.Base[strings.LastIndexByte(d.Base, '/')+1:]
	}
	device := object{"identifiers": []string{d.ID}, "name": name, "sw_version": d.Version}
	if d.Model != "" {
		device["model"] = d.Model
	}
	if d.HA.Area != "" {
		device["suggested_area"] = d.HA.Area
	}
	components := object{}
	for i := range d.Expose {
		d.add(components, &d.Expose[i])
	}
	return json.Marshal(object{
		"device": device, "origin": object{"name": "reflexd", "sw_version": d.Version},
		"availability_topic": d.Base + "/availability", "qos": 1, "components": components,
	})
}

// add adds the components of x: one, and a trigger for each event of a button.
func (d *Device) add(components object, x *client.Exposed) {
	key := x.Kind + "_" + plain(x.Name)
	topic := d.Base + "/" + x.Kind + "/" + x.Name
	c := object{"platform": x.As, "name": x.Name, "unique_id": d.ID + "_" + key,
		"default_entity_id": x.As + "." + entity(d.Base[strings.LastIndexByte(d.Base, '/')+1:]+"_"+x.Name)}
	components[key] = c
	if len(x.Events) > 0 {
		topic = d.Base + "/event/" + x.Name
		c["event_types"], c["device_class"] = x.Events, "button"
		for _, event := range x.Events {
			components[key+"_"+plain(event)] = object{"platform": "device_automation", "automation_type": "trigger", "type": event, "subtype": x.Name,
				"topic": topic, "payload": event, "value_template": "{{ value_json.event_type }}"}
		}
	}
	c["state_topic"] = topic
	if x.Settable {
		c["command_topic"] = topic + "/set"
	}
	if x.Class != "" {
		c["device_class"] = x.Class
	}
	switch x.As {
	case "select":
		c["options"] = x.Values
	case "number":
		c["min"], c["max"], c["step"], c["mode"] = -1_000_000, 1_000_000, 0.001, "box"
	case "sensor":
		if x.Unit != "" {
			c["state_class"] = "measurement"
		}
	}
	if x.Unit != "" && (x.As == "number" || x.As == "sensor") {
		c["unit_of_measurement"] = x.Unit
	}
}

// entity returns s as the second half of an entity id.
func entity(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(s))
}

// removed returns the announcement that has Home Assistant drop what the
// announcement before had and now, nil for nothing: a component with its platform
// alone is dropped. stale are topics of states that nobody publishes any more.
func removed(before, now []byte) (payload []byte, stale []string) {
	var old, current struct {
		Components map[string]object `json:"components"`
	}
	var whole object
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(now, &current) != nil || json.Unmarshal(now, &whole) != nil {
		return nil, nil
	}
	components, _ := whole["components"].(object)
	for key, c := range old.Components {
		if is, ok := current.Components[key]; ok && is["platform"] == c["platform"] {
			continue
		}
		platform, _ := c["platform"].(string)
		components[key] = object{"platform": platform}
		if topic, ok := c["state_topic"].(string); ok && current.Components[key] == nil {
			stale = append(stale, topic)
		}
		payload = before
	}
	if payload == nil {
		return nil, nil
	}
	payload, _ = json.Marshal(whole)
	return payload, stale
}
