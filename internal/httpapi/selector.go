package httpapi

import (
	"math"
	"slices"

	"github.com/jmespath-community/go-jmespath/pkg/functions"
	"github.com/jmespath-community/go-jmespath/pkg/interpreter"
	"github.com/jmespath-community/go-jmespath/pkg/parsing"
)

// A selector picks parts of metadata with a JMESPath expression. The zero
// selector picks everything.
//
// A short expression can ask for very much: [@,@] doubles what it is given,
// and thirty of them in a row double it thirty times. So the growth that an
// expression can cause is bounded before it is run, the more so the larger the
// metadata are; functions that make text of any length are not offered, nor is
// what the library adds to the language (variables and $, which bring the whole
// back at any depth).
type selector struct {
	text string
	node *parsing.ASTNode
	// growth is how many times larger than the metadata its value can be.
	growth float64
	// computes says that the expression does more than pick.
	computes bool
}

const (
	maxSelector = 4000     // bytes of an expression
	maxGrowth   = 1000     // times the size of the metadata
	maxSelected = 32 << 20 // bytes of what is copied or may come out of it
)

func newSelector(text string) (selector, error) {
	if len(text) > maxSelector {
		return selector{}, invalid("parameter select_metadata: %d bytes are more than %d", len(text), maxSelector)
	}
	node, err := parsing.NewParser().Parse(text)
	if err != nil {
		return selector{}, invalid("parameter select_metadata: %s is no JMESPath expression: %v", quoted(text), err)
	}
	if reachesBack(node) {
		return selector{}, invalid("parameter select_metadata: %s is no JMESPath expression: $ and variables are not part of the language", quoted(text))
	}
	s := selector{text: text, node: &node, growth: growth(node), computes: computes(node)}
	if s.growth > maxGrowth {
		return selector{}, invalid("parameter select_metadata: %s may give more than %d times the metadata; name fewer parts", quoted(text), maxGrowth)
	}
	return s, nil
}

// reachesBack tells whether an expression names what lies outside the value
// that it is given.
func reachesBack(node parsing.ASTNode) bool {
	switch node.NodeType {
	case parsing.ASTRootNode, parsing.ASTLetExpression, parsing.ASTVariable, parsing.ASTBindings, parsing.ASTBinding:
		return true
	default:
	}
	return slices.ContainsFunc(node.Children, reachesBack)
}

// growth bounds how many times larger than its input the value of an
// expression can be: what stands side by side, in a list or as a function's
// arguments, adds up; everything that feeds one expression into another
// multiplies.
func growth(node parsing.ASTNode) float64 {
	side := node.NodeType == parsing.ASTMultiSelectList || node.NodeType == parsing.ASTMultiSelectHash || node.NodeType == parsing.ASTFunctionExpression
	total := 1.0
	if side {
		total = 0
	}
	for _, child := range node.Children {
		if side {
			total += growth(child)
		} else {
			total *= growth(child)
		}
	}
	return max(1, total)
}

// computes tells whether an expression compares or calculates.
func computes(node parsing.ASTNode) bool {
	switch node.NodeType {
	case parsing.ASTComparator, parsing.ASTFunctionExpression, parsing.ASTArithmeticExpression, parsing.ASTArithmeticUnaryExpression:
		return true
	default:
	}
	return slices.ContainsFunc(node.Children, computes)
}

// offered are the functions whose value is never longer than what they get.
func offered() []functions.FunctionEntry {
	names := []string{
		"abs", "avg", "ceil", "contains", "ends_with", "floor", "keys", "length", "max", "max_by", "merge", "min",
		"min_by", "not_null", "reverse", "sort", "sort_by", "starts_with", "sum", "to_array", "to_number", "type", "values",
	}
	return slices.DeleteFunc(functions.GetDefaultFunctions(), func(f functions.FunctionEntry) bool {
		return !slices.Contains(names, f.Name)
	})
}

// of returns what the selector picks of metadata.
func (s selector) of(metadata map[string]any) (map[string]any, error) {
	if s.node == nil {
		return metadata, nil
	}
	if s.computes || s.growth > 1 {
		if left := weigh(metadata, int64(maxSelected/s.growth)); left < 0 {
			return nil, invalid("parameter select_metadata: %s may give too much of metadata as large as these; name fewer parts", quoted(s.text))
		}
	}
	var data any = metadata
	if s.computes {
		data = numbersAsFloats(metadata)
	}
	value, err := interpreter.NewInterpreter(data, interpreter.NewFunctionCaller(offered()...), nil).Execute(*s.node, data)
	if err != nil {
		return nil, invalid("parameter select_metadata: %s: %v", quoted(s.text), err)
	}
	if s.computes {
		value = wholeAsInts(value)
	}
	return map[string]any{"selected": value}, nil
}

// wholeAsInts turns whole numbers back into integers, which is what most of
// them were.
func wholeAsInts(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = wholeAsInts(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = wholeAsInts(item)
		}
		return out
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	}
	return value
}

// numbersAsFloats copies a value with all its numbers as float64, the only
// ones that the library compares.
func numbersAsFloats(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = numbersAsFloats(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = numbersAsFloats(item)
		}
		return out
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case int:
		return float64(v)
	}
	return value
}
