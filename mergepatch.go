package todoke

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// maxMergeDepth bounds how deep two patches are looked into, so that a crafted pair costs little.
const maxMergeDepth = 64

// A mergePatch is a JSON Merge Patch (RFC 7396), or several composed: applying it does what applying them in turn does. Its
// objects are taken apart only as far as was needed.
type mergePatch struct {
	raw    json.RawMessage        // as it came, if it was not taken apart
	fields map[string]*mergePatch // the object's members, if it was
}

func newMergePatch(data []byte) *mergePatch { return &mergePatch{raw: data} }

// compose puts the patch next after p. It returns false, and changes nothing, where no single patch does the same: an object
// that comes after something else than an object replaces it, and a patch cannot say "replace by this object" (RFC 7396 §2:
// objects merge).
func (p *mergePatch) compose(next []byte) bool {
	if !isObject(next) {
		p.raw, p.fields = next, nil // RFC 7396 §2: what is no object replaces everything
		return true
	}
	patch := newMergePatch(next)
	if !p.composable(patch, 0) {
		return false
	}
	p.merge(patch)
	return true
}

// open takes an object apart; ok is false for what is none.
func (p *mergePatch) open() bool {
	if p.fields != nil {
		return true
	}
	if !isObject(p.raw) {
		return false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(p.raw, &members) != nil {
		return false
	}
	p.fields = make(map[string]*mergePatch, len(members))
	for name, raw := range members {
		p.fields[name] = &mergePatch{raw: raw}
	}
	p.raw = nil
	return true
}

// composable reports whether the object next can be merged into p.
func (p *mergePatch) composable(next *mergePatch, depth int) bool {
	if depth > maxMergeDepth || !p.open() || !next.open() {
		return false
	}
	for name, member := range next.fields {
		mine := p.fields[name]
		if mine != nil && member.isObject() && !mine.composable(member, depth+1) {
			return false
		}
	}
	return true
}

// merge takes over next's members; composable was asked.
func (p *mergePatch) merge(next *mergePatch) {
	for name, member := range next.fields {
		if mine := p.fields[name]; mine != nil && member.isObject() {
			mine.merge(member)
		} else {
			p.fields[name] = member // null stays null: it still has to delete at the reader
		}
	}
}

func (p *mergePatch) isObject() bool { return p.fields != nil || isObject(p.raw) }

// encode returns the JSON, members in the order of their names.
func (p *mergePatch) encode() []byte { return p.appendTo(nil) }

func (p *mergePatch) appendTo(dst []byte) []byte {
	if p.fields == nil {
		return append(dst, p.raw...)
	}
	dst = append(dst, '{')
	for n, name := range slices.Sorted(maps.Keys(p.fields)) {
		if n > 0 {
			dst = append(dst, ',')
		}
		quoted, _ := json.Marshal(name) // a string always marshals
		dst = append(append(dst, quoted...), ':')
		dst = p.fields[name].appendTo(dst)
	}
	return append(dst, '}')
}

func isObject(raw []byte) bool {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}
