// SPDX-License-Identifier: MIT

// Squeezing: a long message goes over the line deflated, in base64 behind a letter that no JSON text begins with. An
// emulated serial port costs the host a tenth of a millisecond a byte, and logs shrink to a sixth.

package wire

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// squeezeFrom is the length from which squeezing a message is worth its trouble.
const squeezeFrom = 512

// squeezed is what a squeezed line begins with.
const squeezed = 'z'

// A squeezer squeezes lines. Its compressor is large, and so kept.
type squeezer struct {
	out      bytes.Buffer
	deflater *flate.Writer
}

// squeeze returns the line as it goes out: itself, or its squeezed form, which is good until the next call.
func (s *squeezer) squeeze(line []byte) ([]byte, error) {
	if len(line) < squeezeFrom {
		return line, nil
	}
	s.out.Reset()
	if s.deflater == nil {
		s.deflater, _ = flate.NewWriter(&s.out, flate.BestSpeed) // only a wrong level is an error
	} else {
		s.deflater.Reset(&s.out)
	}
	_, err := s.deflater.Write(line)
	if err := errors.Join(err, s.deflater.Close()); err != nil {
		return nil, fmt.Errorf("squeeze message: %w", err)
	}
	if base64.RawStdEncoding.EncodedLen(s.out.Len()) >= len(line) {
		return line, nil
	}
	return base64.RawStdEncoding.AppendEncode([]byte{squeezed}, s.out.Bytes()), nil
}

// unsqueeze returns the message of a line, of at most max bytes.
func unsqueeze(line []byte, max int) ([]byte, error) {
	if line[0] != squeezed {
		return line, nil
	}
	deflated, err := base64.RawStdEncoding.AppendDecode(nil, line[1:])
	if err != nil {
		return nil, err
	}
	message, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(deflated)), int64(max)+1))
	if err == nil && len(message) > max {
		err = errTooLong
	}
	return message, err
}
