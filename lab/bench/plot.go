// SPDX-License-Identifier: MIT

// The plot of a scaleReport: a panel for each cost, a line for each kind, both axes logarithmic.

package main

import (
	"fmt"
	"math"
	"strings"
)

const (
	panelWidth, panelHeight = 320.0, 220.0
	marginLeft, marginTop   = 52.0, 34.0
	plotWidth, plotHeight   = panelWidth - marginLeft - 16, panelHeight - marginTop - 34
)

var lineColours = []string{"#1b6ca8", "#c0392b", "#2e8b57", "#d4881c", "#7d3c98", "#555555"}

func (r *scaleReport) svg() string {
	var b strings.Builder
	width, height := 2*panelWidth, 2*panelHeight+42.0
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" fill="#fff"/>`+"\n", width, height)
	for i := range scaledCosts {
		fmt.Fprintf(&b, `<g transform="translate(%g %g)">`+"\n", float64(i%2)*panelWidth, float64(i/2)*panelHeight)
		r.panel(&b, i)
		b.WriteString("</g>\n")
	}
	for i, k := range scaledKinds {
		fmt.Fprintf(&b, `<text x="%g" y="%g" fill="%s">● %s</text>`+"\n", 20+float64(i%3)*200, height-26+18*float64(i/3), lineColours[i], k.name)
	}
	return b.String() + "</svg>\n"
}

// panel draws the cost with that number.
func (r *scaleReport) panel(b *strings.Builder, cost int) {
	low, high := math.Inf(1), math.Inf(-1)
	for i := range r.costs {
		for j := range r.costs[i] {
			v := math.Log10(max(r.costs[i][j][cost], 0.01))
			low, high = min(low, math.Floor(v)), max(high, math.Ceil(v+1e-9))
		}
	}
	x := func(n int) float64 { return marginLeft + plotWidth*math.Log10(float64(n))/4 }
	y := func(exponent float64) float64 { return marginTop + plotHeight*(high-exponent)/(high-low) }
	fmt.Fprintf(b, `<text x="%g" y="20" font-weight="bold">%s, %s</text>`+"\n", marginLeft, scaledCosts[cost].title, scaledCosts[cost].unit)
	for e := low; e <= high; e++ {
		fmt.Fprintf(b, `<path d="M%g %.1fh%g" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%g</text>`+"\n",
			marginLeft, y(e), plotWidth, marginLeft-6, y(e)+4, math.Pow(10, e))
	}
	for _, n := range scaledSizes {
		fmt.Fprintf(b, `<text x="%.1f" y="%g" text-anchor="middle">%d</text>`+"\n", x(n), panelHeight-18, n)
	}
	for i := range r.costs {
		var points []string
		for j := range r.costs[i] {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(scaledSizes[j]), y(math.Log10(max(r.costs[i][j][cost], 0.01)))))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), lineColours[i])
	}
}
