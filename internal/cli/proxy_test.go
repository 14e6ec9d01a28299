package cli

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
)

// TestCacheSettingsPage: docs/cache-settings.md has each flag of the proxy, and the metrics
// that it says to watch are there.
func TestCacheSettingsPage(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "cache-settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	parser, err := newParser(&grammar{})
	if err != nil {
		t.Fatal(err)
	}
	flags := 0
	for _, command := range parser.Model.Children {
		if command.Name != "proxy" {
			continue
		}
		for _, flag := range command.Flags {
			if flag.Name == "help" {
				continue
			}
			flags++
			if !strings.Contains(page, "`--"+flag.Name+"`") && !strings.Contains(page, "`--"+flag.Name+" ") {
				t.Errorf("the page does not have --%s of the proxy", flag.Name)
			}
		}
	}
	if flags < 15 {
		t.Errorf("%d flags of the proxy", flags)
	}
	px, err := proxy.New(proxy.Options{Origin: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer px.Close()
	h, err := proxyAdmin(px, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, name := range regexp.MustCompile(`terrazzo_response_cache_[a-z_]*[a-z]`).FindAllString(page, -1) {
		if !strings.Contains(w.Body.String(), "\n"+name+" ") {
			t.Errorf("the page names %s, which is no metric", name)
		}
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/cache", http.NoBody))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"Hits":0`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
