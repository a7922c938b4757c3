// SPDX-License-Identifier: MIT

package doctor

import "dpr/userland/fastpath"

// checkFastPath names devices that are to have the fast path and have it not. Their packets go
// the usual way, which costs time only.
func checkFastPath(f *Facts) []Finding {
	if !f.configured() {
		return nil
	}
	var list []Finding
	for _, s := range f.FastPath {
		if s.Attached {
			continue
		}
		remedy := "remove what is in the way, or set fast_path = \"off\": its packets go the usual way"
		switch s.Reason {
		case fastpath.NotRunning, fastpath.NotAsked:
			remedy = "" // the reason has it
		}
		list = append(list, Finding{"fast path", Warning, "no fast path at " + s.Device + ": " + s.Reason, remedy})
	}
	return list
}
