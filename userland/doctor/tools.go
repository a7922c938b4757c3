// SPDX-License-Identifier: MIT

package doctor

import (
	"context"

	"dpr/userland/firewall"
)

// readFirewall reads all rules of this host.
func (f *Facts) readFirewall(ctx context.Context) {
	f.Firewall, f.Unread = firewall.Read(ctx)
}
