// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// source is a package with its types.
type source struct {
	Dir   string
	Name  string
	fset  *token.FileSet
	files []*file
	info  *types.Info
	pkg   *types.Package
}

// file is one of its files.
type file struct {
	path   string // below the module's root
	text   []byte
	syntax *ast.File
	// mutate says whether mistakes are made in it.
	mutate bool
}

// listed is what go list says of a package.
type listed struct {
	Dir, ImportPath, Name, Export string
	GoFiles                       []string
	DepOnly                       bool
}

// load reads the package in a directory below root. Mistakes are made in the files
// of these names, or in all if there are none.
func load(root, dir string, only []string) (*source, error) {
	var said bytes.Buffer
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=Dir,ImportPath,Name,Export,GoFiles,DepOnly", "./"+dir)
	cmd.Dir, cmd.Stderr = root, &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w: %s", dir, err, &said)
	}
	exports := make(map[string]string)
	var own listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list %s: %w", dir, err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			own = p
		}
	}
	for _, name := range only {
		if !slices.Contains(own.GoFiles, name) {
			return nil, fmt.Errorf("%s has no file %s", dir, name)
		}
	}
	s := &source{Dir: own.Dir, Name: own.Name, fset: token.NewFileSet()}
	var trees []*ast.File
	for _, name := range own.GoFiles {
		path := filepath.Join(own.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(s.fset, path, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
		made := !ast.IsGenerated(tree) && (len(only) == 0 || slices.Contains(only, name))
		s.files = append(s.files, &file{path: filepath.Join(dir, name), text: text, syntax: tree, mutate: made})
	}
	s.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})}
	if s.pkg, err = conf.Check(own.ImportPath, s.fset, trees, s.info); err != nil {
		return nil, fmt.Errorf("types of %s: %w", dir, err)
	}
	return s, nil
}
