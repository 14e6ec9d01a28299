package media

import (
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/structure"
)

// The media types that this package writes.
const (
	typeOctets  = "application/octet-stream"
	typeJSON    = "application/json"
	typeJSONSeq = "application/json-seq"
	typeMsgpack = document.Msgpack
	typeArrow   = "application/vnd.apache.arrow.file"
	typeParquet = "application/x-parquet"
	typeXLSX    = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	typeExcel   = "application/vnd.ms-excel"
	typeCSV     = "text/csv"
	typeXCSV    = "text/x-comma-separated-values"
	typePlain   = "text/plain"
	typeHTML    = "text/html"
	typePNG     = "image/png"
	typeTIFF    = "image/tiff"
	typeHDF5    = "application/x-hdf5"
	typeNetCDF  = "application/netcdf"
	typeXNetCDF = "application/x-netcdf"
)

// alias is a name that may stand for a media type in format=.
type alias struct{ name, mediaType string }

// aliases are those of Tiled as far as they name something that is served;
// some belong to media types that only other versions of this program write.
func aliases() []alias {
	return []alias{
		{"arrow", typeArrow},
		{"feather", typeArrow},
		{"parquet", typeParquet},
		{"csv", typeCSV},
		{"json", typeJSON},
		{"text", typePlain},
		{"txt", typePlain},
		{"html", typeHTML},
		{"htm", typeHTML},
		{"png", typePNG},
		{"tif", typeTIFF},
		{"tiff", typeTIFF},
		{"xls", typeExcel},
		{"xlsx", typeXLSX},
		{"zip", "application/zip"},
		{"h5", typeHDF5},
		{"hdf5", typeHDF5},
		{"nc", typeNetCDF},
	}
}

// aliasesOf lists the names of a media type, nil if it has none.
func aliasesOf(mediaType string) []string {
	var names []string
	for _, a := range aliases() {
		if a.mediaType == mediaType {
			names = append(names, a.name)
		}
	}
	return names
}

// resolve is the media type that a name stands for, or the name itself.
func resolve(name string) string {
	all := aliases()
	if i := slices.IndexFunc(all, func(a alias) bool { return a.name == name }); i >= 0 {
		return all[i].mediaType
	}
	return name
}

// defaultType is what */* means for a family.
func defaultType(family structure.Family) string {
	switch family {
	case structure.FamilyArray, structure.FamilyBytes:
		return typeOctets
	case structure.FamilyTable, structure.FamilySparse:
		return typeArrow
	case structure.FamilyContainer:
		return typeHDF5
	case structure.FamilyAwkward:
		return "application/zip"
	case structure.FamilyRagged:
		return typeJSON
	default:
		return typeOctets
	}
}

// mediaType is one entry of a list of media types.
type mediaType struct {
	base   string
	params map[string]string
	// tail are the parameters as they go into the answer.
	tail string
}

// parseMediaType reads "text/csv; header=absent". ok is false for what is
// malformed and for what is refused with q=0; q is no parameter of the type.
func parseMediaType(text string, alias bool) (m mediaType, ok bool) {
	base, rest, more := strings.Cut(text, ";")
	m.base = strings.ToLower(strings.TrimSpace(base))
	if alias {
		m.base = resolve(m.base)
	}
	for more {
		var word string
		word, rest, more = strings.Cut(rest, ";")
		key, value, hasValue := strings.Cut(strings.TrimSpace(word), "=")
		if !hasValue && key == "" {
			continue
		}
		if !isToken(key) || !isToken(value) {
			return mediaType{}, false
		}
		key = strings.ToLower(key)
		if key == "q" {
			if q, err := strconv.ParseFloat(value, 64); err == nil && q == 0 {
				return mediaType{}, false
			}
			continue
		}
		if m.params == nil {
			m.params = map[string]string{}
		}
		m.params[key] = value
		m.tail += ";" + key + "=" + value
	}
	return m, m.base != ""
}

// contentType is the header field of an answer of this type.
func (m mediaType) contentType() string {
	text := m.base + m.tail
	if strings.HasPrefix(m.base, "text/") && m.params["charset"] == "" {
		text += "; charset=utf-8"
	}
	return text
}

// isToken says whether text is a token of RFC 9110, which needs no quotes and
// cannot break out of a header field.
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return text != ""
}

// DocumentType picks the media type for a document that is no data, as Tiled
// 0.2.20 does: the entries of Accept in their order; the first that is exactly
// */*, JSON or msgpack counts, and JSON if none is. (Tiled wants a space behind
// the comma.) It is the whole Content-Type: clients compare it byte for byte.
func DocumentType(accept string) string {
	for entry := range strings.SplitSeq(accept, ",") {
		switch strings.TrimSpace(entry) {
		case "*/*", typeJSON:
			return typeJSON
		case typeMsgpack:
			return typeMsgpack
		}
	}
	return typeJSON
}
