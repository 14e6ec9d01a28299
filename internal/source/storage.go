package source

import "time"

// Storage says how far a file system's word is to be believed.
type Storage struct {
	Consistency Consistency
	// TrustAfter is how old a change must be before a stamp tells one state
	// from the next; 0 means what suits the consistency.
	TrustAfter time.Duration
	Revalidate Revalidate
}

// Consistency is how attributes of a file reach us.
type Consistency string

// Consistencies.
const (
	// Local: at once.
	Local Consistency = "local"
	// NFS: as old as the mount's attribute cache; opening a file asks anew.
	NFS Consistency = "nfs"
	// Parallel: by locks or leases, with the clocks of several servers.
	Parallel Consistency = "parallel"
)

// Revalidate says what is done to learn whether a file has changed.
type Revalidate string

// Ways to learn it.
const (
	// RevalidateStat, the default, asks for the attributes.
	RevalidateStat Revalidate = "stat"
	// RevalidateOpen opens the file, which on NFS makes the client ask the
	// server, and reads nothing.
	RevalidateOpen Revalidate = "open"
)

const (
	localTrust  = 2 * time.Second
	remoteTrust = 5 * time.Second // attribute caches hold three seconds and more
)

// settle fills in what was left open.
func (s Storage) settle(dir string) Storage {
	if s.Consistency == "" {
		s.Consistency = guess(dir)
	}
	if s.TrustAfter <= 0 {
		s.TrustAfter = localTrust
		if s.Consistency != Local {
			s.TrustAfter = remoteTrust
		}
	}
	if s.Revalidate == "" {
		s.Revalidate = RevalidateStat
	}
	return s
}
