// SPDX-License-Identifier: MIT

// Units: what the numbers in attributes mean, as the kernel documents them.

package sensor

import (
	"slices"
	"strings"

	"reflexd/sources"
)

// unit is what the number in an attribute is multiplied by, and the unit of the
// product.
type unit struct {
	scale sources.Number
	name  string
}

// documented are the units of attributes, by how their names begin: the first that
// fits counts. The number is one of so many decimal places. The documents are those
// of the kernel below Documentation/.
var documented = []struct {
	kind, prefix string
	places       uint8
	unit         string
}{
	// ABI/testing/sysfs-class-thermal
	{thermal, "temp", 3, "°C"},
	// ABI/testing/sysfs-driver-w1_therm; w1/slaves/w1_therm.rst
	{w1, "", 3, "°C"},
	// ABI/testing/sysfs-class-hwmon; hwmon/sysfs-interface.rst
	{hwmon, "temp", 3, "°C"}, {hwmon, "in", 3, "V"}, {hwmon, "curr", 3, "A"}, {hwmon, "power", 6, "W"},
	{hwmon, "energy", 6, "J"}, {hwmon, "humidity", 3, "%"}, {hwmon, "fan", 0, "RPM"}, {hwmon, "freq", 0, "Hz"},
	// ABI/testing/sysfs-bus-iio: the units after scale and offset.
	{iio, "voltage", 3, "V"}, {iio, "altvoltage", 3, "V"}, {iio, "current", 3, "A"}, {iio, "power", 3, "W"},
	{iio, "energy", 0, "J"}, {iio, "temp", 3, "°C"}, {iio, "humidityrelative", 3, "%"}, {iio, "pressure", 0, "kPa"},
	{iio, "illuminance", 0, "lx"}, {iio, "resistance", 0, "Ω"}, {iio, "capacitance", 0, "nF"},
	{iio, "distance", 0, "m"}, {iio, "proximity", 0, ""}, {iio, "concentration", 0, "%"},
	{iio, "massconcentration", 0, "µg/m³"}, {iio, "activity", 0, "%"}, {iio, "accel", 0, "m/s²"},
	{iio, "gravity", 0, "m/s²"}, {iio, "velocity", 0, "m/s"}, {iio, "anglvel", 0, "rad/s"}, {iio, "angl", 0, "rad"},
	{iio, "phase", 0, "rad"}, {iio, "incli", 0, "°"}, {iio, "magn", 0, "G"}, {iio, "positionrelative", 3, "%"},
	{iio, "electricalconductivity", 0, "S/m"}, {iio, "ph", 0, "pH"},
	// ABI/testing/sysfs-class-power; power/power_supply_class.rst
	{powerSupply, "capacity_level", 0, ""}, {powerSupply, "capacity", 0, "%"}, {powerSupply, "voltage_", 6, "V"},
	{powerSupply, "current_", 6, "A"}, {powerSupply, "charge_control_limit", 6, "A"},
	{powerSupply, "charge_control_", 0, "%"}, {powerSupply, "charge_term_current", 6, "A"},
	{powerSupply, "charge_type", 0, ""}, {powerSupply, "charge_behaviour", 0, ""}, {powerSupply, "charge_", 6, "Ah"},
	{powerSupply, "constant_charge_current", 6, "A"}, {powerSupply, "constant_charge_voltage", 6, "V"},
	{powerSupply, "precharge_current", 6, "A"}, {powerSupply, "input_current_limit", 6, "A"},
	{powerSupply, "input_voltage_limit", 6, "V"}, {powerSupply, "input_power_limit", 6, "W"},
	{powerSupply, "energy_", 6, "Wh"}, {powerSupply, "power_", 6, "W"}, {powerSupply, "temp", 1, "°C"},
	{powerSupply, "time_to_", 0, "s"},
}

// measured are the suffixes of hwmon's attributes that have the unit of what is
// measured; others, such as _alarm, are plain numbers.
var measured = []string{"_input", "_average", "_highest", "_lowest", "_min", "_max", "_crit", "_lcrit", "_emergency", "_cap", "_target", "_hyst", "_offset"}

// unitOf returns what the number in an attribute means.
func unitOf(kind, attribute string) unit {
	plain := unit{scale: sources.Integer(1)}
	switch kind {
	case hwmon:
		i := strings.LastIndexByte(attribute, '_')
		if i < 0 || !slices.Contains(measured, attribute[i:]) {
			return plain
		}
	case iio:
		attribute = strings.TrimPrefix(attribute, "in_")
	}
	for _, d := range documented {
		rest, ok := strings.CutPrefix(attribute, d.prefix)
		if d.kind == kind && ok && (kind == powerSupply || kind == w1 || rest == "" || rest[0] == '_' || '0' <= rest[0] && rest[0] <= '9') {
			return unit{sources.FromFixed(1, d.places), d.unit}
		}
	}
	return plain
}

// expected returns what the number of a sensor means, before it is found; nothing of
// one that is found by its label.
func (st *settings) expected() unit {
	if st.kind == thermal { // which has only one attribute
		return unitOf(thermal, "temp")
	}
	return unitOf(st.kind, st.attribute)
}

// announced are the attributes whose drivers are known to announce each change
// by POLLPRI, and since which version of Linux. Not among them are drivers that do
// so only if an interrupt is wired (lm90 since 5.17, tmp401).
var announced = []struct{ kind, name, attribute, since string }{
	{hwmon, "rpi_volt", "in0_lcrit_alarm", "4.19"}, // drivers/hwmon/raspberrypi-hwmon.c
}

// announces reports whether the attribute of the device of that name is announced.
func announces(kind, name, attribute string) bool {
	for _, a := range announced {
		if a.kind == kind && a.name == name && a.attribute == attribute {
			return true
		}
	}
	return false
}
