package hdf5

import (
	"fmt"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Dimensions makes a group of variables one of netCDF-4 ("The NetCDF-4 format",
// NUG appendix B): dims names the axes of each member, in the members' order.
// A variable along an axis of its own name is the axis's scale; an axis that
// has none gets one without data, which readers hide. Axes of one name and
// different lengths, or that bear the name of another kind of variable, are
// errdef.ErrUnprocessable.
func Dimensions(group *Node, dims [][]string) error {
	scales := map[string]*Node{}
	var order []string
	variables := group.Members
	for i, m := range variables {
		for axis, name := range dims[i] {
			if slices.Contains(order, name) {
				continue
			}
			order = append(order, name)
			scale, err := scaleOf(variables, dims, name, m.Dataset.Shape[axis])
			if err != nil {
				return err
			}
			if !slices.Contains(variables, scale) {
				group.Members = append(group.Members, scale)
			}
			scales[name] = scale
		}
	}
	for i, m := range variables {
		if err := attach(m, dims[i], scales); err != nil {
			return err
		}
	}
	for id, name := range order {
		s := scales[name]
		title := name
		if !slices.Contains(variables, s) {
			title = fmt.Sprintf("This is a netCDF dimension but not a netCDF variable. %9d", s.Dataset.Shape[0])
		}
		s.Attributes = append(
			s.Attributes, text("CLASS", "DIMENSION_SCALE"), text("NAME", title),
			Attribute{Name: "_Netcdf4Dimid", Type: structure.DType{Kind: 'i', ItemSize: 4, Endianness: structure.Little}, Data: u32(nil, int64(id))},
		)
	}
	return nil
}

// scaleOf is the variable that is an axis's scale, or a new one without data.
func scaleOf(variables []*Node, dims [][]string, name string, extent int64) (*Node, error) {
	at := slices.IndexFunc(variables, func(n *Node) bool { return n.Name == name })
	switch {
	case at < 0:
		float := structure.DType{Kind: 'f', ItemSize: 4, Endianness: structure.Big}
		return &Node{Name: name, Dataset: &Dataset{Type: float, Shape: []int64{extent}}}, nil
	case len(dims[at]) == 1 && dims[at][0] == name:
		return variables[at], nil
	}
	return nil, fmt.Errorf("hdf5: variable %.200q: has the name of an axis, and is not along it: %w", name, errdef.ErrUnprocessable)
}

// attach refers from a variable to the scales of its axes.
func attach(n *Node, dims []string, scales map[string]*Node) error {
	if len(dims) == 0 || scales[n.Name] == n {
		return nil
	}
	list := Attribute{Name: "DIMENSION_LIST", Shape: []int64{int64(len(dims))}, listed: true}
	for axis, name := range dims {
		scale := scales[name]
		if scale.Dataset.Shape[0] != n.Dataset.Shape[axis] {
			return fmt.Errorf("hdf5: variable %.200q: its axis %.200q has the extent %d, elsewhere %d: %w",
				n.Name, name, n.Dataset.Shape[axis], scale.Dataset.Shape[0], errdef.ErrUnprocessable)
		}
		list.targets = append(list.targets, scale)
	}
	n.Attributes = append(n.Attributes, list)
	return nil
}

// text is a text of fixed length with a NUL at its end, by which libhdf5 knows
// a scale.
func text(name, value string) Attribute {
	return Attribute{Name: name, Type: structure.DType{Kind: 'S', ItemSize: int64(len(value)) + 1}, Data: append([]byte(value), 0), ended: true}
}
