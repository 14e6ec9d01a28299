// Package config reads the configuration file: YAML whose settings have
// Tiled's names and places where they mean what Tiled's mean, and stand under
// "terrazzo" where they are ours.
//
// A file written for Tiled is understood. Each of its settings is honoured,
// named in a warning as without effect here, or refused by name where leaving
// it out would give data to people who may not have them.
package config

// Config is a whole configuration. [Load] fills it, [Default] has the values
// that hold where nothing is said.
type Config struct {
	Trees                 []Tree         `yaml:"trees"`
	Authentication        Authentication `yaml:"authentication"`
	AllowOrigins          []string       `yaml:"allow_origins"`
	ResponseBytesizeLimit int64          `yaml:"response_bytesize_limit"`
	ExactCountLimit       int            `yaml:"exact_count_limit"`
	ExposeRawAssets       bool           `yaml:"expose_raw_assets"`
	Listen                Listen         `yaml:"uvicorn"`
	Metrics               Metrics        `yaml:"metrics"`
	Own                   Own            `yaml:"terrazzo"`
}

// Tree is one tree and where it is mounted.
type Tree struct {
	// Tree is "directory", "join" or "demo".
	Tree string `yaml:"tree"`
	// Path is where it is mounted, such as "/" or "/raw".
	Path string   `yaml:"path"`
	Args TreeArgs `yaml:"args"`
}

// TreeArgs belong to a folder, or to files in a folder that are joined.
type TreeArgs struct {
	Directory string `yaml:"directory"`
	// Files is a pattern of files in the folder that are one array, Dataset the
	// path of an array within each of them, Join "stack" (a new axis, as
	// numpy.stack) or "concatenate" (one they have), and Axis which axis, below
	// zero counted from the last. They belong to "join" alone.
	Files   string `yaml:"files"`
	Dataset string `yaml:"dataset"`
	Join    string `yaml:"join"`
	Axis    int    `yaml:"axis"`
	// KeepExt keeps file extensions in keys.
	KeepExt bool `yaml:"keep_ext"`
	// IncludeExt, if not empty, serves only files with these extensions.
	IncludeExt []string `yaml:"include_ext"`
	// Ext maps further extensions to media types.
	Ext map[string]string `yaml:"ext"`
	// ReadableStorage are folders in which links may end.
	ReadableStorage []string `yaml:"readable_storage"`
	Storage         Storage  `yaml:"storage"`
}

// Storage says how far the file system under a tree can be believed.
type Storage struct {
	// Consistency is local, nfs or parallel; empty to guess.
	Consistency string `yaml:"consistency"`
	// TrustAfter is in seconds; 0 for the default of the consistency.
	TrustAfter float64 `yaml:"trust_after"`
	// Revalidate is "stat" or "open"; empty for the default.
	Revalidate string `yaml:"revalidate"`
	// Immutable says that what is there never changes, so that clients need
	// not ask about what they hold. This server asks all the same.
	Immutable bool `yaml:"immutable"`
}

// Authentication says who may read.
type Authentication struct {
	SingleUserAPIKey     string `yaml:"single_user_api_key"`
	AllowAnonymousAccess bool   `yaml:"allow_anonymous_access"`
}

// Listen says where the server listens and whom it believes.
type Listen struct {
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
	// RootPath is the prefix under which a proxy shows the server.
	RootPath string `yaml:"root_path"`
	// ProxyHeaders false believes no forwarded header.
	ProxyHeaders bool `yaml:"proxy_headers"`
	// ForwardedAllowIPs are addresses or networks, separated by commas,
	// whose forwarded headers are believed; "*" is everybody.
	ForwardedAllowIPs string `yaml:"forwarded_allow_ips"`
	SSLKeyfile        string `yaml:"ssl_keyfile"`
	SSLCertfile       string `yaml:"ssl_certfile"`
}

// Metrics switches the metrics endpoint.
type Metrics struct {
	Prometheus bool `yaml:"prometheus"`
}

// Own are the settings that Tiled has not.
type Own struct {
	// Memory, DataCache and ResponseCache are bytes ("2GiB") or a fraction
	// of the machine's memory ("0.15"); empty for the default.
	Memory        string `yaml:"memory"`
	DataCache     string `yaml:"data_cache"`
	ResponseCache string `yaml:"response_cache"`
	// ResponseStore is where encoded answers lie instead of in memory: NAME or
	// NAME:ADDRESS of a store that the program was built with.
	ResponseStore string `yaml:"response_store"`
	// Prefetch reads ahead for clients that walk through frames; CachePolicy
	// is hazard, gdsf or lru; CacheTrace is a file for a record of accesses.
	Prefetch    bool   `yaml:"prefetch"`
	CachePolicy string `yaml:"cache_policy"`
	CacheTrace  string `yaml:"cache_trace"`
	// Admin is the admin listener, unix:PATH or HOST:PORT of loopback; empty
	// for none. AdminKey lets in.
	Admin    string `yaml:"admin"`
	AdminKey string `yaml:"admin_key"`
	// State is the folder for what was learnt about files; "none" keeps it
	// in memory alone, empty is the user's own.
	State     string  `yaml:"state"`
	PublicURL string  `yaml:"public_url"`
	UI        string  `yaml:"ui"`
	LogLevel  string  `yaml:"log_level"`
	LogFormat string  `yaml:"log_format"`
	Codings   Codings `yaml:"codings"`
}

// Codings are content codings by how far away a client is, best first.
type Codings struct {
	Loopback Preference `yaml:"loopback"`
	Fast     Preference `yaml:"fast"`
	Slow     Preference `yaml:"slow"`
}

// Preference lists codings for arrays and for text.
type Preference struct {
	Binary []string `yaml:"binary"`
	Text   []string `yaml:"text"`
}

// Default returns the settings that hold where nothing is said.
func Default() Config {
	return Config{
		ResponseBytesizeLimit: 300_000_000,
		ExactCountLimit:       100,
		ExposeRawAssets:       true,
		Listen:                Listen{Host: "127.0.0.1", Port: 8000, ProxyHeaders: true, ForwardedAllowIPs: "127.0.0.1,::1"},
		Metrics:               Metrics{Prometheus: true},
		Own:                   Own{Prefetch: true, LogLevel: "info", LogFormat: "text"},
	}
}
