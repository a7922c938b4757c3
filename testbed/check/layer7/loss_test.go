// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import "testing"

// bad is a network that loses, doubles and reorders.
const bad = "netem delay 4ms 2ms loss 5% duplicate 5% reorder 25%"

// Each host's packets go through a bad network in both directions, those between hosts
// twice.
const (
	spoil = "modprobe -a ifb sch_netem sch_ingress cls_matchall act_mirred 2>/dev/null; ip link add ifb0 type ifb 2>/dev/null; " +
		"ip link set ifb0 up && tc qdisc add dev eth0 root " + bad + " && tc qdisc add dev ifb0 root " + bad + " && " +
		"tc qdisc add dev eth0 handle ffff: ingress && " +
		"tc filter add dev eth0 parent ffff: matchall action mirred egress redirect dev ifb0"
	mend = "tc qdisc del dev eth0 root; tc qdisc del dev eth0 ingress; tc qdisc del dev ifb0 root; ip link del ifb0"
)

// Every byte is right on a network that loses 5 % of all packets, doubles 5 % and
// reorders others, in both directions.
func TestLoss(t *testing.T) {
	start(t)
	// Reports get lost, too.
	everywhere(t, "dprctl config set --report-max-age 30s")
	everywhere(t, spoil)
	t.Cleanup(func() {
		everywhere(t, mend)
		everywhere(t, "dprctl config set --report-max-age 3s")
		await(t)
	})
	for _, s := range servers {
		for _, e := range few()[:2] {
			if !s.tls && !s.only {
				judge(t, s, "curl, loss", wantWho(t, "s3", curlCommand(s, e.url(s, "/api/who"))))
			}
			judge(t, s, "curl files, loss", download(t, "200k", append(curlCommand(s, e.url(s, "/api/200k")), "-o")...))
			if !s.only {
				judge(t, s, "wget, loss", download(t, "15k", "wget", "-q", "--no-config", "--no-check-certificate", "--tries=1", "--timeout=60", e.url(s, "/api/15k"), "-O"))
			}
			if s.puts {
				judge(t, s, "curl upload, loss", upload(t, s, e, "200k"))
			}
		}
	}
}
