package testenv

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// DataCacheVar is the environment variable that says how large the data cache
// is in tests of the read path: 0 for none, or like 1MiB. `make test-cache`
// runs them with each; unset, each test has what it is written for.
const DataCacheVar = "TERRAZZO_TEST_DATA_CACHE"

// DataCache returns [DataCacheVar] as a server's setting; empty means the
// server's own default.
func DataCache() string { return os.Getenv(DataCacheVar) }

// DataCacheBytes returns [DataCacheVar] in bytes, or otherwise where it is not
// set. What is neither 0 nor like 1MiB is an error.
func DataCacheBytes(otherwise int64) (int64, error) {
	text := DataCache()
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "MiB"), 10, 32)
	if err != nil || n < 0 || n > 0 && !strings.HasSuffix(text, "MiB") {
		return 0, fmt.Errorf("testenv: %s=%s: it must be 0 or like 1MiB", DataCacheVar, text)
	}
	return n << 20, nil
}
