package ndslice

// Run says where in its block the piece lies, if it is one run of the block's
// bytes in C order: count elements from element from on. Then, if the
// selection has no other piece, those bytes are the bytes of the result, and
// nothing need be gathered. A piece of no elements is no run.
func (p Piece) Run() (from, count int64, ok bool) {
	count = p.Len()
	if count == 0 {
		return 0, 0, false
	}
	stride, inside := int64(1), true // inside: every axis so far was taken whole
	for i := len(p.Shape) - 1; i >= 0; i-- {
		axis := p.Source[i]
		if axis.Count > 1 && (!inside || axis.Step != 1) {
			return 0, 0, false
		}
		from += axis.Start * stride
		stride *= p.Shape[i]
		inside = inside && axis.Count == p.Shape[i]
	}
	return from, count, true
}
