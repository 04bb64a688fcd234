// SPDX-License-Identifier: MIT

// The schema, against a validator that knows nothing of reflexd.

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"reflexd/agent"
	"reflexd/agent/scenario"
	"reflexd/config"
)

// schemaFiles are the copies that editors of the examples read, by the arguments of the verb that prints them.
var schemaFiles = map[string]string{"": "../../docs/reference/reflexd.schema.json", "tests": "../../docs/reference/reflexd-tests.schema.json"}

// printedSchema is what the verb prints, of configurations or of tests.
func printedSchema(t *testing.T, of string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(strings.Fields("schema "+of), &out, &errs); code != done {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return out.Bytes()
}

func compiledSchema(t *testing.T, of string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(printedSchema(t, of)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("reflexd.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("reflexd.schema.json") // checks it by the schema of schemas
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asEditor reads YAML as an editor does: with the types of YAML 1.2, or with 1.1's booleans.
func asEditor(t *testing.T, text []byte, old bool) (value any, ok bool) {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return nil, false
	}
	if old {
		makeBooleans(&n)
	}
	if err := n.Decode(&value); err != nil {
		return nil, false // such as a duplicate key
	}
	return jsonValue(value), true
}

// makeBooleans makes booleans of what YAML 1.1 takes for some.
func makeBooleans(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Style == 0 {
		switch n.Value {
		case "on", "On", "ON":
			n.Tag, n.Value = "!!bool", "true"
		case "off", "Off", "OFF":
			n.Tag, n.Value = "!!bool", "false"
		}
	}
	for i, inner := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 { // the keys stay words
			makeBooleans(inner)
		}
	}
}

// jsonValue makes of what the YAML library returns what the JSON library would.
func jsonValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = jsonValue(v[key])
		}
	case map[any]any:
		m := map[string]any{}
		for key := range v {
			m[fmt.Sprint(key)] = jsonValue(v[key])
		}
		return m
	case []any:
		for i := range v {
			v[i] = jsonValue(v[i])
		}
	case int, int64, uint64, float64, string, bool, nil:
	default: // a date
		return fmt.Sprint(v)
	}
	return v
}

// TestSchemaAcceptsDocumentedFiles validates each example and each block of the documentation: configurations, and files of
// tests.
func TestSchemaAcceptsDocumentedFiles(t *testing.T) {
	ofConfigurations, ofTests := compiledSchema(t, ""), compiledSchema(t, "tests")
	texts := map[string][]byte{}
	for _, pattern := range []string{"../../examples/*.yaml", "../../examples/recipes/*.yaml", "../../packaging/*.yaml"} {
		for _, file := range filesIn(t, pattern) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = text
		}
	}
	for _, page := range documentation(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range yamlBlocks(string(text)) {
			texts[fmt.Sprintf("%s, YAML block %d", page, i+1)] = []byte(block)
		}
		for i, m := range testBlock.FindAllSubmatch(text, -1) {
			texts[fmt.Sprintf("%s, block %d of tests", page, i+1)] = m[1]
		}
	}
	tests := 0
	for name, text := range texts {
		s := ofConfigurations
		if isTests(text) {
			tests++
			s = ofTests
		}
		for _, old := range []bool{false, true} {
			value, ok := asEditor(t, text, old)
			if !ok {
				t.Errorf("%s is not YAML", name)
			} else if err := s.Validate(value); err != nil {
				t.Errorf("%s (YAML 1.1: %v): %v\n%s", name, old, err, text)
			}
		}
	}
	if tests < 60 || len(texts)-tests < 120 {
		t.Errorf("found only %d files of tests and %d configurations", tests, len(texts)-tests)
	}
}

// testBlock matches the tests in the documentation.
var testBlock = regexp.MustCompile("(?s)```yaml test [^\n]*\n(.*?)```")

func isTests(text []byte) bool {
	return bytes.HasPrefix(text, []byte("tests:")) || bytes.Contains(text, []byte("\ntests:"))
}

// TestSchemaOfTestsRefusesWrongShapes goes through the files of tests with mistakes.
func TestSchemaOfTestsRefusesWrongShapes(t *testing.T) {
	s := compiledSchema(t, "tests")
	archive, err := txtar.ParseFile("../../agent/scenario/testdata/complaints.txtar")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, f := range archive.Files[:len(archive.Files)-1] {
		value, ok := asEditor(t, f.Data, false)
		file := filepath.Join(t.TempDir(), "piece"+scenario.Suffix)
		if err := os.WriteFile(file, f.Data, 0o644); err != nil || !ok {
			t.Fatal(f.Name, err)
		}
		ps := &config.Problems{}
		if _, err := scenario.Load(file, []string{"c.yaml"}, ps); err != nil {
			t.Fatal(err)
		}
		switch err := s.Validate(value); {
		case err != nil && !ps.Failed():
			t.Errorf("%s: refused, but the verb test accepts\n%s: %v", f.Name, f.Data, err)
		case err != nil:
			refused++
		case ps.Failed() && !slices.Contains(notOfShape, strings.TrimSuffix(f.Name, scenario.Suffix)):
			t.Errorf("%s: accepted, but the verb test reports\n%s\nof\n%s", f.Name, ps, f.Data)
		}
	}
	if refused < 40 {
		t.Errorf("%d refused", refused)
	}
}

// notOfShape are the files with mistakes that no schema can know: of names, and of how many lines are held.
var notOfShape = []string{"each-unused", "each-unknown", "hold-two", "twice"}

// wrongShape matches the complaints of files whose shape is wrong: of keys, of what may stand where, of words and forms.
// Those that it does not match are of names that nothing declares, of values that do not fit each other, and of what
// cannot be said of a shape.
var wrongShape = regexp.MustCompile(`unknown (key|trigger|condition|action|kind of line|comparison) |the key ".*" is missing: ` +
	`|expected (a script|a user|the name|a name,|a percentage|a mapping|a list|one of|on or off|a duration|a trigger)|has no unit|a mapping can be only one|no (trigger|condition|action|kind of line) in the mapping`)

// TestSchemaRefusesWrongShapes takes apart the files with mistakes: a rule or an entry of a section at a time.
func TestSchemaRefusesWrongShapes(t *testing.T) {
	s := compiledSchema(t, "")
	archives, err := filepath.Glob("../../agent/testdata/complaints/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no complaints", err)
	}
	refused, accepted := 0, 0
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files[:len(archive.Files)-1] {
			for _, text := range pieces(f.Data) {
				value, ok := asEditor(t, text, false)
				if !ok {
					continue
				}
				file := filepath.Join(t.TempDir(), "piece.yaml")
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				_, ps, err := agent.Load([]string{file})
				if err != nil {
					t.Fatal(err)
				}
				err = s.Validate(value)
				switch said := strings.ReplaceAll(ps.Error(), file, "piece"); {
				case wrongShape.MatchString(said) && err == nil:
					t.Errorf("%s, %s: accepted, but check reports\n%s\nof\n%s", filepath.Base(path), f.Name, said, text)
				case !ps.Failed() && err != nil:
					t.Errorf("%s, %s: refused, but check accepts\n%s: %v", filepath.Base(path), f.Name, text, err)
				case err == nil:
					accepted++
				default:
					refused++
				}
			}
		}
	}
	if t.Logf("%d refused, %d accepted", refused, accepted); refused < 100 || accepted < 100 {
		t.Errorf("%d refused, %d accepted: there should be many of both", refused, accepted)
	}
}

// pieces returns files with all of a file but only one of its rules, and files with one entry of one section.
func pieces(text []byte) [][]byte {
	var n yaml.Node
	if yaml.Unmarshal(text, &n) != nil || n.Content == nil || n.Content[0].Kind != yaml.MappingNode {
		return [][]byte{text}
	}
	var all [][]byte
	top := n.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		if len(value.Content) == 0 || value.Kind != yaml.SequenceNode && value.Kind != yaml.MappingNode {
			all = append(all, piece(key, value))
			continue
		}
		step := map[yaml.Kind]int{yaml.SequenceNode: 1, yaml.MappingNode: 2}[value.Kind]
		for j := 0; j+step <= len(value.Content); j += step {
			one := *value
			one.Content = value.Content[j : j+step]
			all = append(all, piece(key, &one))
		}
	}
	return all
}

func piece(key, value *yaml.Node) []byte {
	text, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, value}})
	if err != nil {
		panic(err)
	}
	return text
}

// TestSchemaFile holds the files that editors read.
func TestSchemaFile(t *testing.T) {
	for of, file := range schemaFiles {
		printed := printedSchema(t, of)
		if *update {
			if err := os.WriteFile(file, printed, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(file); err != nil || !bytes.Equal(text, printed) {
			t.Errorf("%s is not what `reflexd schema %s` prints (error %v); `go test ./cmd/reflexd -run TestSchemaFile -update` writes it", file, of, err)
		}
	}
}

// TestExamplesNameTheSchema follows the first line of each example to its schema, as an editor does.
func TestExamplesNameTheSchema(t *testing.T) {
	for _, example := range filesIn(t, "../../examples/*.yaml") {
		text, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		path, ok := strings.CutPrefix(first, "# yaml-language-server: $schema=")
		want := schemaFiles[""]
		if strings.HasSuffix(example, scenario.Suffix) {
			want = schemaFiles["tests"]
		}
		if !ok || filepath.Join(filepath.Dir(example), path) != want {
			t.Errorf("%s begins with %q", example, first)
		}
	}
}

// TestSchemaTypes fails if the schema knows a type that the language has no more.
func TestSchemaTypes(t *testing.T) {
	text := string(printedSchema(t, "")) + string(printedSchema(t, "tests"))
	s := &schemas{defs: map[string]schema{}, scalars: scalars()}
	for name, known := range s.scalars {
		s.scalar(name)
		if known["$ref"] == nil && len(known) > 0 && len(s.defs) != 1 {
			t.Errorf("%q: %v", name, s.defs)
		}
		for slug := range s.defs {
			if !strings.Contains(text, `"#/$defs/`+slug+`"`) {
				t.Errorf("nothing in the language has the type %q", name)
			}
		}
		clear(s.defs)
	}
}
