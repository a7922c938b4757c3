// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// Mutant is one mistake.
type Mutant struct {
	N    int    // its switch, from 1
	File string // below the module's root
	Line int
	Func string // "Type.method" or "function"
	What string // what the mistake is, with the code that it changes
}

// ID names a mutant in the list of survivors: no line, which moves.
func (m Mutant) ID() string { return m.File + " " + m.Func + " " + m.What }

// finder finds the mistakes of a package.
type finder struct {
	src     *source
	file    *file
	fn      string
	edits   *edits
	mutants []Mutant
	seen    map[string]int
}

// find returns all mistakes of a package, and its files with their switches.
func find(s *source) ([]Mutant, map[string][]byte) {
	f := &finder{src: s, seen: map[string]int{}}
	changed := make(map[string][]byte)
	for _, file := range s.files {
		if !file.mutate {
			continue
		}
		f.file, f.edits = file, newEdits()
		before := len(f.mutants)
		for _, d := range file.syntax.Decls {
			f.decl(d)
		}
		if len(f.mutants) > before {
			changed[s.fset.File(file.syntax.Pos()).Name()] = f.edits.apply(file.text)
		}
	}
	return f.mutants, changed
}

func (f *finder) decl(d ast.Decl) {
	switch d := d.(type) {
	case *ast.GenDecl:
		if d.Tok == token.VAR {
			f.fn = "var"
			f.walk(d)
		}
	case *ast.FuncDecl:
		if d.Body == nil {
			return
		}
		f.fn = d.Name.Name
		if d.Recv != nil && len(d.Recv.List) == 1 {
			f.fn = strings.TrimLeft(types.ExprString(d.Recv.List[0].Type), "*") + "." + f.fn
		}
		f.walk(d.Body)
	}
}

// text is the code of a node, on one line.
func (f *finder) text(n ast.Node) string { return strings.Join(strings.Fields(f.code(n)), " ") }

func (f *finder) code(n ast.Node) string { return string(f.file.text[f.at(n.Pos()):f.at(n.End())]) }

func (f *finder) at(p token.Pos) int { return f.src.fset.Position(p).Offset }

// mutant makes a mistake known and returns its switch.
func (f *finder) mutant(n ast.Node, format string, args ...any) string {
	const longest = 90
	what := fmt.Sprintf(format, args...)
	if len(what) > longest {
		what = what[:longest] + "..."
	}
	m := Mutant{N: len(f.mutants) + 1, File: f.file.path, Line: f.src.fset.Position(n.Pos()).Line, Func: f.fn, What: what}
	f.seen[m.ID()]++
	if n := f.seen[m.ID()]; n > 1 {
		m.What += fmt.Sprintf(" (%d)", n)
	}
	f.mutants = append(f.mutants, m)
	return fmt.Sprintf("mutantOn(%d)", m.N)
}

func (f *finder) around(n ast.Node, before, after string) {
	f.edits.around(f.at(n.Pos()), f.at(n.End()), before, after)
}

// walk looks at all that is below a node. Outer nodes come first: edits relies on it.
func (f *finder) walk(root ast.Node) {
	var above []ast.Node
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		switch n := n.(type) {
		case *ast.ArrayType, *ast.IndexExpr, *ast.SliceExpr:
			// Their numbers stay; see literal.
		case *ast.GenDecl:
			if n.Tok != token.VAR {
				return false
			}
		case *ast.BlockStmt:
			f.statements(n.List)
		case *ast.CaseClause:
			f.statements(n.Body)
		case *ast.CommClause:
			f.statements(n.Body)
		case *ast.IfStmt:
			f.condition(n.Cond)
		case *ast.SwitchStmt:
			f.cases(n)
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.BasicLit:
			f.literal(n, above)
		case *ast.ReturnStmt:
			f.returns(n, above)
		}
		above = append(above, n)
		return true
	})
}
