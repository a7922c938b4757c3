// SPDX-License-Identifier: MIT

package httpload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Serve is the client process: it reads one [Plan] as JSON, runs it and
// writes the [Result] as JSON. Nothing else is written to w.
func Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	var plan Plan
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&plan); err != nil {
		return fmt.Errorf("read load plan: %w", err)
	}
	result, err := Run(ctx, plan)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(result); err != nil {
		return fmt.Errorf("write load result: %w", err)
	}
	return nil
}
