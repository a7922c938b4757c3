// SPDX-License-Identifier: MIT

// Package header reads include/dpr.h: its numeric limits, its enums and what
// the kernel-doc comments say of each of their members. It understands the
// subset of C that the file is written in and refuses the rest, so that a
// constant can never be generated from a line that was misread.
package header

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A Header is what the generator needs of include/dpr.h.
type Header struct {
	Defines []Define
	Enums   []Enum
}

// A Define is a #define with a value.
type Define struct {
	Name   string // such as DPR_MAX_PEERS
	String string // the text of a string, else empty
	Number uint64 // the value of a number
}

// An Enum is one enum with its kernel-doc.
type Enum struct {
	Name    string // such as dpr_policy
	Doc     string // the line after the name in the kernel-doc
	Members []Member
}

// A Member is one named value of an enum. Members that only bound the enum
// (__X_MAX and X_MAX) are left out.
type Member struct {
	Name    string // such as DPR_POLICY_OFF
	Value   uint64
	Doc     string // from the kernel-doc, on one line; empty if it has none
	Section string // first clause of the heading above its kernel-doc line
}

// Enum returns the enum of that name.
func (h *Header) Enum(name string) (Enum, error) {
	for _, e := range h.Enums {
		if e.Name == name {
			return e, nil
		}
	}
	return Enum{}, fmt.Errorf("the header has no enum %s", name)
}

type parser struct {
	h     Header
	line  int
	doc   []string // lines of the last kernel-doc comment
	inDoc bool     // inside a comment that starts with /**
	inAny bool     // inside another comment
	enum  *Enum
	next  uint64
	docs  map[string]memberDoc
}

// Parse reads a header. Errors name the line.
func Parse(r io.Reader) (*Header, error) {
	p := &parser{}
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		p.line++
		if err := p.parseLine(sc.Text()); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if p.enum != nil || p.inDoc || p.inAny {
		return nil, fmt.Errorf("line %d: the file ends inside an enum or a comment", p.line)
	}
	return &p.h, nil
}

func (p *parser) parseLine(raw string) error {
	s := strings.TrimSpace(raw)
	switch {
	case p.inDoc:
		if strings.HasSuffix(s, "*/") {
			p.inDoc = false
			return nil
		}
		p.doc = append(p.doc, strings.TrimPrefix(strings.TrimPrefix(s, "*"), " "))
	case p.inAny:
		p.inAny = !strings.HasSuffix(s, "*/")
	case s == "/**":
		p.inDoc, p.doc = true, nil
	case strings.HasPrefix(s, "/*"):
		p.inAny = !strings.HasSuffix(s, "*/")
	case p.enum != nil:
		return p.parseMember(s)
	case strings.HasPrefix(s, "#define"):
		return p.parseDefine(s)
	case strings.HasPrefix(s, "enum "):
		return p.parseEnum(s)
	case s == "" || strings.HasPrefix(s, "#"):
	default:
		return fmt.Errorf("cannot parse %q", s)
	}
	return nil
}

var (
	commentRE = regexp.MustCompile(`\s*/\*.*?\*/\s*$`)
	defineRE  = regexp.MustCompile(`^#define\s+(\w+)(?:\s+(.+))?$`)
	enumRE    = regexp.MustCompile(`^enum (\w+) \{$`)
	memberRE  = regexp.MustCompile(`^(\w+)(?:\s*=\s*([^,]+))?,?$`)
	docNameRE = regexp.MustCompile(`^@(\w+):\s*(.*)$`)
)

func (p *parser) parseDefine(s string) error {
	m := defineRE.FindStringSubmatch(commentRE.ReplaceAllString(s, ""))
	if m == nil {
		return fmt.Errorf("cannot parse #define %q", s)
	}
	if m[2] == "" {
		return nil // the include guard
	}
	d := Define{Name: m[1]}
	if text, err := strconv.Unquote(m[2]); err == nil {
		d.String = text
	} else if d.Number, err = evaluate(m[2]); err != nil {
		return fmt.Errorf("%s: %w", m[1], err)
	}
	p.h.Defines = append(p.h.Defines, d)
	return nil
}

// evaluate evaluates the expressions that the header uses: products and one shift
// of decimal numbers, with or without parentheses.
func evaluate(expr string) (uint64, error) {
	e := strings.TrimSuffix(strings.TrimPrefix(expr, "("), ")")
	if l, r, ok := strings.Cut(e, "<<"); ok {
		a, err := number(l)
		if err != nil {
			return 0, err
		}
		b, err := number(r)
		if err != nil {
			return 0, err
		}
		return a << b, nil
	}
	product := uint64(1)
	for _, f := range strings.Split(e, "*") {
		n, err := number(f)
		if err != nil {
			return 0, err
		}
		product *= n
	}
	return product, nil
}

func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimRight(strings.TrimSpace(s), "UL"), 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number: %w", s, err)
	}
	return n, nil
}

func (p *parser) parseEnum(s string) error {
	m := enumRE.FindStringSubmatch(s)
	if m == nil {
		return fmt.Errorf("cannot parse %q", s)
	}
	p.enum = &Enum{Name: m[1]}
	p.next = 0
	p.docs = make(map[string]memberDoc)
	if len(p.doc) > 0 {
		title, text, ok := strings.Cut(p.doc[0], " - ")
		if !ok || title != "enum "+m[1] {
			return fmt.Errorf("the comment of enum %s starts with %q", m[1], p.doc[0])
		}
		p.enum.Doc = text
		p.docs = memberDocs(p.doc[1:])
	}
	p.doc = nil
	return nil
}

// A memberDoc is the kernel-doc of a member.
type memberDoc struct{ text, section string }

// memberDocs maps member names to their descriptions, with lines joined. A blank
// line ends a description; other text is a heading.
func memberDocs(lines []string) map[string]memberDoc {
	docs := make(map[string]memberDoc)
	name, heading := "", ""
	for _, l := range lines {
		l = strings.TrimSpace(l)
		m := docNameRE.FindStringSubmatch(l)
		switch {
		case m != nil:
			name = m[1]
			docs[name] = memberDoc{text: m[2], section: firstClause(heading)}
		case l == "":
			name, heading = "", ""
		case name != "":
			d := docs[name]
			d.text += " " + l
			docs[name] = d
		default:
			heading += l + " "
		}
	}
	return docs
}

// firstClause cuts a heading at its first full stop or colon.
func firstClause(heading string) string {
	if i := strings.IndexAny(heading, ".:"); i >= 0 {
		return heading[:i]
	}
	return strings.TrimSpace(heading)
}

func (p *parser) parseMember(s string) error {
	switch s {
	case "":
		return nil
	case "};":
		p.h.Enums = append(p.h.Enums, *p.enum)
		p.enum = nil
		return nil
	}
	m := memberRE.FindStringSubmatch(s)
	if m == nil {
		return fmt.Errorf("cannot parse member %q", s)
	}
	if strings.HasSuffix(m[1], "_MAX") {
		return nil // Go does not use the bounds, which come last
	}
	if m[2] != "" {
		return fmt.Errorf("member %s: explicit values are not supported", m[1])
	}
	p.enum.Members = append(p.enum.Members, Member{
		Name: m[1], Value: p.next, Doc: p.docs[m[1]].text, Section: p.docs[m[1]].section})
	p.next++
	return nil
}
