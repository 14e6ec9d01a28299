package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/telemetry"
)

func TestScrubbed(t *testing.T) {
	var out bytes.Buffer
	log := telemetry.Scrubbed(slog.New(slog.NewJSONHandler(&out, nil)))
	for _, address := range []string{
		"/?api_key=hush", "/?a=1&API_KEY=hush&b=2", "/x%3Fapi_key%3Dhush", "/x%253Fapi_key%253dhush", "api_key=hush;x=1", "apikey=hush", "?access_token=hush", "?csrf=hush",
	} {
		log.Info(address, "url", address, "err", errors.New("get "+address), slog.Group("g", "url", address))
		log.With("url", address).WithGroup("g").Info("x", "n", 1)
	}
	if text := out.String(); strings.Contains(text, "hush") || strings.Count(text, "…") != 8*5 {
		t.Errorf("log:\n%s", text)
	}
	out.Reset()
	log.With("a", 1).Info("keys and values", "path", "/x=1&key=2%20", "err", errors.New("no such file"))
	if text := out.String(); !strings.Contains(text, `"msg":"keys and values","a":1,"path":"/x=1&key=2%20","err":"no such file"`) {
		t.Errorf("log:\n%s", text)
	}
}
