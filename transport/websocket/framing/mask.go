package framing

import (
	"encoding/binary"
	"math/bits"
)

// unmask writes src, unmasked, to dst, which is as long and may be src itself (RFC 6455 §5.3). The key has its first byte lowest,
// and the key for what follows is returned.
func unmask(dst, src []byte, key uint32) uint32 {
	dst = dst[:len(src)]
	key64 := uint64(key)<<32 | uint64(key)
	for len(src) >= 32 { // four words a turn: BenchmarkUnmask
		d, s := dst[:32], src[:32]
		binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(s)^key64)
		binary.LittleEndian.PutUint64(d[8:], binary.LittleEndian.Uint64(s[8:])^key64)
		binary.LittleEndian.PutUint64(d[16:], binary.LittleEndian.Uint64(s[16:])^key64)
		binary.LittleEndian.PutUint64(d[24:], binary.LittleEndian.Uint64(s[24:])^key64)
		dst, src = dst[32:], src[32:]
	}
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^key64)
		dst, src = dst[8:], src[8:]
	}
	for i, b := range src {
		dst[i] = b ^ byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
