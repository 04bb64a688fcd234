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

func number(text string) sources.Number {
	n, _ := sources.ParseNumber(text)
	return n
}

var (
	one   = number("1")
	tenth = number("0.1")
	milli = number("0.001")
	micro = number("0.000001")
)

// documented are the units of attributes, by how their names begin: the first that
// fits counts. The documents are those of the kernel below Documentation/.
var documented = map[string][]struct {
	prefix string
	unit
}{
	// ABI/testing/sysfs-class-thermal
	thermal: {{"temp", unit{milli, "°C"}}},
	// ABI/testing/sysfs-driver-w1_therm; w1/slaves/w1_therm.rst
	w1: {{"", unit{milli, "°C"}}},
	// ABI/testing/sysfs-class-hwmon; hwmon/sysfs-interface.rst
	hwmon: {
		{"temp", unit{milli, "°C"}}, {"in", unit{milli, "V"}}, {"curr", unit{milli, "A"}}, {"power", unit{micro, "W"}},
		{"energy", unit{micro, "J"}}, {"humidity", unit{milli, "%"}}, {"fan", unit{one, "RPM"}}, {"freq", unit{one, "Hz"}},
	},
	// ABI/testing/sysfs-bus-iio: the units after scale and offset.
	iio: {
		{"voltage", unit{milli, "V"}}, {"altvoltage", unit{milli, "V"}}, {"current", unit{milli, "A"}}, {"power", unit{milli, "W"}},
		{"energy", unit{one, "J"}}, {"temp", unit{milli, "°C"}}, {"humidityrelative", unit{milli, "%"}}, {"pressure", unit{one, "kPa"}},
		{"illuminance", unit{one, "lx"}}, {"resistance", unit{one, "Ω"}}, {"capacitance", unit{one, "nF"}}, {"distance", unit{one, "m"}},
		{"proximity", unit{one, ""}}, {"concentration", unit{one, "%"}}, {"massconcentration", unit{one, "µg/m³"}}, {"activity", unit{one, "%"}},
		{"accel", unit{one, "m/s²"}}, {"gravity", unit{one, "m/s²"}}, {"velocity", unit{one, "m/s"}}, {"anglvel", unit{one, "rad/s"}},
		{"angl", unit{one, "rad"}}, {"phase", unit{one, "rad"}}, {"incli", unit{one, "°"}}, {"magn", unit{one, "G"}},
		{"positionrelative", unit{milli, "%"}}, {"electricalconductivity", unit{one, "S/m"}}, {"ph", unit{one, "pH"}},
	},
	// ABI/testing/sysfs-class-power; power/power_supply_class.rst
	powerSupply: {
		{"capacity_level", unit{one, ""}}, {"capacity", unit{one, "%"}}, {"voltage_", unit{micro, "V"}}, {"current_", unit{micro, "A"}},
		{"charge_control_limit", unit{micro, "A"}}, {"charge_control_", unit{one, "%"}}, {"charge_term_current", unit{micro, "A"}},
		{"charge_type", unit{one, ""}}, {"charge_behaviour", unit{one, ""}}, {"charge_", unit{micro, "Ah"}},
		{"constant_charge_current", unit{micro, "A"}}, {"constant_charge_voltage", unit{micro, "V"}}, {"precharge_current", unit{micro, "A"}},
		{"input_current_limit", unit{micro, "A"}}, {"input_voltage_limit", unit{micro, "V"}}, {"input_power_limit", unit{micro, "W"}},
		{"energy_", unit{micro, "Wh"}}, {"power_", unit{micro, "W"}}, {"temp", unit{tenth, "°C"}}, {"time_to_", unit{one, "s"}},
	},
}

// measured are the suffixes of hwmon's attributes that have the unit of what is
// measured; others, such as _alarm, are plain numbers.
var measured = []string{"_input", "_average", "_highest", "_lowest", "_min", "_max", "_crit", "_lcrit", "_emergency", "_cap", "_target", "_hyst", "_offset"}

// unitOf returns what the number in an attribute means.
func unitOf(kind, attribute string) unit {
	plain := unit{scale: one}
	switch kind {
	case hwmon:
		i := strings.LastIndexByte(attribute, '_')
		if i < 0 || !slices.Contains(measured, attribute[i:]) {
			return plain
		}
	case iio:
		attribute = strings.TrimPrefix(attribute, "in_")
	}
	for _, d := range documented[kind] {
		rest, ok := strings.CutPrefix(attribute, d.prefix)
		if ok && (kind == powerSupply || kind == w1 || rest == "" || rest[0] == '_' || '0' <= rest[0] && rest[0] <= '9') {
			return d.unit
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
