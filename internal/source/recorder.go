package source

// Recorder is told what is asked of the file system and of the memory. It is
// called often and at once from many goroutines.
type Recorder interface {
	Count(what Op, n int64)
}

// Op is a kind of work that is counted.
type Op uint8

// What is counted.
const (
	// Opens of files, Stats without opening, ReadDirs of folders.
	Opens Op = iota
	Stats
	ReadDirs
	// BytesRead from files.
	BytesRead
	// Describes are looks of a format into files; Recalls descriptions that
	// were remembered instead, in memory, and RecallsDisk under the state
	// directory.
	Describes
	Recalls
	RecallsDisk
)

// String is the name of the counter.
func (o Op) String() string {
	switch o {
	case Opens:
		return "opens"
	case Stats:
		return "stats"
	case ReadDirs:
		return "readdirs"
	case BytesRead:
		return "bytes_read"
	case Describes:
		return "describes"
	case Recalls:
		return "recalls"
	default:
		return "recalls_disk"
	}
}

type nobody struct{}

func (nobody) Count(Op, int64) {}
