package media_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"iter"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

// arrayCase is an entry of the files that testdata/gen_arrays.py writes.
type arrayCase struct {
	Name      string
	Descr     any
	Shape     []int64
	Data      []byte
	JSON, CSV *string
	Mode      string
	Size      []int
	Pixels    *string
}

func load[T any](t *testing.T, name string, least int) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < least {
		t.Fatalf("%s has %d cases, expected at least %d", name, len(cases), least)
	}
	return cases
}

func (c arrayCase) array(t *testing.T) *media.Array {
	t.Helper()
	kind, err := structure.ParseDescr(c.Descr)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return &media.Array{Type: kind, Shape: c.Shape, Data: inPieces(c.Data, 3*int(kind.ItemSize))}
}

// inPieces yields data in pieces of some size.
func inPieces(data []byte, size int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for at := 0; at < len(data); at += size {
			if !yield(bytes.Clone(data[at:min(at+size, len(data))]), nil) {
				return
			}
		}
	}
}

// encode negotiates a media type and returns the body.
func encode(t *testing.T, family structure.Family, format string, p media.Payload) ([]byte, error) {
	t.Helper()
	choice, err := media.New().Negotiate(family, nil, format, "")
	if err != nil {
		t.Fatal(err)
	}
	p.Params = choice.Params
	size, err := choice.Encoder.Plan(p)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := choice.Encoder.Encode(t.Context(), &body, p); err != nil {
		return nil, err
	}
	if size >= 0 && int64(body.Len()) != size {
		t.Errorf("%s: planned %d bytes, wrote %d", format, size, body.Len())
	}
	return body.Bytes(), nil
}

func TestArraysAsTiledWritesThem(t *testing.T) {
	for _, c := range load[arrayCase](t, "arrays.json", 90) {
		for format, want := range map[string]*string{"application/json": c.JSON, "text/csv": c.CSV} {
			if want == nil {
				continue
			}
			got, err := encode(t, structure.FamilyArray, format, media.Payload{Array: c.array(t)})
			if err != nil || string(got) != *want {
				t.Errorf("%s as %s: %v\n got %q\nwant %q", c.Name, format, err, got, *want)
			}
		}
		got, err := encode(t, structure.FamilyArray, "application/octet-stream", media.Payload{Array: c.array(t)})
		if err != nil || !bytes.Equal(got, c.Data) {
			t.Errorf("%s as octet-stream: %v\n got %x\nwant %x", c.Name, err, got, c.Data)
		}
	}
}

func TestPicturesAsTiledPaintsThem(t *testing.T) {
	for _, c := range load[arrayCase](t, "images.json", 30) {
		got, err := encode(t, structure.FamilyArray, "png", media.Payload{Array: c.array(t)})
		if c.Pixels == nil {
			if err == nil {
				t.Errorf("%s: Tiled refuses it, we do not", c.Name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		want, err := base64.StdEncoding.DecodeString(*c.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(got))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if size := picture.Bounds().Size(); size.X != c.Size[0] || size.Y != c.Size[1] {
			t.Errorf("%s: %v, want %v", c.Name, size, c.Size)
		}
		if pixels := pixelsOf(picture, c.Mode); !bytes.Equal(pixels, want) {
			t.Errorf("%s: %d of %d bytes differ\n got %v\nwant %v", c.Name, differing(pixels, want), len(want), head(pixels), head(want))
		}
	}
}

func head(data []byte) []byte { return data[:min(len(data), 40)] }

func differing(a, b []byte) int {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// pixelsOf gives the bytes that Pillow's tobytes gives for a mode.
func pixelsOf(picture image.Image, mode string) []byte {
	var pixels []byte
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA)
			switch mode {
			case "L":
				pixels = append(pixels, c.R)
			case "LA":
				pixels = append(pixels, c.R, c.A)
			case "RGB":
				pixels = append(pixels, c.R, c.G, c.B)
			default:
				pixels = append(pixels, c.R, c.G, c.B, c.A)
			}
		}
	}
	return pixels
}

// floats32 is an array of float32 that is another one in each pass, and the
// last in all that follow.
func floats32(t *testing.T, shape []int64, passes ...[]float32) *media.Array {
	t.Helper()
	kind, err := structure.ParseDType("<f4")
	if err != nil {
		t.Fatal(err)
	}
	pass := 0
	return &media.Array{Type: kind, Shape: shape, Data: func(yield func([]byte, error) bool) {
		var data []byte
		for _, v := range passes[min(pass, len(passes)-1)] {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		pass++
		yield(data, nil)
	}}
}

// A detector's masked pixels are NaN. Tiled paints all of such a picture
// black; ours are scaled by the others.
func TestPicturesWithMissingPixels(t *testing.T) {
	nan := float32(math.NaN())
	got, err := encode(t, structure.FamilyArray, "png", media.Payload{Array: floats32(t, []int64{1, 4}, []float32{0, nan, 50, 100})})
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if pixels := pixelsOf(picture, "L"); !bytes.Equal(pixels, []byte{0, 0, 128, 255}) {
		t.Errorf("got %v", pixels)
	}
	got, err = encode(t, structure.FamilyArray, "png", media.Payload{Array: floats32(t, []int64{1, 2}, []float32{nan, nan})})
	if err != nil {
		t.Fatal(err)
	}
	if picture, err = png.Decode(bytes.NewReader(got)); err != nil || !bytes.Equal(pixelsOf(picture, "L"), []byte{0, 0}) {
		t.Errorf("all missing: %v, %v", picture, err)
	}
}

func TestPicturesOfDataThatChange(t *testing.T) {
	a := floats32(t, []int64{1, 3}, []float32{1, 2, 3}, []float32{7e7, 8e8, 9e9})
	if _, err := encode(t, structure.FamilyArray, "png", media.Payload{Array: a}); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("got %v", err)
	}
}
