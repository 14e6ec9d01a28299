package sequence

import (
	"context"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// member is a source of one of the files.
type member struct {
	adapter.Source
	name string
}

func (m member) Names() []string { return []string{m.name} }

// held is a member whose file is open already: whoever opens it gets the same
// one, so that what was compared is what is read.
type held struct {
	member
	file adapter.File
}

func (h held) Open(ctx context.Context, name string) (adapter.File, error) {
	if name != h.name {
		return h.member.Open(ctx, name)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return borrowed{h.file}, nil
}

// borrowed is a file that somebody else closes.
type borrowed struct{ adapter.File }

func (borrowed) Close() error { return nil }
