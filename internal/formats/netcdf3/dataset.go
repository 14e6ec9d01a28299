package netcdf3

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/terrazzo-data/terrazzo/structure"
)

// dataset is a file as xarray sees it.
type dataset struct {
	version byte
	stride  int64
	attrs   map[string]any
	members []*member
	byName  map[string]*member
}

// member is a variable as xarray sees it.
type member struct {
	name   string
	dims   []string
	shape  []int64
	dtype  structure.DType
	attrs  map[string]any
	begin  int64
	record bool
	coord  bool
}

func newDataset(h *header) *dataset {
	s := &dataset{version: h.version, stride: h.stride, attrs: attributesOf(h.attrs), byName: map[string]*member{}}
	joined := h.joinable()
	for i := range h.vars {
		m := newMember(h, &h.vars[i], joined)
		s.members = append(s.members, m)
		s.byName[m.name] = m
	}
	for _, m := range s.members {
		m.coord = m.coord || len(m.dims) == 1 && m.dims[0] == m.name
		s.markCoordinates(m.attrs)
	}
	if _, isText := s.attrs["coordinates"].(string); isText {
		s.markCoordinates(s.attrs)
	}
	return s
}

// markCoordinates takes the attribute "coordinates" out of attrs: what it
// names are coordinates.
func (s *dataset) markCoordinates(attrs map[string]any) {
	value, has := attrs["coordinates"]
	if !has {
		return
	}
	delete(attrs, "coordinates")
	names, _ := value.(string)
	for _, name := range strings.Fields(names) {
		if c := s.byName[name]; c != nil {
			c.coord = true
		}
	}
}

// keys are the names of the variables, data before coordinates as in Tiled.
func (s *dataset) keys() []string {
	keys := make([]string, 0, len(s.members))
	for _, coord := range []bool{false, true} {
		for _, m := range s.members {
			if m.coord == coord {
				keys = append(keys, m.name)
			}
		}
	}
	return keys
}

// joinable says of each dimension whether it holds the characters of texts
// and nothing else: then it is no axis, but the length of the texts.
func (h *header) joinable() []bool {
	joined := make([]bool, len(h.dims))
	names := make(map[string]bool, len(h.vars))
	for _, v := range h.vars {
		names[v.name] = true
	}
	for i, dim := range h.dims {
		joined[i] = !names[dim.name]
	}
	for _, v := range h.vars {
		for _, dim := range v.dims {
			if v.kind != typeChar || v.dims[len(v.dims)-1] != dim {
				joined[dim] = false
			}
		}
	}
	return joined
}

func newMember(h *header, v *variable, joined []bool) *member {
	m := &member{
		name: v.name, dims: make([]string, len(v.dims)), shape: v.shape, dtype: dtypeOf(v.kind),
		attrs: attributesOf(v.attrs), begin: v.begin, record: v.record,
	}
	for i, dim := range v.dims {
		m.dims[i] = h.dims[dim].name
	}
	last := len(m.dims) - 1
	// Records are no characters of one text: they do not lie together.
	if v.kind == typeChar && last >= 0 && joined[v.dims[last]] && (!v.record || last > 0) && m.shape[last] > 0 && m.shape[last] <= maxText {
		m.dtype.ItemSize = m.shape[last]
		m.dims, m.shape = m.dims[:last], m.shape[:last]
	}
	if m.attrs["dtype"] == "bool" && v.kind == typeByte {
		delete(m.attrs, "dtype")
		m.dtype.Kind = 'b'
	}
	return m
}

// maxText is how long the texts of an array may be.
const maxText = 1 << 20

// dtypeOf is the type on the wire. Numbers are turned into little-endian ones
// when they are read, since xarray gives native ones.
func dtypeOf(kind int32) structure.DType {
	letter := [...]byte{0, 'i', 'S', 'i', 'i', 'f', 'f', 'u', 'u', 'u', 'i', 'u'}[kind]
	t := structure.DType{Kind: letter, ItemSize: itemSize(kind), Endianness: structure.Little}
	if t.ItemSize == 1 {
		t.Endianness = structure.NotApplicable
	}
	return t
}

func attributesOf(list []attribute) map[string]any {
	attrs := make(map[string]any, len(list))
	for _, a := range list {
		attrs[a.name] = a.value
	}
	return attrs
}

// attributeValue is the value of an attribute: text, a number, or a list of
// several. As in the netCDF4 library text loses its NULs, and what is no UTF-8
// is replaced.
func attributeValue(kind int32, data []byte, count int64) any {
	if kind == typeChar {
		return strings.ReplaceAll(strings.ToValidUTF8(string(data), "\uFFFD"), "\x00", "")
	}
	size := itemSize(kind)
	if count == 1 {
		return number(kind, data)
	}
	list := make([]any, count)
	for i := range list {
		list[i] = number(kind, data[int64(i)*size:])
	}
	return list
}

func number(kind int32, p []byte) any {
	switch kind {
	case typeByte:
		return int64(int8(p[0]))
	case typeUByte:
		return int64(p[0])
	case typeShort:
		return int64(int16(binary.BigEndian.Uint16(p)))
	case typeUShort:
		return int64(binary.BigEndian.Uint16(p))
	case typeInt:
		return int64(int32(binary.BigEndian.Uint32(p)))
	case typeUInt:
		return int64(binary.BigEndian.Uint32(p))
	case typeFloat:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(p)))
	case typeDouble:
		return math.Float64frombits(binary.BigEndian.Uint64(p))
	case typeInt64:
		return int64(binary.BigEndian.Uint64(p))
	default:
		return binary.BigEndian.Uint64(p)
	}
}
