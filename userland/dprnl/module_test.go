// SPDX-License-Identifier: MIT

package dprnl

import (
	"os"
	"path/filepath"
	"testing"
)

func TestModuleVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "version")
	if got := moduleVersion(path); got != "" {
		t.Errorf("%q without a module", got)
	}
	if err := os.WriteFile(path, []byte("0.2.0-g04ff558\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := moduleVersion(path); got != "0.2.0-g04ff558" {
		t.Errorf("%q", got)
	}
}
