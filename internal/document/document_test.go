package document_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// document has every plain type.
func everything() document.Object {
	at := time.Date(2020, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("", 3600))
	return document.Object{
		{"z", nil},
		{"a", []any{true, false, int64(-1), uint64(math.MaxUint64), 1.0, 0.1, 1e16, 1e-7}},
		{"nan", []float64{math.NaN(), math.Inf(1), math.Inf(-1)}},
		{"text", "é😀\u2028<&>\"\\\b\f\n\r\t\x01\x7f"},
		{"bad", "a\xffb\xe2\x82"},
		{"bytes", []byte{0, 255}},
		{"time", at},
		{"utc", at.UTC().Truncate(time.Second)},
		{"map", map[string]any{"b": int64(1), "a": map[string]string{"x": "y"}, "": nil}},
		{"empty", map[string]any{}},
		{"none", []any{}},
		{"ints", []any{int(1), int8(-2), int16(-300), int32(-70000), uint(1), uint8(2), uint16(3), uint32(4), int64(math.MinInt64)}},
		{"typed", []any{[]string{"a"}, []int{1}, []int64{2}, []map[string]any{{"k": "v"}}, []document.Object{{{"q", "r"}}}, float32(0.5)}},
	}
}

func TestAppendJSON(t *testing.T) {
	got, err := document.AppendJSON([]byte("x"), everything())
	if err != nil {
		t.Fatal(err)
	}
	want := `x{"z":null,"a":[true,false,-1,18446744073709551615,1.0,0.1,1e+16,1e-7],"nan":[null,null,null],` +
		`"text":"é😀` + "\u2028" + `<&>\"\\\b\f\n\r\t\u0001` + "\x7f" + `","bad":"a` + "\uFFFDb\uFFFD\uFFFD" + `",` +
		`"bytes":"data:application/octet-stream;base64,AP8=","time":"2020-01-02T03:04:05.600000+01:00",` +
		`"utc":"2020-01-02T02:04:05+00:00","map":{"":null,"a":{"x":"y"},"b":1},"empty":{},"none":[],` +
		`"ints":[1,-2,-300,-70000,1,2,3,4,-9223372036854775808],` +
		`"typed":[["a"],[1],[2],[{"k":"v"}],[{"q":"r"}],0.5]}`
	if string(got) != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

// The real msgpack and orjson of Tiled read and write the same document.
func TestDocumentsInPython(t *testing.T) {
	python := testenv.Python(t)
	dir := t.TempDir()
	packed, err := document.AppendMsgpack(nil, everything())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "packed"), packed, 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `
import sys, msgpack
from tiled.utils import safe_json_dump
document = msgpack.unpackb(open(sys.argv[1] + "/packed", "rb").read(), timestamp=3)
sys.stdout.buffer.write(safe_json_dump(document))
`
	out, err := exec.CommandContext(t.Context(), python, "-c", script, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := document.AppendJSON(nil, everything())
	if err != nil {
		t.Fatal(err)
	}
	// msgpack's timestamps have no zone of their own.
	text := strings.Replace(string(want), "2020-01-02T03:04:05.600000+01:00", "2020-01-02T02:04:05.600000+00:00", 1)
	// The replacement of what is not UTF-8 differs in the number of signs only.
	text = strings.Replace(text, "b\uFFFD\uFFFD", "b\uFFFD", 1)
	if string(out) != text {
		t.Errorf("Python says\n%s\nwe say\n%s", out, text)
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	deep := any(nil)
	for range 600 {
		deep = []any{deep}
	}
	for name, value := range map[string]any{
		"struct": struct{}{}, "channel": make(chan int), "inside": []any{map[string]any{"a": complex(1, 2)}}, "deep": deep,
	} {
		for _, appender := range []document.Appender{document.AppendJSON, document.AppendMsgpack} {
			if got, err := appender([]byte("x"), value); !errors.Is(err, errdef.ErrUnprocessable) || string(got) != "x" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}

func FuzzJSONStrings(f *testing.F) {
	for _, seed := range []string{"", "a", "\xff", "\xed\xa0\x80", "\x00\"\\", "é\u2028\U0010ffff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := document.AppendJSON(nil, document.Object{{Key: text, Value: text}})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		want := string([]rune(text)) // what is not UTF-8 becomes U+FFFD, byte by byte
		if len(back) != 1 || back[want] != want {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
