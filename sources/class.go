// SPDX-License-Identifier: MIT

// Classes: what things are for Home Assistant, by its names of device classes.

package sources

import "strings"

// BinaryClasses are the device classes of what is on or off
// (https://www.home-assistant.io/integrations/binary_sensor).
var BinaryClasses = []string{"battery", "battery_charging", "carbon_monoxide", "cold", "connectivity", "door", "garage_door", "gas", "heat",
	"light", "lock", "moisture", "motion", "moving", "occupancy", "opening", "plug", "power", "presence", "problem", "running",
	"safety", "smoke", "sound", "tamper", "update", "vibration", "window"}

// SensorClasses returns those of values that are numbers
// (https://www.home-assistant.io/integrations/sensor).
func SensorClasses() []string {
	return strings.Fields(`absolute_humidity apparent_power aqi area atmospheric_pressure battery blood_glucose_concentration
		carbon_dioxide carbon_monoxide conductivity current data_rate data_size distance duration energy energy_distance
		energy_storage frequency gas humidity illuminance irradiance moisture monetary nitrogen_dioxide nitrogen_monoxide
		nitrous_oxide ozone ph pm1 pm10 pm25 power power_factor precipitation precipitation_intensity pressure reactive_energy
		reactive_power signal_strength sound_pressure speed sulphur_dioxide temperature volatile_organic_compounds
		volatile_organic_compounds_parts voltage volume volume_flow_rate volume_storage water weight wind_direction wind_speed`)
}
