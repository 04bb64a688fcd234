// SPDX-License-Identifier: MIT

package config_test

import (
	"fmt"
	"time"

	"reflexd/config"
)

// A small language of two keys, and a file with two mistakes in it.
func ExampleObject() {
	var path string
	var every time.Duration
	language := config.Object(
		config.Field{Name: "path", Doc: "the file", Required: true, Value: config.Word(&path, "a path")},
		config.Field{Name: "every", Doc: "how often to read it", Default: "10s", Value: config.Duration(&every)},
	)
	ps := &config.Problems{}
	text := "pth: /sys/class/thermal/thermal_zone0/temp\nevery: 10\n"
	if root, ok := config.Parse("example.yaml", []byte(text), ps); ok {
		language.Read(root, ps)
	}
	for _, p := range ps.All() {
		fmt.Println(p)
	}
	// Output:
	// example.yaml:1:1: unknown key "pth"; did you mean "path"?
	// example.yaml:2:8: "10" has no unit: write 10ms, 10s or 10m
}
