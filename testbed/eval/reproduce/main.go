// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// Main runs the evaluation, writes its report and prints the tables.
func Main(ctx context.Context, o Options) error {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("reproduce: %w", err)
	}
	r, failed := Run(ctx, o)
	if r == nil {
		return failed
	}
	if err := r.write(o.Dir); err != nil {
		return errors.Join(failed, fmt.Errorf("reproduce: %w", err))
	}
	if err := r.print(o.Stdout); err != nil {
		return fmt.Errorf("reproduce: %w", err)
	}
	_, err := fmt.Fprintf(o.Stdout, "\nAll of it in %s, figures next to it.\n", filepath.Join(o.Dir, "report.html"))
	return errors.Join(failed, err)
}

// print prints the tables.
func (r *Report) print(w io.Writer) error {
	summary := r.summary()
	fmt.Fprintf(w, "\n%s\n", strings.Join(append(summary.Text, summary.After...), "\n"))
	for _, s := range []section{r.table1(), r.ratios(), r.targets(), r.processors()} {
		fmt.Fprintf(w, "\n%s\n", s.Title)
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		for _, row := range append([][]string{s.Table.Head}, s.Table.Rows...) {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON writes the report as JSON.
func (r *Report) writeJSON(file string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
