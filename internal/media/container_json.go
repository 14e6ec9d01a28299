package media

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/document"
)

// containerJSON is application/json of containers: for each node its contents
// by key, and its metadata. Arrays, and the columns of tables, have no
// contents. (Tiled leaves out containers that are empty all the way down.)
type containerJSON struct{}

func (containerJSON) Version() int { return 1 }

func (containerJSON) Plan(Payload) (int64, error) { return -1, nil }

func (containerJSON) Encode(ctx context.Context, w io.Writer, p Payload) error {
	out := newSink(w)
	if err := writeContainer(ctx, out, *p.Container, 0); err != nil {
		return err
	}
	return out.flush(ctx)
}

// maxLevels bounds how deep containers may lie in each other.
const maxLevels = 100

func writeContainer(ctx context.Context, out *sink, c Container, level int) error {
	if level > maxLevels {
		return fmt.Errorf("container: more than %d levels: %w", maxLevels, errdef.ErrUnprocessable)
	}
	out.buf = append(out.buf, `{"contents":{`...)
	if err := writeMembers(ctx, out, c.Members, level); err != nil {
		return err
	}
	out.buf = append(out.buf, `},"metadata":`...)
	metadata := any(c.Metadata)
	if c.Metadata == nil {
		metadata = document.Object{}
	}
	var err error
	if out.buf, err = document.AppendJSON(out.buf, metadata); err != nil {
		return err
	}
	out.buf = append(out.buf, '}')
	return out.room(ctx)
}

func writeMembers(ctx context.Context, out *sink, members iter.Seq2[Member, error], level int) error {
	if members == nil {
		return nil
	}
	comma := false
	for member, err := range members {
		if err != nil {
			return err
		}
		if comma {
			out.buf = append(out.buf, ',')
		}
		comma = true
		out.buf = append(document.AppendString(out.buf, member.Key), ':')
		if err := writeContainer(ctx, out, member.Container, level+1); err != nil {
			return err
		}
	}
	return nil
}
