package blosc

import "errors"

var errBloscLZ = errors.New("blosclz: cut off, or refers outside its output")

// farDistance is where offsets of the long form begin.
const farDistance = 8191

// bloscLZ decompresses one blosclz stream into dst and returns how much of dst
// it filled. The stream is a row of instructions. One whose first byte is under
// 32 is that many literals and one more; any other copies from what is already
// written:
//
//	lllooooo [more length]* oooooooo [oooooooo oooooooo]
//
// with length lll+2, lengthened by the bytes after a 7 up to the first that is
// not 255, and the last two bytes only if all bits of the short offset are set.
func bloscLZ(dst, src []byte) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	at, out := 1, 0
	for ctrl := int(src[0] & 31); ; at++ {
		var length int
		if ctrl < 32 {
			length = ctrl + 1
			if length > len(src)-at || length > len(dst)-out {
				return 0, errBloscLZ
			}
			copy(dst[out:], src[at:at+length])
			at += length
		} else {
			var offset int
			if offset, length, at = bloscLZMatch(src, at, ctrl); at < 0 {
				return 0, errBloscLZ
			}
			if offset > out || length > len(dst)-out {
				return 0, errBloscLZ
			}
			copyMatch(dst[out:out+length], dst[out-offset:out])
		}
		out += length
		if at >= len(src) {
			return out, nil
		}
		ctrl = int(src[at])
	}
}

// bloscLZMatch reads the rest of a copy instruction and returns how far back
// and how much it copies, and the position after it: -1 if it is cut off.
func bloscLZMatch(src []byte, at, ctrl int) (offset, length, next int) {
	length = ctrl>>5 + 2
	high := ctrl & 31
	if ctrl>>5 == 7 {
		for more := 255; more == 255; at++ {
			if at >= len(src) {
				return 0, 0, -1
			}
			more = int(src[at])
			length += more
		}
	}
	if at >= len(src) {
		return 0, 0, -1
	}
	low := int(src[at])
	at++
	if high != 31 || low != 255 {
		return high<<8 + low + 1, length, at
	}
	if len(src)-at < 2 {
		return 0, 0, -1
	}
	return int(src[at])<<8 + int(src[at+1]) + farDistance + 1, length, at + 2
}

// copyMatch fills dst by repeating the bytes of window, which ends where dst
// begins.
func copyMatch(dst, window []byte) {
	n := copy(dst, window)
	for n < len(dst) {
		n += copy(dst[n:], dst[:n])
	}
}
