package media

import (
	"fmt"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Registry holds encoders by key (the name of a structure family or of a
// spec) and media type. It is not written to after it was built, and safe for
// concurrent use from then on.
type Registry struct {
	keys   []string
	tables map[string]*table
}

// table is what one key has, in the order of registration.
type table struct {
	types    []string
	encoders map[string]Encoder
}

// Register adds an encoder, in place of one that has the same key and type.
func (r *Registry) Register(key, mediaType string, encoder Encoder) {
	if r.tables == nil {
		r.tables = map[string]*table{}
	}
	t, ok := r.tables[key]
	if !ok {
		t = &table{encoders: map[string]Encoder{}}
		r.tables[key] = t
		r.keys = append(r.keys, key)
	}
	if _, ok := t.encoders[mediaType]; !ok {
		t.types = append(t.types, mediaType)
	}
	t.encoders[mediaType] = encoder
}

// Choice is what was agreed on with the asker.
type Choice struct {
	// MediaType is without parameters, in lower case.
	MediaType string
	// ContentType is the header field to answer with: the media type with
	// the parameters that were asked for, text with its charset. It belongs
	// into the ETag.
	ContentType string
	// Params go into the Payload.
	Params map[string]string
	// Key is the spec or family that the encoder is registered under, which
	// says which member of the Payload it wants: the Table for
	// [SpecDataset], else that of the family.
	Key     string
	Encoder Encoder
}

// Negotiate picks the encoder for a node. format is the query parameter, a
// list of media types or aliases; where it is empty, accept counts, the
// Accept field; where that is empty too the default of the family. Within the
// list the first that some spec, else the family, can write wins: as in Tiled
// the order of the list counts, not the q-values, except that q=0 is "not
// this".
//
// Unlike Tiled, */* is understood with parameters too, which is what browsers
// send. errdef.ErrNotAcceptable lists what there is and what was asked for.
func (r *Registry) Negotiate(family structure.Family, specs []structure.Spec, format, accept string) (Choice, error) {
	keys := make([]string, 0, len(specs)+1)
	for _, spec := range specs {
		if _, ok := r.tables[spec.Name]; ok {
			keys = append(keys, spec.Name)
		}
	}
	keys = append(keys, string(family))
	list, alias := accept, false
	if format != "" {
		list, alias = format, true
	}
	if strings.TrimSpace(list) == "" {
		list = "*/*"
	}
	for word := range strings.SplitSeq(list, ",") {
		asked, ok := parseMediaType(word, alias)
		if !ok {
			continue
		}
		if choice, ok := r.choose(family, keys, asked); ok {
			return choice, nil
		}
	}
	return Choice{}, fmt.Errorf("none of the media types that were asked for is there. Supported: %s. Requested: %s. Ask with Accept or format=: %w",
		strings.Join(r.supported(keys), ", "), clip(list), errdef.ErrNotAcceptable)
}

// choose looks for one media type under each key in turn.
func (r *Registry) choose(family structure.Family, keys []string, asked mediaType) (Choice, bool) {
	switch {
	case asked.base == "*/*":
		asked = mediaType{base: r.fallback(family)}
	case asked.base == "image/*" && family == structure.FamilyArray:
		asked = mediaType{base: typePNG}
	}
	for _, key := range keys {
		t := r.tables[key]
		if t == nil {
			continue
		}
		if encoder, ok := t.encoders[asked.base]; ok {
			return Choice{
				MediaType: asked.base, ContentType: asked.contentType(), Params: asked.params,
				Key: key, Encoder: encoder,
			}, true
		}
	}
	return Choice{}, false
}

// fallback is the media type for */*: the family's default, or what is
// registered first if this program cannot write that.
func (r *Registry) fallback(family structure.Family) string {
	t := r.tables[string(family)]
	if t == nil {
		return ""
	}
	if mediaType := defaultType(family); t.encoders[mediaType] != nil {
		return mediaType
	}
	return t.types[0]
}

func (r *Registry) supported(keys []string) []string {
	var types []string
	for _, key := range keys {
		if t := r.tables[key]; t != nil {
			types = append(types, t.types...)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// Formats lists the media types of each key in the order of registration, for
// the About document.
func (r *Registry) Formats() map[string][]string {
	formats := make(map[string][]string, len(r.keys))
	for _, key := range r.keys {
		formats[key] = slices.Clone(r.tables[key].types)
	}
	return formats
}

// Aliases lists, for each key, the aliases of its media types that can stand
// in format=, for the About document.
func (r *Registry) Aliases() map[string]map[string][]string {
	aliases := make(map[string]map[string][]string, len(r.keys))
	for _, key := range r.keys {
		aliases[key] = map[string][]string{}
		for _, mediaType := range r.tables[key].types {
			if names := aliasesOf(mediaType); names != nil {
				aliases[key][mediaType] = names
			}
		}
	}
	return aliases
}

// clip keeps what came from a client short.
func clip(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}
