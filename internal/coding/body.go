package coding

import "strings"

// body is the kind of content, as far as codings care.
type body int

const (
	binaryBody body = iota
	textBody
	bodies
)

// bodyOf returns the kind of a media type and whether compressing it is worth
// while: what is not listed is compressed already (PNG, Parquet, zip, HDF5,
// TIFF), or is sent as it is by Tiled too (json-seq).
func bodyOf(mediaType string) (kind body, worth bool) {
	bare, _, _ := strings.Cut(mediaType, ";")
	switch strings.ToLower(strings.TrimSpace(bare)) {
	case "application/octet-stream", "application/vnd.apache.arrow.file":
		return binaryBody, true
	case "application/json", "application/x-msgpack", "text/csv", "text/plain", "text/html",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
		return textBody, true
	default:
		return textBody, false
	}
}
