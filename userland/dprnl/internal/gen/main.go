// SPDX-License-Identifier: MIT

// Command gen writes the Go constants of package dprnl from include/dpr.h.
package main

import (
	"flag"
	"fmt"
	"os"

	"dpr/userland/dprnl/internal/header"
)

func main() {
	in := flag.String("header", "", "the header to read")
	out := flag.String("out", "", "the Go file to write")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := header.Parse(f)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	src, err := header.Generate(h)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return os.WriteFile(out, src, 0o644)
}
