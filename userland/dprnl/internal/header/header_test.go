// SPDX-License-Identifier: MIT

package header

import (
	"strings"
	"testing"
)

const sample = `/* comment */
#ifndef _X_H
#define _X_H
#define X_NAME		"x"
#define X_MAX_A		(1U << 4) /* upper limit */
#define X_MAX_B		(7U * 24)
/**
 * enum x_kind - kinds of x
 *
 * Preamble that belongs to no member.
 * @X_KIND_ONE: the first;
 *	it goes on.
 *
 * A heading.
 * @X_KIND_TWO: the second.
 */
enum x_kind {
	X_KIND_UNSPEC,
	X_KIND_ONE,
	X_KIND_TWO,

	__X_KIND_MAX,
	X_KIND_MAX = __X_KIND_MAX - 1
};
#endif
`

func TestParse(t *testing.T) {
	h, err := Parse(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	want := []Define{{Name: "X_NAME", String: "x"}, {Name: "X_MAX_A", Number: 16}, {Name: "X_MAX_B", Number: 168}}
	if len(h.Defines) != len(want) {
		t.Fatalf("defines: %+v", h.Defines)
	}
	for i := range want {
		if h.Defines[i] != want[i] {
			t.Errorf("define %d: got %+v, want %+v", i, h.Defines[i], want[i])
		}
	}
	e, err := h.Enum("x_kind")
	if err != nil {
		t.Fatal(err)
	}
	members := []Member{
		{Name: "X_KIND_UNSPEC"},
		{Name: "X_KIND_ONE", Value: 1, Doc: "the first; it goes on.", Section: "Preamble that belongs to no member"},
		{Name: "X_KIND_TWO", Value: 2, Doc: "the second.", Section: "A heading"},
	}
	if len(e.Members) != len(members) || e.Doc != "kinds of x" {
		t.Fatalf("enum: %+v", e)
	}
	for i := range members {
		if e.Members[i] != members[i] {
			t.Errorf("member %d: got %+v, want %+v", i, e.Members[i], members[i])
		}
	}
	if _, err := h.Enum("x_other"); err == nil {
		t.Error("an enum that is not there was found")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"struct":        "struct x {\n};\n",
		"own value":     "enum x {\n\tX_A = 3,\n};\n",
		"open enum":     "enum x {\n\tX_A,\n",
		"bad define":    "#define X foo(3)\n",
		"wrong comment": "/**\n * enum y - of another\n */\nenum x {\n};\n",
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
