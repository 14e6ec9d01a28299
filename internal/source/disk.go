package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// disk keeps records in a file of the state directory. Its failure is a miss:
// the first is said in the log, and then the file is left alone.
//
// Records lie in generations, one bucket each. New ones go into the latest;
// once it holds half of what is allowed, the one before it is given up.
type disk struct {
	db    *bolt.DB
	log   *slog.Logger
	salt  string
	half  int64
	dead  atomic.Bool
	queue chan entry
	done  sync.WaitGroup

	inside sync.Mutex // held by whoever is in the database
	stuck  bool       // the database panicked; guarded by inside

	mu         sync.Mutex
	latest     uint64
	generation [2][]byte // names of the buckets, the latest first; the second may be nil
	bytes      int64     // in the latest
	closed     bool
}

type entry struct {
	key   adapter.ID
	value []byte
}

// lockWait is how long the file may be held by a process that is just ending.
const lockWait = 200 * time.Millisecond

func openDisk(opts MemoryOptions) (*disk, error) {
	if err := os.MkdirAll(opts.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	d := &disk{log: opts.Log, salt: "descriptions " + strconv.Itoa(recordVersion) + " " + opts.Salt + "#", half: opts.DiskBytes / 2, queue: make(chan entry, 2*batch)}
	file := filepath.Join(opts.StateDir, "descriptions.db")
	err := d.open(file)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("another process uses %s: %w", file, errdef.ErrUnavailable)
	case errors.Is(err, os.ErrPermission):
		return nil, err
	case err != nil:
		// A damaged file holds nothing that cannot be learnt again.
		opts.Log.LogAttrs(context.Background(), slog.LevelWarn, "the state file is damaged and begun anew", slog.String("file", file), slog.Any("reason", err))
		if err = os.Remove(file); err == nil {
			err = d.open(file)
		}
		if err != nil {
			return nil, err
		}
	}
	d.done.Go(d.write)
	return d, nil
}

func (d *disk) open(file string) error {
	_, err := guarded(func() (err error) {
		if d.db, err = bolt.Open(file, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType}); err != nil {
			return err
		}
		if err = d.db.Update(d.begin); err != nil {
			return errors.Join(err, d.db.Close())
		}
		return nil
	})
	return err
}

// begin finds the generations of this program's version and drops the others.
func (d *disk) begin(tx *bolt.Tx) error {
	var found []uint64
	var others [][]byte
	err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		rest, ok := bytes.CutPrefix(name, []byte(d.salt))
		number, err := strconv.ParseUint(string(rest), 10, 64)
		if ok && err == nil {
			found = append(found, number)
			return nil
		}
		others = append(others, bytes.Clone(name))
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range others {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	slices.Sort(found)
	for i, number := range found {
		if i < len(found)-2 {
			if err := tx.DeleteBucket(d.name(number)); err != nil {
				return err
			}
			continue
		}
		d.advance(number)
	}
	if d.latest == 0 {
		d.advance(1)
	}
	b, err := tx.CreateBucketIfNotExists(d.generation[0])
	if err != nil {
		return err
	}
	stats := b.Stats()
	d.bytes = int64(stats.LeafInuse)
	return nil
}

func (d *disk) name(number uint64) []byte { return strconv.AppendUint([]byte(d.salt), number, 10) }

func (d *disk) advance(number uint64) {
	d.generation[1] = d.generation[0]
	d.latest, d.generation[0], d.bytes = number, d.name(number), 0
}

func (d *disk) works() bool { return !d.dead.Load() }

// guarded turns a panic of the database, or a fault in its mapped file (cut
// off by somebody else), into an error. The file is our own, and no data.
func guarded(run func() error) (panicked bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			panicked, err = true, fmt.Errorf("state: %v: %w", p, errdef.ErrUnavailable)
		}
	}()
	return false, run()
}

// use runs something in the database, alone: what panics in there may leave
// the database's own locks taken, and then nobody may go in again. The first
// failure is said in the log, and is the last.
func (d *disk) use(run func() error) {
	d.inside.Lock()
	defer d.inside.Unlock()
	if d.dead.Load() {
		return
	}
	panicked, err := guarded(run)
	if err != nil {
		d.dead.Store(true)
		d.stuck = panicked
		d.log.LogAttrs(context.Background(), slog.LevelWarn, "the state file is given up; descriptions are kept in memory alone", slog.Any("reason", err))
	}
}

// get returns the record of a node, or nil.
func (d *disk) get(n *Node) *record {
	if d.dead.Load() {
		return nil
	}
	d.mu.Lock()
	generation := d.generation
	d.mu.Unlock()
	var value []byte
	old := false
	d.use(func() error {
		return d.db.View(func(tx *bolt.Tx) error {
			for i, name := range generation {
				if b := tx.Bucket(name); name != nil && b != nil {
					if v := b.Get(n.key[:]); v != nil {
						value, old = bytes.Clone(v), i > 0
						return nil
					}
				}
			}
			return nil
		})
	})
	if value == nil {
		return nil
	}
	r, err := decode(value, n)
	if err != nil {
		return nil
	}
	if old { // what is used moves on into the next generation
		d.put(n.key, value)
	}
	return r
}

// put hands a record to the writer. The value is not written to any more.
func (d *disk) put(key adapter.ID, value []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && !d.dead.Load() {
		select {
		case d.queue <- entry{key, value}:
		default: // it will be learnt again
		}
	}
}

const (
	// batch is how many records one transaction takes at most, and gather how
	// long it waits for them: each is one wait for the disk, and nobody can
	// ask for a record meanwhile.
	batch  = 4096
	gather = 300 * time.Millisecond
)

// write puts records on disk until the queue is closed.
func (d *disk) write() {
	for first := range d.queue {
		entries := []entry{first}
		enough := time.After(gather)
		for more := true; more && len(entries) < batch; {
			select {
			case e, ok := <-d.queue:
				if more = ok; ok {
					entries = append(entries, e)
				}
			case <-enough:
				more = false
			}
		}
		d.use(func() error { return d.db.Update(func(tx *bolt.Tx) error { return d.store(tx, entries) }) })
	}
}

func (d *disk) store(tx *bolt.Tx, entries []entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bytes > d.half {
		if old := d.generation[1]; old != nil && tx.Bucket(old) != nil {
			if err := tx.DeleteBucket(old); err != nil {
				return err
			}
		}
		d.advance(d.latest + 1)
	}
	b, err := tx.CreateBucketIfNotExists(d.generation[0])
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := b.Put(e.key[:], e.value); err != nil {
			return err
		}
		d.bytes += int64(len(e.value)) + 64
	}
	return nil
}

// close writes what is left and closes the file.
func (d *disk) close() error {
	d.mu.Lock()
	d.closed = true
	close(d.queue)
	d.mu.Unlock()
	d.done.Wait()
	d.inside.Lock()
	defer d.inside.Unlock()
	if d.stuck { // it would wait for its own locks; the system closes the file
		return nil
	}
	_, err := guarded(d.db.Close)
	return err
}
