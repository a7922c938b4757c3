// SPDX-License-Identifier: MIT

package reproduce

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
)

//go:embed page.html
var pageText string

// section is a part of the report, in whatever form it is written.
type section struct {
	Title   string
	Text    []string
	Table   *table
	Figures []figure
	// After is text behind the table and the figures.
	After []string
}

// table is a table; all but its first column are figures if Numbers.
type table struct {
	Head    []string
	Rows    [][]string
	Numbers bool
}

func (t *table) row(cells ...string) { t.Rows = append(t.Rows, cells) }

// writePage writes report.html.
func writePage(file string, sections []section) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := t.Execute(f, sections); err != nil {
		f.Close()
		return fmt.Errorf("writing the report: %w", err)
	}
	return f.Close()
}

// writeMarkdown writes report.md.
func writeMarkdown(file string, sections []section) error {
	var b strings.Builder
	for i, s := range sections {
		fmt.Fprintf(&b, "%s %s\n\n", strings.Repeat("#", min(i+1, 2)), s.Title)
		paragraphs(&b, s.Text)
		if s.Table != nil {
			s.Table.markdown(&b)
		}
		for _, f := range s.Figures {
			fmt.Fprintf(&b, "![%s](%s)\n\n%s\n\n", f.Caption, f.File, f.Caption)
		}
		paragraphs(&b, s.After)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func paragraphs(b *strings.Builder, texts []string) {
	for _, t := range texts {
		fmt.Fprintf(b, "%s\n\n", t)
	}
}

func (t *table) markdown(b *strings.Builder) {
	line := func(cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.Head)
	rule := make([]string, len(t.Head))
	for i := range rule {
		rule[i] = "---"
		if i > 0 && t.Numbers {
			rule[i] = "---:"
		}
	}
	line(rule)
	for _, r := range t.Rows {
		line(r)
	}
	b.WriteString("\n")
}

// write writes all of the report into its directory.
func (r *Report) write(dir string) error {
	sections, err := r.sections(dir)
	if err != nil {
		return err
	}
	for _, w := range []error{
		r.writeJSON(filepath.Join(dir, "result.json")),
		writePage(filepath.Join(dir, "report.html"), sections),
		writeMarkdown(filepath.Join(dir, "report.md"), sections),
	} {
		if w != nil {
			return w
		}
	}
	return nil
}
