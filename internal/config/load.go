package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/terrazzo-data/terrazzo/errdef"
)

//go:embed schema.json
var schemaText []byte

// Schema returns the JSON Schema of the configuration file.
func Schema() []byte { return bytes.Clone(schemaText) }

// maxFile bounds a configuration file.
const maxFile = 4 << 20

// Load reads a configuration file. getenv gives environment variables, which
// may stand in any text as ${NAME}; TILED_SINGLE_USER_API_KEY is used where
// the file names no key. warnings name settings that have no effect here.
//
// What is wrong with the file is errdef.ErrInvalid and says the file, the
// line, what was expected and what to do.
func Load(path string, getenv func(string) (string, bool)) (c Config, warnings []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return c, nil, fmt.Errorf("configuration %s: %w: %w", path, err, errdef.ErrInvalid)
	}
	if info.Size() > maxFile {
		return c, nil, fmt.Errorf("configuration %s: %d bytes are more than %d: %w", path, info.Size(), maxFile, errdef.ErrInvalid)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, nil, fmt.Errorf("configuration %s: %w: %w", path, err, errdef.ErrInvalid)
	}
	c, warnings, err = Parse(text, getenv)
	if err != nil {
		err = fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, warnings, err
}

// Parse is [Load] of a file's text.
func Parse(text []byte, getenv func(string) (string, bool)) (Config, []string, error) {
	c := Default()
	file, err := parser.ParseBytes(text, 0)
	if err != nil || len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return c, nil, notYAML(err)
	}
	d := document{body: file.Docs[0].Body}
	if err := d.interpolate(getenv); err != nil {
		return c, nil, err
	}
	if err := d.check(); err != nil {
		return c, nil, err
	}
	warnings, err := d.tiled()
	if err != nil {
		return c, nil, err
	}
	if err := yaml.NodeToValue(d.body, &c); err != nil {
		return c, nil, notYAML(err)
	}
	if c.Authentication.SingleUserAPIKey == "" {
		c.Authentication.SingleUserAPIKey, _ = getenv("TILED_SINGLE_USER_API_KEY")
	}
	return c, warnings, nil
}

func notYAML(err error) error {
	if err == nil {
		err = errors.New("the file is empty; 'trees:' is needed at least")
	}
	return fmt.Errorf("%s: %w", strings.TrimSpace(yaml.FormatError(err, false, false)), errdef.ErrInvalid)
}

// document is a parsed file that still knows its lines.
type document struct{ body ast.Node }

// at says the line of what a pointer like [trees 0 path] leads to, or of what
// is nearest above it.
func (d document) at(pointer []string) string {
	node := d.body
	for _, part := range pointer {
		next := child(node, part)
		if next == nil {
			break
		}
		node = next
	}
	name := strings.Join(pointer, ".")
	if name == "" {
		name = "the file"
	}
	return fmt.Sprintf("line %d: %s", node.GetToken().Position.Line, name)
}

func child(node ast.Node, part string) ast.Node {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if v.Key.String() == part {
				return v.Value
			}
		}
	case *ast.MappingValueNode:
		if n.Key.String() == part {
			return n.Value
		}
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if fmt.Sprint(i) == part {
				return v
			}
		}
	}
	return nil
}

// variable is how an environment variable stands in a text.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// interpolate puts the values of environment variables into texts.
func (d document) interpolate(getenv func(string) (string, bool)) error {
	v := &interpolation{getenv: getenv}
	ast.Walk(v, d.body)
	return v.err
}

type interpolation struct {
	getenv func(string) (string, bool)
	err    error
}

func (v *interpolation) Visit(node ast.Node) ast.Visitor {
	s, ok := node.(*ast.StringNode)
	if !ok {
		return v
	}
	s.Value = variable.ReplaceAllStringFunc(s.Value, func(found string) string {
		name := found[2 : len(found)-1]
		value, ok := v.getenv(name)
		if !ok && v.err == nil {
			v.err = fmt.Errorf("line %d: the environment variable %s is not set: %w", s.GetToken().Position.Line, name, errdef.ErrInvalid)
		}
		return value
	})
	return v
}

// check validates the file against the schema, and says the line of each fault.
func (d document) check() error {
	var value any
	if err := yaml.NodeToValue(d.body, &value); err != nil {
		return notYAML(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return notYAML(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return notYAML(err)
	}
	schema, err := compiled()
	if err != nil {
		return err
	}
	err = schema.Validate(instance)
	var faults *jsonschema.ValidationError
	if !errors.As(err, &faults) {
		return err
	}
	var lines []string
	for _, leaf := range leaves(faults) {
		lines = append(lines, d.at(leaf.InstanceLocation)+": "+leaf.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
	}
	return fmt.Errorf("%s: %w", strings.Join(lines, "; "), errdef.ErrInvalid)
}

func compiled() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("schema.json")
}

func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		out = append(out, leaves(cause)...)
	}
	return out
}
