// SPDX-License-Identifier: MIT

// Text: declared inputs that type, such as scanners of barcodes. The package
// typed puts their keys together.

package input

import (
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/input/typed"
)

// typedState is the state of an input that completed a text.
const typedState = "typed"

// textField is the field that has it.
const textField = "TEXT"

// Text is what a declared input types.
type Text struct {
	typed.Spec
	Logged bool // it may be shown in logs
}

// The codes of the default end of a text: KEY_ENTER and KEY_KPENTER.
var enterKeys = []uint16{28, 96}

// textValue returns the Value for the field text.
func textValue(p **Text) config.Value {
	layout := ""
	t := &Text{Spec: typed.Spec{Pause: 200 * time.Millisecond, Max: 256}}
	var names []string
	for _, l := range typed.Layouts {
		names = append(names, l.Name)
	}
	fields := config.Object(
		config.Field{Name: "layout", Doc: "the keyboard layout that the device types in", Default: names[0], Value: config.OneOf(&layout, names...)},
		config.Field{Name: "end", Doc: "the keys that complete a text; they are not part of it", Default: "KEY_ENTER and KEY_KPENTER",
			Value: config.OneOrMore(&t.End, keyValue)},
		config.Field{Name: "pause", Doc: "after this time without a key, what was typed so far is discarded; 0: never", Default: t.Pause.String(), Value: config.Duration(&t.Pause)},
		config.Field{Name: "max", Doc: "the maximum number of characters; a longer text is discarded", Default: "256", Value: config.Int(&t.Max, 1, 4096)},
		config.Field{Name: "prefix", Doc: "what a text must begin with; it is removed, and a text without it is discarded", Value: config.Word(&t.Prefix, "a string")},
		config.Field{Name: "suffix", Doc: "what a text must end with, likewise", Value: config.Word(&t.Suffix, "a string")},
	)
	return config.Wrap(fields, func(n config.Node, ps *config.Problems) {
		fields.Read(n, ps)
		if layout == "" {
			layout = names[0]
		}
		if t.End == nil {
			t.End = enterKeys
		}
		t.Layout = typed.ByName(layout)
		*p = t
	})
}

// resolveText complains of what in's text lacks.
func (in *Input) resolveText(name string, ps *config.Problems) {
	switch {
	case in.Text == nil && in.logTextAt.Line != 0:
		ps.Errorf(in.logTextAt, "log_text goes with text: input %q reads none", name)
	case in.Text != nil:
		in.Text.Logged = in.logText
	}
}

// reader reads what a device types, for one of the names that it is declared
// by.
type reader struct {
	*typed.Reader
	input  string
	logged bool
}

// typing returns the texts that rules want of a device that is declared by
// names, by these.
func (p *Plan) typing(names []string) map[string]*Text {
	all := map[string]*Text{}
	for _, name := range names {
		if p.typed[name] && p.Inputs[name].Text != nil {
			all[name] = p.Inputs[name].Text
		}
	}
	return all
}

// readTexts has the device read texts from now on. One that is read in the same
// way already goes on, even in mid-text.
func (d *device) readTexts(texts map[string]*Text) {
	old := d.readers
	d.readers = nil
	for _, name := range d.names {
		t := texts[name]
		if t == nil {
			continue
		}
		r := reader{input: name}
		for _, before := range old {
			if before.input == name && before.Spec().Equal(&t.Spec) {
				r = before
			}
		}
		if r.Reader == nil {
			r.Reader = typed.New(t.Spec, d.host.Loop.Now(), d.isDown)
		}
		r.logged = t.Logged
		d.readers = append(d.readers, r)
	}
	for _, before := range old {
		if !d.reads(before.Reader) {
			d.discarded(&before, "it is not read in this way any more")
		}
	}
}

// reads reports whether r is one of d's readers.
func (d *device) reads(r *typed.Reader) bool {
	for i := range d.readers {
		if d.readers[i].Reader == r {
			return true
		}
	}
	return false
}

func (d *device) isDown(code uint16) bool { return hasBit(d.levels.keys[:], code) }

// discarded logs that a text that was begun will not be completed.
func (d *device) discarded(r *reader, why string) {
	if r.Len() > 0 {
		d.host.Log.Warn("typed text discarded", "input", r.input, "device", d.path, "error", why)
	}
}

// spoil discards the texts that are being typed: keys of them may be missing.
func (d *device) spoil(at time.Duration) {
	for i := range d.readers {
		d.discarded(&d.readers[i], "events were lost")
		d.readers[i].Spoil(at, d.isDown)
	}
}

// write shows a key to the readers. Keys that repeat type nothing.
func (d *device) write(r record) {
	for i := range d.readers {
		reader := &d.readers[i]
		if r.value == 0 {
			reader.Release(r.code)
			continue
		}
		switch reader.Press(r.at, r.code) {
		case typed.Complete:
			d.emitText(r.at, reader)
		case typed.TooLong:
			d.host.Log.Warn("typed text discarded", "input", reader.input, "device", d.path, "error", "it is longer than `max`", "max", reader.Spec().Max)
		case typed.Unfit:
			d.host.Log.Debug("typed text discarded", "input", reader.input, "device", d.path, "error", "it lacks the prefix or the suffix")
		case typed.Spoilt:
			d.host.Log.Warn("typed text discarded", "input", reader.input, "device", d.path, "error", "its beginning may be missing")
		}
	}
}

func (d *device) emitText(at time.Duration, r *reader) {
	text := sources.Text(sources.Borrow(r.Text()))
	if !r.logged {
		text = text.Secret()
	}
	fields := [...]sources.Field{
		{Name: "INPUT", Value: sources.Text(r.input)},
		{Name: textField, Value: text},
		{Name: "DEVICE", Value: sources.Text(d.path)},
		{Name: "NAME", Value: sources.Text(d.id.name)},
	}
	d.event = sources.Event{
		Time: at, Topic: sources.Topic{Kind: "input", Name: r.input, State: typedState},
		Source: d.source, Names: d.names, Fields: fields[:], Borrowed: true,
	}
	d.host.Emit(&d.event)
	d.event = sources.Event{} // keys are not borrowed
}

// reading reports whether the key belongs to a text that is read.
func (d *device) reading(code uint16) bool {
	for i := range d.readers {
		if r := &d.readers[i]; r.Takes(code) || slices.Contains(r.Spec().End, code) {
			return true
		}
	}
	return false
}

// isPrivate reports whether the key is part of a text that must not be shown.
func (d *device) isPrivate(code uint16) bool {
	for i := range d.readers {
		if !d.readers[i].logged && d.readers[i].Takes(code) {
			return true
		}
	}
	return false
}
