// SPDX-License-Identifier: MIT

// A tree as a running kernel shows it: a folder a node, a file a property.

package dtb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Write makes the folder dir of n and what is below it, as /proc/device-tree would be.
func (n *Node) Write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, p := range n.Properties {
		if err := fits(p.Name); err != nil {
			return fmt.Errorf("property of %s: %w", n.Path(), err)
		}
		if err := os.WriteFile(filepath.Join(dir, p.Name), p.Value, 0o444); err != nil {
			return err
		}
	}
	for _, child := range n.Children {
		if err := fits(child.Name); err != nil {
			return fmt.Errorf("node below %s: %w", n.Path(), err)
		}
		if err := child.Write(filepath.Join(dir, child.Name)); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses names that would lead out of the folder.
func fits(name string) error {
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return fmt.Errorf("%q cannot be the name of a file", name)
	}
	return nil
}
