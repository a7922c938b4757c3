// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// isBool says whether an expression is of type bool itself.
func (f *finder) isBool(e ast.Expr) bool {
	t := types.Unalias(f.src.info.TypeOf(e))
	b, ok := t.(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0 && f.src.info.Types[e].Value == nil
}

func (f *finder) condition(e ast.Expr) {
	if !f.isBool(e) {
		return
	}
	never := f.mutant(e, "if never: %s", f.text(e))
	always := f.mutant(e, "if always: %s", f.text(e))
	f.around(e, "(!"+never+" && ("+always+" || (", ")))")
}

func (f *finder) cases(s *ast.SwitchStmt) {
	if s.Tag != nil {
		return
	}
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			if f.isBool(e) {
				f.around(e, "(!"+f.mutant(e, "case never: %s", f.text(e))+" && (", "))")
			}
		}
	}
}

// statements leaves out each of a list.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			if ok && (f.text(call.Fun) == "panic" || f.quiet(call)) {
				continue
			}
		case *ast.DeferStmt:
			if f.quiet(s.Call) {
				continue
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || slices.IndexFunc(s.Lhs, func(e ast.Expr) bool { return f.text(e) != "_" }) < 0 {
				continue
			}
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		case *ast.ReturnStmt:
			if len(s.Results) > 0 || f.hasResults(s) {
				continue
			}
		case *ast.IncDecStmt, *ast.GoStmt, *ast.SendStmt:
		default:
			continue
		}
		f.around(s, "if !"+f.mutant(s, "left out: %s", f.text(s))+" { ", " }")
	}
}

// hasResults says whether the function around a bare return has results, which the
// compiler wants to be returned.
func (f *finder) hasResults(at ast.Node) bool {
	results := false
	ast.Inspect(f.file.syntax, func(n ast.Node) bool {
		if n == nil || n.Pos() > at.Pos() || n.End() < at.End() {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncDecl:
			results = n.Type.Results != nil
		case *ast.FuncLit:
			results = n.Type.Results != nil
		}
		return true
	})
	return results
}

// quiet says whether nobody but a reader of logs, or the garbage collector, would
// miss a call.
func (f *finder) quiet(call *ast.CallExpr) bool {
	if id, ok := call.Fun.(*ast.Ident); ok {
		t := f.src.info.TypeOf(id)
		return t != nil && t.String() == "context.CancelFunc"
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	t := f.src.info.TypeOf(sel.X)
	switch {
	case t == nil:
	case t.String() == "*log/slog.Logger":
		return sel.Sel.Name == "Debug" || sel.Sel.Name == "Info"
	case t.String() == "*time.Ticker" || t.String() == "*time.Timer":
		return sel.Sel.Name == "Stop"
	}
	if len(call.Args) > 0 && sel.Sel.Name == "Fprintf" && strings.HasSuffix(f.text(call.Args[0]), "Progress") {
		return true
	}
	return false
}

// others are the operators that are taken instead.
var others = map[token.Token]token.Token{
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.AND: token.OR, token.OR: token.AND, token.SHL: token.SHR, token.SHR: token.SHL,
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
}

func (f *finder) binary(e *ast.BinaryExpr) {
	if f.src.info.Types[e].Value != nil {
		return
	}
	other, known := others[e.Op]
	alternative := fmt.Sprintf("%s %v %s", f.code(e.X), other, f.code(e.Y))
	switch e.Op {
	case token.LAND, token.LOR:
		not, op := "", " || "
		if e.Op == token.LOR {
			not, op = "!", " && "
		}
		for _, operand := range []ast.Expr{e.X, e.Y} {
			if f.isBool(operand) {
				f.around(operand, "("+not+f.mutant(e, "in %q without %s", f.text(e), f.text(operand))+op+"(", "))")
			}
		}
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		if f.isBool(e) {
			on := f.mutant(e, "%s: %v", f.text(e), other)
			f.around(e, "("+on+" && ("+alternative+") || !"+on+" && (", "))")
		}
	default:
		t := f.typeName(f.src.info.TypeOf(e))
		if known && t != "" && !strings.HasSuffix(t, "string") {
			f.around(e, "func() "+t+" { if "+f.mutant(e, "%s: %v", f.text(e), other)+" { return "+alternative+" }; return ", " }()")
		}
	}
}

// typeName is how the file may write a type, "" if it cannot or if it is no number
// or text.
func (f *finder) typeName(t types.Type) string {
	if t == nil {
		return ""
	}
	b, ok := t.Underlying().(*types.Basic)
	if !ok || b.Info()&(types.IsNumeric|types.IsString) == 0 || b.Info()&types.IsUntyped != 0 {
		return ""
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return types.Unalias(t).String()
	}
	if b.Info()&types.IsString != 0 {
		return ""
	}
	name, pkg := named.Obj().Name(), named.Obj().Pkg()
	if pkg == f.src.pkg {
		if named.Obj().Parent() != pkg.Scope() {
			return ""
		}
		return name
	}
	for _, i := range f.file.syntax.Imports {
		if strings.Trim(i.Path.Value, `"`) == pkg.Path() && i.Name == nil && named.Obj().Exported() {
			return pkg.Name() + "." + name
		}
	}
	return ""
}

// literal makes a number one more.
func (f *finder) literal(l *ast.BasicLit, above []ast.Node) {
	t := f.typeName(f.src.info.TypeOf(l))
	if l.Kind != token.INT || t == "" || t == "time.Duration" || t == "os.FileMode" || strings.HasPrefix(l.Value, "0o") {
		return
	}
	if len(above) < 2 {
		return
	}
	for _, n := range above {
		switch n := n.(type) {
		case *ast.ArrayType, *ast.IndexExpr, *ast.SliceExpr:
			return
		case *ast.CallExpr:
			// Capacities, and the spaces between columns.
			if fn := f.text(n.Fun); fn == "make" || fn == "tabwriter.NewWriter" {
				return
			}
		case *ast.ReturnStmt:
			if f.fails(n) {
				return
			}
		case *ast.BinaryExpr:
			switch n.Op {
			case token.LSS, token.LEQ, token.GTR, token.GEQ:
				return // the limit is a mistake of its own
			}
		case ast.Expr:
			if f.isDuration(n) {
				return
			}
		case *ast.CaseClause:
			for _, e := range n.List {
				if e.Pos() <= l.Pos() && l.End() <= e.End() {
					return
				}
			}
		}
	}
	// A key of a composite literal names an element.
	if kv, ok := above[len(above)-1].(*ast.KeyValueExpr); ok && kv.Key == l {
		return
	}
	f.around(l, "mutantMore["+t+"]("+f.mutant(l, "%s: %s+1", f.context(above), l.Value)+", ", ")")
}

// context is the code around a number.
func (f *finder) context(above []ast.Node) string {
	const longest = 50
	text := ""
	for _, n := range slices.Backward(above) {
		if t := f.text(n); len(t) <= longest {
			text = t
		} else {
			break
		}
	}
	return text
}

func (f *finder) isDuration(e ast.Expr) bool {
	t := f.src.info.TypeOf(e)
	return t != nil && t.String() == "time.Duration"
}

// returns changes what a function returns.
func (f *finder) returns(r *ast.ReturnStmt, above []ast.Node) {
	var results *types.Tuple
	for _, n := range slices.Backward(above) {
		if lit, ok := n.(*ast.FuncLit); ok {
			results = f.src.info.TypeOf(lit).(*types.Signature).Results()
			break
		}
	}
	if results == nil {
		for _, d := range f.file.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Pos() <= r.Pos() && r.End() <= fn.End() {
				results = f.src.info.Defs[fn.Name].Type().(*types.Signature).Results()
			}
		}
	}
	if results == nil || results.Len() != len(r.Results) {
		return // nothing, or the values of one call
	}
	fails := f.fails(r)
	for i, e := range r.Results {
		// Beside an error nobody looks at the other values.
		if t := results.At(i).Type(); !fails || t.String() == "error" {
			f.result(e, t)
		}
	}
}

// fails says whether the last value that is returned is an error and not nil.
func (f *finder) fails(r *ast.ReturnStmt) bool {
	if len(r.Results) == 0 {
		return false
	}
	last := r.Results[len(r.Results)-1]
	t := f.src.info.TypeOf(last)
	return t != nil && f.text(last) != "nil" && types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

func (f *finder) result(e ast.Expr, t types.Type) {
	value := f.src.info.Types[e].Value
	switch {
	case t.String() == "error":
		if f.text(e) != "nil" {
			f.around(e, "mutantError("+f.mutant(e, "return no error: %s", f.text(e))+", ", ")")
		}
	case types.Unalias(t).String() == "bool":
		f.around(e, "("+f.mutant(e, "return not %s", f.text(e))+" != (", "))")
	case value != nil && (value.ExactString() == "0" || value.ExactString() == `""`):
	default:
		if name := f.typeName(t); name != "" {
			f.around(e, "mutantZero["+name+"]("+f.mutant(e, "return zero: %s", f.text(e))+", ", ")")
		}
	}
}
