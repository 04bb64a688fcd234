// SPDX-License-Identifier: MIT

// Package dtb reads flattened device trees (Devicetree Specification v0.4, chapter 5), as the kernel's packages carry
// them compiled, and makes of them what a running kernel would show: /proc/device-tree and the list of GPIO chips.
// The tables of boards are checked against it.
package dtb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Node is a node of the tree. The root's name is empty.
type Node struct {
	Name       string // with its unit address: "gpio@7e200000"
	Properties []Property
	Children   []*Node

	parent *Node
}

// A Property is a property of a node, with its value as it is in the tree.
type Property struct {
	Name  string
	Value []byte
}

// Read reads a file that a device tree compiler wrote.
func Read(path string) (*Node, error) {
	blob, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := Parse(blob)
	if err != nil {
		return nil, fmt.Errorf("device tree %s: %w", path, err)
	}
	return root, nil
}

// What stands in the header and in the structure block.
const (
	magic       = 0xd00dfeed
	headerSize  = 40
	beginNode   = 1
	endNode     = 2
	property    = 3
	nop         = 4
	end         = 9
	deepest     = 64 // nodes within nodes: no real tree comes near
	longestName = 4096
)

// Parse reads a flattened device tree. It is strict: nothing may be left over in the structure block, and no block
// may reach beyond the blob.
func Parse(blob []byte) (*Node, error) {
	r, err := newReader(blob)
	if err != nil {
		return nil, err
	}
	if token, err := r.token(); err != nil || token != beginNode {
		return nil, errors.New("the structure does not begin with a node")
	}
	root, err := r.node(nil, 0)
	if err != nil {
		return nil, err
	}
	if root.Name != "" {
		return nil, fmt.Errorf("the root is called %q", root.Name)
	}
	if token, err := r.token(); err != nil || token != end || len(r.structure) > 0 {
		return nil, errors.New("the structure does not end after the root")
	}
	return root, nil
}

// A reader takes the structure block from its front.
type reader struct {
	structure []byte // what is left of it
	names     []byte // the strings block
}

// newReader cuts the blob as its header says.
func newReader(blob []byte) (*reader, error) {
	if len(blob) < headerSize {
		return nil, errors.New("shorter than its header")
	}
	word := func(n int) uint32 { return binary.BigEndian.Uint32(blob[4*n:]) }
	if word(0) != magic {
		return nil, fmt.Errorf("begins with %#x, not with %#x", word(0), uint32(magic))
	}
	if version, oldest := word(5), word(6); version < 17 || oldest > 17 {
		return nil, fmt.Errorf("version %d, compatible with %d: not of this format", version, oldest)
	}
	if total := word(1); uint64(total) > uint64(len(blob)) || total < headerSize {
		return nil, fmt.Errorf("%d bytes of %d", len(blob), total)
	}
	blob = blob[:word(1)]
	structure, err := block(blob, word(2), word(9))
	if err != nil {
		return nil, fmt.Errorf("structure block: %w", err)
	}
	names, err := block(blob, word(3), word(8))
	if err != nil {
		return nil, fmt.Errorf("strings block: %w", err)
	}
	return &reader{structure: structure, names: names}, nil
}

func block(blob []byte, offset, size uint32) ([]byte, error) {
	if uint64(offset)+uint64(size) > uint64(len(blob)) {
		return nil, fmt.Errorf("reaches to %d of %d bytes", uint64(offset)+uint64(size), len(blob))
	}
	return blob[offset : offset+size], nil
}

// word takes a 32-bit number.
func (r *reader) word() (uint32, error) {
	if len(r.structure) < 4 {
		return 0, errors.New("the structure ends too early")
	}
	n := binary.BigEndian.Uint32(r.structure)
	r.structure = r.structure[4:]
	return n, nil
}

// token takes the next word that is not there for padding.
func (r *reader) token() (uint32, error) {
	for {
		if token, err := r.word(); err != nil || token != nop {
			return token, err
		}
	}
}

// bytes takes n bytes and what aligns them.
func (r *reader) bytes(n uint32) ([]byte, error) {
	padded := (uint64(n) + 3) &^ 3
	if padded > uint64(len(r.structure)) {
		return nil, errors.New("the structure ends within a value")
	}
	value := r.structure[:n:n]
	r.structure = r.structure[padded:]
	return value, nil
}

// node takes a node whose first token has been taken.
func (r *reader) node(parent *Node, depth int) (*Node, error) {
	if depth > deepest {
		return nil, fmt.Errorf("more than %d nodes within each other", deepest)
	}
	length := bytes.IndexByte(r.structure, 0)
	if length < 0 || length > longestName {
		return nil, errors.New("a node's name does not end")
	}
	name, err := r.bytes(uint32(length) + 1)
	if err != nil {
		return nil, err
	}
	n := &Node{Name: string(name[:length]), parent: parent}
	for {
		token, err := r.token()
		switch {
		case err != nil:
			return nil, err
		case token == endNode:
			return n, nil
		case token == beginNode:
			child, err := r.node(n, depth+1)
			if err != nil {
				return nil, err
			}
			n.Children = append(n.Children, child)
		case token == property && len(n.Children) == 0:
			p, err := r.property()
			if err != nil {
				return nil, fmt.Errorf("node %s: %w", n.Path(), err)
			}
			n.Properties = append(n.Properties, p)
		default:
			return nil, fmt.Errorf("node %s: token %d out of place", n.Path(), token)
		}
	}
}

// property takes a property whose token has been taken.
func (r *reader) property() (Property, error) {
	size, err := r.word()
	if err != nil {
		return Property{}, err
	}
	offset, err := r.word()
	if err != nil {
		return Property{}, err
	}
	if uint64(offset) >= uint64(len(r.names)) {
		return Property{}, errors.New("a property's name is beyond the strings")
	}
	name, _, ok := bytes.Cut(r.names[offset:], []byte{0})
	if !ok {
		return Property{}, errors.New("a property's name does not end")
	}
	value, err := r.bytes(size)
	return Property{Name: string(name), Value: value}, err
}

// Path is where the node is: "/soc/gpio@7e200000", "/" for the root.
func (n *Node) Path() string {
	if n.parent == nil {
		return "/"
	}
	return strings.TrimSuffix(n.parent.Path(), "/") + "/" + n.Name
}

// Find returns the node at a path from n, or nil.
func (n *Node) Find(path string) *Node {
	name, rest, _ := strings.Cut(strings.Trim(path, "/"), "/")
	if name == "" {
		return n
	}
	for _, child := range n.Children {
		if child.Name == name {
			return child.Find(rest)
		}
	}
	return nil
}

// All calls f for n and every node below it, in the tree's order.
func (n *Node) All(f func(*Node)) {
	f(n)
	for _, child := range n.Children {
		child.All(f)
	}
}

// Has reports whether the node has the property.
func (n *Node) Has(property string) bool {
	return slices.ContainsFunc(n.Properties, func(p Property) bool { return p.Name == property })
}

// Bytes returns a property's value, nil where the node has none of the name.
func (n *Node) Bytes(property string) []byte {
	for _, p := range n.Properties {
		if p.Name == property {
			return p.Value
		}
	}
	return nil
}

// Strings returns the strings of a property.
func (n *Node) Strings(property string) []string {
	value := string(n.Bytes(property))
	if value == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(value, "\x00"), "\x00")
}

// String returns the first string of a property.
func (n *Node) String(property string) string {
	if all := n.Strings(property); len(all) > 0 {
		return all[0]
	}
	return ""
}

// Words returns the 32-bit numbers of a property.
func (n *Node) Words(property string) []uint32 {
	value := n.Bytes(property)
	words := make([]uint32, len(value)/4)
	for i := range words {
		words[i] = binary.BigEndian.Uint32(value[4*i:])
	}
	return words
}
