// SPDX-License-Identifier: MIT

package report

import (
	"crypto/sha256"
	"fmt"

	"dpr/userland/dprnl"
)

// SettingsOf returns the digest of the settings that must be equal on all hosts, or
// redirected packets get lost: the marker. What a host serves is not among them, as
// each service has a state.
func SettingsOf(c dprnl.Config) Digest {
	sum := sha256.Sum256(fmt.Appendf(nil, "dpr settings 1\nmarker %d\n", c.Marker))
	return Digest(sum[:])
}
