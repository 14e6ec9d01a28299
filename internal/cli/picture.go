package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Ways to draw a picture on a terminal.
const (
	byKitty  = "kitty"
	byITerm  = "iterm"
	bySixel  = "sixel"
	byBlocks = "blocks"
	byShades = "shades"
)

// pictureWay chooses how pictures are drawn, by what the environment says of the
// terminal. Within tmux and screen, which pass none of the others on by themselves, it is
// characters.
func pictureWay(getenv func(string) string) string {
	term, program := getenv("TERM"), getenv("TERM_PROGRAM")
	switch {
	case getenv("NO_COLOR") != "" || term == "" || term == "linux" || strings.HasPrefix(term, "vt"):
		return byShades
	case getenv("TMUX") != "" || strings.HasPrefix(term, "screen") || strings.HasPrefix(term, "tmux"):
		return byBlocks
	case term == "xterm-kitty" || getenv("KITTY_WINDOW_ID") != "" || term == "xterm-ghostty" || program == "ghostty":
		return byKitty
	case program == "iTerm.app" || program == "WezTerm" || getenv("LC_TERMINAL") == "iTerm2":
		return byITerm
	case strings.HasPrefix(term, "foot") || strings.HasPrefix(term, "mlterm") || strings.Contains(term, "sixel"):
		return bySixel
	}
	return byBlocks
}

// thumbnail reads a small picture of an array: of its last two axes in the middle of the
// others, or of three with a last one of three or four colours. Nil if that is no picture.
func thumbnail(ctx context.Context, a *client.Array, most int) (image.Image, error) {
	shape, colours := a.Shape(), 1
	axes := shape
	if n := len(shape); n >= 3 && (shape[n-1] == 3 || shape[n-1] == 4) && a.DataType().ItemSize == 1 {
		colours, axes = int(shape[n-1]), shape[:n-1]
	}
	if len(axes) < 2 || axes[len(axes)-1] < 4 || axes[len(axes)-2] < 4 {
		return nil, nil //nolint:nilnil // no picture is no error
	}
	parts := make([]string, len(axes), len(shape))
	for i, n := range axes {
		if n == 0 {
			return nil, nil //nolint:nilnil // likewise
		}
		parts[i] = strconv.FormatInt(n/2, 10)
	}
	longest := max(axes[len(axes)-1], axes[len(axes)-2])
	step := max(1, (longest+int64(most)-1)/int64(most))
	for i := len(axes) - 2; i < len(axes); i++ {
		parts[i] = "::" + strconv.FormatInt(step, 10)
	}
	if colours > 1 {
		parts = append(parts, ":")
	}
	values, got, err := numbers(ctx, a, strings.Join(parts, ","))
	if err != nil || values == nil {
		return nil, err
	}
	return picture(values, int(got[0]), int(got[1]), colours, a.DataType()), nil
}

// numbers reads any real numbers, as near as float64 comes to them; nil for what is none.
func numbers(ctx context.Context, a *client.Array, slice string) (values []float64, shape []int64, err error) {
	t := a.DataType()
	switch {
	case t.Fields != nil || !slices.Contains([]byte("buif"), t.Kind) || t.ItemSize > 8:
		return nil, nil, nil
	case t.Kind == 'u' && t.ItemSize == 8:
		return wide[uint64](ctx, a, slice)
	case t.Kind == 'i' && t.ItemSize == 8:
		return wide[int64](ctx, a, slice)
	}
	return client.Read[float64](ctx, a, slice)
}

func wide[T int64 | uint64](ctx context.Context, a *client.Array, slice string) ([]float64, []int64, error) {
	values, shape, err := client.Read[T](ctx, a, slice)
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out, shape, err
}

// picture makes an image of numbers: colours as they are, others grey from the first to
// the last but one in a hundred of them.
func picture(values []float64, rows, columns, colours int, t structure.DType) image.Image {
	out := image.NewNRGBA(image.Rect(0, 0, columns, rows))
	low, high := 0.0, 255.0
	if colours == 1 && (t.Kind != 'b') {
		low, high = middle(values)
	} else if t.Kind == 'b' {
		high = 1
	}
	grey := func(v float64) uint8 {
		if math.IsNaN(v) || high <= low {
			return 0
		}
		return uint8(255 * min(1, max(0, (v-low)/(high-low))))
	}
	for i := range rows * columns {
		at := values[i*colours:]
		c := color.NRGBA{grey(at[0]), grey(at[0]), grey(at[0]), 255}
		if colours > 1 {
			c.G, c.B = grey(at[1]), grey(at[2])
		}
		out.SetNRGBA(i%columns, i/columns, c)
	}
	return out
}

// middle is the range of the numbers without the highest and lowest hundredth.
func middle(values []float64) (low, high float64) {
	sorted := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			sorted = append(sorted, v)
		}
	}
	if len(sorted) == 0 {
		return 0, 0
	}
	slices.Sort(sorted)
	low, high = sorted[len(sorted)/100], sorted[len(sorted)-1-len(sorted)/100]
	if low == high {
		low, high = sorted[0], sorted[len(sorted)-1]
	}
	return low, high
}

// Sizes of pictures: in points where the terminal draws them, in characters else.
const (
	mostPoints     = 256
	mostCharacters = 60
)

// drawn is a picture as a terminal takes it, with a line's end.
func drawn(m image.Image, way string) (string, error) {
	switch way {
	case byBlocks:
		return halves(m), nil
	case byShades:
		return shades(m), nil
	case bySixel:
		return sixels(m), nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return "", fmt.Errorf("picture: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(b.Bytes())
	if way == byITerm {
		return fmt.Sprintf("\x1b]1337;File=inline=1;size=%d;preserveAspectRatio=1:%s\a\n", b.Len(), text), nil
	}
	return kitty(text), nil
}

// kitty is a picture in kitty's protocol: a PNG in pieces of 4096 characters.
func kitty(text string) string {
	var out strings.Builder
	for first := true; first || text != ""; first = false {
		piece := text[:min(4096, len(text))]
		text = text[len(piece):]
		more := 0
		if text != "" {
			more = 1
		}
		keys := fmt.Sprintf("m=%d", more)
		if first {
			keys = fmt.Sprintf("a=T,f=100,q=2,m=%d", more)
		}
		fmt.Fprintf(&out, "\x1b_G%s;%s\x1b\\", keys, piece)
	}
	return out.String() + "\n"
}

// halves draws two points in each character: the upper half in one colour, the lower in
// another, of the 256 that every terminal has.
func halves(m image.Image) string {
	var out strings.Builder
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y += 2 {
		for x := b.Min.X; x < b.Max.X; x++ {
			upper, lower := nearest(m.At(x, y)), -1
			if y+1 < b.Max.Y {
				lower = nearest(m.At(x, y+1))
			}
			if fmt.Fprintf(&out, "\x1b[38;5;%dm", upper); lower >= 0 {
				fmt.Fprintf(&out, "\x1b[48;5;%dm", lower)
			}
			out.WriteString("▀")
		}
		out.WriteString("\x1b[0m\n")
	}
	return out.String()
}

// nearest is the colour of the 256 that is nearest: of 24 greys, or of a cube of 6.
func nearest(c color.Color) int {
	r, g, b, _ := c.RGBA()
	red, green, blue := int(r>>8), int(g>>8), int(b>>8)
	if red == green && green == blue {
		switch {
		case red < 4:
			return 16
		case red > 246:
			return 231
		}
		return 232 + min(23, max(0, (red-3)/10))
	}
	step := func(v int) int { return (v*5 + 127) / 255 }
	return 16 + 36*step(red) + 6*step(green) + step(blue)
}

// shades draws a point in two characters, without colours.
func shades(m image.Image) string {
	var out strings.Builder
	b := m.Bounds()
	ramp := []rune(" ░▒▓█")
	for y := b.Min.Y; y < b.Max.Y; y += 2 {
		for x := b.Min.X; x < b.Max.X; x++ {
			grey, _ := color.GrayModel.Convert(m.At(x, y)).(color.Gray)
			out.WriteRune(ramp[int(grey.Y)*(len(ramp)-1)/255])
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// sixels draws by DEC's protocol, in the colours of nearest.
func sixels(m image.Image) string {
	var out strings.Builder
	b := m.Bounds()
	fmt.Fprintf(&out, "\x1bPq\"1;1;%d;%d", b.Dx(), b.Dy())
	named := map[int]bool{}
	for top := b.Min.Y; top < b.Max.Y; top += 6 {
		rows := map[int][]byte{}
		for x := range b.Dx() {
			for bit := range min(6, b.Max.Y-top) {
				c := nearest(m.At(b.Min.X+x, top+bit))
				if rows[c] == nil {
					rows[c] = bytes.Repeat([]byte{'?'}, b.Dx())
				}
				rows[c][x] = byte(int(rows[c][x]-'?')|1<<bit) + '?'
				if !named[c] {
					named[c] = true
					red, green, blue := percent(c)
					fmt.Fprintf(&out, "#%d;2;%d;%d;%d", c, red, green, blue)
				}
			}
		}
		for c, row := range rows {
			fmt.Fprintf(&out, "#%d%s$", c, row)
		}
		out.WriteByte('-')
	}
	return out.String() + "\x1b\\\n"
}

// percent is a colour of nearest in hundredths.
func percent(c int) (red, green, blue int) {
	if c >= 232 {
		grey := (3 + 10*(c-232)) * 100 / 255
		return grey, grey, grey
	}
	c -= 16
	return c / 36 * 20, c / 6 % 6 * 20, c % 6 * 20
}
