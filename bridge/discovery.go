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
		"availability": []object{d.available()}, "qos": 1, "components": components,
	})
}

// available says when anything of the board is available.
func (d *Device) available() object { return object{"topic": d.Base + "/availability"} }

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
	} else if x.Kind != "var" && x.Kind != "counter" {
		// The state is empty, and not retained, while nobody knows it.
		c["availability_mode"] = "all"
		c["availability"] = []object{d.available(), {"topic": topic, "value_template": "{{ 'online' if value else 'offline' }}"}}
	}
	c["state_topic"] = topic
	if x.Settable {
		c["command_topic"] = topic + "/set"
	}
	if class := classOf(x); class != "" {
		c["device_class"] = class
	}
	if x.Unit != "" {
		c["unit_of_measurement"] = x.Unit
	}
	describe(c, x)
}

// describe adds what only things that are exposed as x is have.
func describe(c object, x *client.Exposed) {
	const onOff = "{{ 'ON' if value | float(0) > 0 else 'OFF' }}"
	topic, set := c["state_topic"], c["command_topic"]
	switch level := x.Kind == "pwm"; {
	case x.As == "select":
		c["options"] = x.Values
	case level && x.As == "number":
		c["min"], c["max"], c["step"], c["mode"] = 0, 100, 1, "slider"
	case x.As == "number":
		c["min"], c["max"], c["step"], c["mode"] = -1_000_000, 1_000_000, 0.001, "box"
	case level && x.As == "light":
		c["state_value_template"], c["on_command_type"] = onOff, "brightness"
		c["brightness_state_topic"], c["brightness_command_topic"], c["brightness_scale"] = topic, set, 100
	case level && x.As == "fan":
		c["state_value_template"], c["percentage_value_template"] = onOff, "{{ value | float(0) | round | int }}"
		c["percentage_state_topic"], c["percentage_command_topic"] = topic, set
	case x.Kind == "sensor" && x.As == "binary_sensor":
		c["value_template"] = "{{ 'ON' if value | float(0) != 0 else 'OFF' }}" // as the language has it
	case x.Kind == "counter":
		c["state_class"] = "total_increasing"
	case x.As == "sensor" && x.Unit != "":
		c["state_class"] = "measurement"
	}
}

// classByUnit are the device classes of sensors that are the only one with a unit,
// or by far the usual one.
var classByUnit = map[string]string{"°C": "temperature", "°F": "temperature", "V": "voltage", "mV": "voltage", "A": "current", "mA": "current",
	"W": "power", "kW": "power", "lx": "illuminance", "Hz": "frequency", "kHz": "frequency", "kPa": "pressure", "hPa": "pressure"}

// classOf returns the device class of x, "" if it has none.
func classOf(x *client.Exposed) string {
	switch {
	case x.Class != "" || x.As != "sensor":
		return x.Class
	case x.Kind != "counter":
		return classByUnit[x.Unit]
	case x.Unit == "kWh" || x.Unit == "Wh":
		return "energy"
	}
	return ""
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
