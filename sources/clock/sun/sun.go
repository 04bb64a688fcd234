// SPDX-License-Identifier: MIT

// Package sun says when the sun rises and sets, by the formulas of NOAA's
// solar calculator (Meeus, Astronomical Algorithms): by its account within a
// minute up to 72° of latitude, and within ten beyond. It is pure computation.
package sun

import (
	"math"
	"time"
)

// Place is a point on the earth, in degrees: north and east are positive.
type Place struct{ Latitude, Longitude float64 }

// horizon is the elevation, in degrees, of the sun's centre when its upper
// edge touches a flat horizon: its radius, and what the air refracts.
const horizon = -0.833

// Up reports whether the sun is above the horizon at the time t.
func (p Place) Up(t time.Time) bool { return p.above(t.Unix()) }

// Next returns the first time after a time at which the sun rises, or sets,
// to the second. Days without either are passed over. It gives up at the time
// until, and reports false.
func (p Place) Next(after time.Time, rises bool, until time.Time) (time.Time, bool) {
	// Between noon and midnight of the sun's own clock the elevation goes one
	// way. A half that begins before after is looked at as a whole, so that a
	// rise is at the same second wherever the search for it begins.
	half := p.halfDay(after) - 1
	from := p.transit(half)
	for from <= until.Unix() {
		half++
		to := p.transit(half)
		if begins, ends := p.above(from), p.above(to); begins != ends && ends == rises {
			if at := p.change(from, to); at > after.Unix() {
				return time.Unix(at, 0).UTC(), true
			}
		}
		from = to
	}
	return time.Time{}, false
}

// change returns the first second in which the sun is where it is at to, and
// not where it is at from.
func (p Place) change(from, to int64) int64 {
	ends := p.above(to)
	for to-from > 1 {
		middle := from + (to-from)/2
		if p.above(middle) == ends {
			to = middle
		} else {
			from = middle
		}
	}
	return to
}

const halfDay = 12 * 60 * 60 // in seconds

// halfDay numbers the half days of the mean sun since 1970.
func (p Place) halfDay(t time.Time) int64 {
	return int64(math.Floor((float64(t.Unix()) + p.Longitude*240) / halfDay))
}

// transit returns when the half day begins: the sun's midnight or noon.
func (p Place) transit(half int64) int64 {
	mean := half*halfDay - int64(math.Round(p.Longitude*240))
	_, equation := position(mean)
	return mean - int64(math.Round(equation))
}

func (p Place) above(unix int64) bool { return p.elevation(unix) > horizon }

// elevation returns how high the sun stands, in degrees, without refraction.
func (p Place) elevation(unix int64) float64 {
	declination, equation := position(unix)
	second := (unix%(2*halfDay) + 2*halfDay) % (2 * halfDay)
	hourAngle := radians((float64(second)+equation)/240 + p.Longitude - 180)
	latitude := radians(p.Latitude)
	sine := math.Sin(latitude)*math.Sin(declination) + math.Cos(latitude)*math.Cos(declination)*math.Cos(hourAngle)
	return degrees(math.Asin(max(-1, min(sine, 1))))
}

// position returns the sun's declination in radians, and the equation of time
// in seconds: by how much a sundial is ahead of the mean sun.
func position(unix int64) (declination, equation float64) {
	const j2000 = 946728000 // 2000-01-01 12:00 UTC
	t := float64(unix-j2000) / (36525 * 2 * halfDay)
	longitude := radians(280.46646 + t*(36000.76983+t*0.0003032))
	anomaly := radians(357.52911 + t*(35999.05029-t*0.0001537))
	eccentricity := 0.016708634 - t*(0.000042037+t*0.0000001267)
	centre := math.Sin(anomaly)*(1.914602-t*(0.004817+t*0.000014)) +
		math.Sin(2*anomaly)*(0.019993-t*0.000101) + math.Sin(3*anomaly)*0.000289
	node := radians(125.04 - 1934.136*t)
	apparent := longitude + radians(centre-0.00569-0.00478*math.Sin(node))
	obliquity := radians(23 + (26+(21.448-t*(46.815+t*(0.00059-t*0.001813)))/60)/60 + 0.00256*math.Cos(node))
	y := math.Tan(obliquity / 2)
	y *= y
	equation = y*math.Sin(2*longitude) - 2*eccentricity*math.Sin(anomaly) +
		4*eccentricity*y*math.Sin(anomaly)*math.Cos(2*longitude) -
		y*y/2*math.Sin(4*longitude) - 1.25*eccentricity*eccentricity*math.Sin(2*anomaly)
	return math.Asin(math.Sin(obliquity) * math.Sin(apparent)), degrees(equation) * 240
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
func degrees(radians float64) float64 { return radians * 180 / math.Pi }
