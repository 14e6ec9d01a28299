package media_test

import (
	"errors"
	"mime"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestNegotiate(t *testing.T) {
	dataset := []structure.Spec{{Name: "unknown"}, {Name: media.SpecDataset}}
	const arrow, octets = "application/vnd.apache.arrow.file", "application/octet-stream"
	for _, c := range []struct {
		family         structure.Family
		specs          []structure.Spec
		format, accept string
		want, key      string // the Content-Type, and the key where it is not the family
	}{
		{family: "array", want: octets},
		{family: "table", want: arrow},
		{family: "container", want: "application/x-hdf5"},
		{family: "array", accept: "*/*", want: octets},
		{family: "table", accept: "*/*;q=0.8", want: arrow},
		{family: "array", accept: "image/*", want: "image/png"},
		{family: "array", accept: "text/html,application/xhtml+xml,*/*;q=0.8", want: "text/html; charset=utf-8"},
		{family: "container", accept: "text/html,application/xhtml+xml,*/*;q=0.8", want: "application/x-hdf5"},
		{family: "array", accept: "application/json;q=0, text/csv", want: "text/csv; charset=utf-8"},
		{family: "array", accept: "image/jpeg, APPLICATION/JSON", want: "application/json"},
		{family: "table", accept: "text/csv;header=absent", want: "text/csv;header=absent; charset=utf-8"},
		{family: "table", accept: "text/csv; Header=absent; q=0.5", want: "text/csv;header=absent; charset=utf-8"},
		{family: "table", accept: "text/plain;charset=utf-8", want: "text/plain;charset=utf-8"},
		{family: "array", format: "csv", accept: "application/json", want: "text/csv; charset=utf-8"},
		{family: "array", format: "tar.gz,png", want: "image/png"},
		{family: "table", format: "text/csv;header=absent", want: "text/csv;header=absent; charset=utf-8"},
		{family: "table", format: "xlsx", want: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{family: "table", format: "feather", want: arrow},
		{family: "array", format: "xls", want: "application/vnd.ms-excel"},
		{family: "array", format: "tif", want: "image/tiff"},
		{family: "array", accept: "csv"},
		{family: "array", format: "h5"},
		{family: "array", accept: ","},
		{family: "array", accept: "text/csv;x=\r\nSet-Cookie: a=b"},
		{family: "array", accept: "text/csv;header"},
		{family: "bytes"},
		{family: "container", specs: dataset, want: "application/x-hdf5", key: media.SpecDataset},
		{family: "container", specs: dataset, format: arrow, want: arrow, key: media.SpecDataset},
		{family: "container", specs: dataset, format: "csv", want: "text/csv; charset=utf-8", key: media.SpecDataset},
		{family: "container", format: "csv"},
	} {
		choice, err := media.New().Negotiate(c.family, c.specs, c.format, c.accept)
		if c.want == "" {
			if !errors.Is(err, errdef.ErrNotAcceptable) {
				t.Errorf("%+v: got %+v, %v", c, choice, err)
			}
			continue
		}
		key := c.key
		if key == "" {
			key = string(c.family)
		}
		if err != nil || choice.ContentType != c.want || choice.Key != key || choice.Encoder == nil {
			t.Errorf("%+v: got %+v, %v", c, choice, err)
		}
		if base, _, _ := strings.Cut(c.want, ";"); choice.MediaType != base {
			t.Errorf("%+v: media type %q", c, choice.MediaType)
		}
		if strings.Contains(c.want, "header=absent") && choice.Params["header"] != "absent" {
			t.Errorf("%+v: parameters %v", c, choice.Params)
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/csv;header=absent", "text/csv; q=0,a/b;c=\"d,e\"", "csv,json", ";;,;=", "text/html;charset=x\r\ny"} {
		f.Add(seed, "", uint8(0))
		f.Add("", seed, uint8(1))
	}
	r := media.New()
	families := []structure.Family{"array", "table", "container", "bytes"}
	f.Fuzz(func(t *testing.T, format, accept string, family uint8) {
		choice, err := r.Negotiate(families[int(family)%len(families)], nil, format, accept)
		if err != nil {
			if !errors.Is(err, errdef.ErrNotAcceptable) {
				t.Fatal(err)
			}
			return
		}
		if _, _, err := mime.ParseMediaType(choice.ContentType); err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) && !strings.Contains(err.Error(), "duplicate") {
			t.Fatalf("%q: %v", choice.ContentType, err)
		}
		if strings.ContainsFunc(choice.ContentType, unicode.IsControl) || choice.Encoder == nil {
			t.Fatalf("%q, %q: %+v", format, accept, choice)
		}
	})
}

func TestNotAcceptableSaysWhatThereIs(t *testing.T) {
	_, err := media.New().Negotiate("table", nil, "", "image/png, text/x-unknown")
	for _, word := range []string{"image/png, text/x-unknown", "text/csv", "application/json-seq"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v lacks %q", err, word)
		}
	}
	if _, err := media.New().Negotiate("table", nil, strings.Repeat("x", 100_000), ""); err == nil || len(err.Error()) > 2000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestFormats(t *testing.T) {
	r := media.New()
	formats, aliases := r.Formats(), r.Aliases()
	if got := formats["array"]; len(got) != 9 || got[0] != "application/octet-stream" || got[8] != "text/html" {
		t.Errorf("array: %v", got)
	}
	if got := formats["table"]; len(got) != 10 || got[0] != "application/vnd.apache.arrow.file" {
		t.Errorf("table: %v", got)
	}
	if got := aliases["array"]["text/csv"]; !slices.Equal(got, []string{"csv"}) {
		t.Errorf("aliases of text/csv: %v", got)
	}
	for key := range formats {
		if aliases[key] == nil {
			t.Errorf("%s has no aliases", key)
		}
	}
	formats["array"][0] = "changed"
	if r.Formats()["array"][0] == "changed" {
		t.Error("Formats gives away what it holds")
	}
}

func TestDocumentType(t *testing.T) {
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/x-msgpack": "application/x-msgpack",
		"text/html, application/x-msgpack, application/json": "application/x-msgpack",
		"*/*, application/x-msgpack":                         "application/json", "text/html": "application/json",
		"application/x-msgpack;q=1": "application/json",
	} {
		if got := media.DocumentType(accept); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}
