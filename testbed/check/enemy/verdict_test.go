// SPDX-License-Identifier: MIT

package enemy

import (
	"strings"
	"testing"

	"dpr/testbed/check/enemy/wire"
)

// sound is a result that passes.
func sound() *Result {
	return &Result{
		Parts: Parts,
		Blind: []wire.Attack{
			{State: "idle", Kind: "RST", Packets: 20000, PacketsTCP: 20000, Arrived: 20100, ArrivedTCP: 20100, BrokenDPR: 1},
			{State: "TIME_WAIT", Kind: "SYN", Packets: 40, PacketsTCP: 38, Arrived: 50, ArrivedTCP: 50, BrokenDPR: 20, BrokenTCP: 20},
		},
		Local: []wire.Attempt{{Attempt: "bind"}, {Attempt: "transparent by right", Control: true, Works: true}},
		Races: &Races{Seconds: 60, Packets: 1e6, Operations: 100},
	}
}

func TestJudge(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*Result)
		want   string // "": it passes
	}{
		"sound":                    {func(*Result) {}, ""},
		"no part":                  {func(r *Result) { r.Parts = nil }, "nothing was tried"},
		"unknown part":             {func(r *Result) { r.Parts = []string{"x"} }, `no part is called "x"`},
		"an error":                 {func(r *Result) { r.Errors = []string{"blind: it ended early"} }, "blind: it ended early"},
		"no blind attack":          {func(r *Result) { r.Blind = nil }, "blind: 0 of 2 kinds"},
		"a row is missing":         {func(r *Result) { r.Blind = r.Blind[:1] }, "blind: 1 of 2 kinds"},
		"no packet":                {func(r *Result) { r.Blind[0].Packets = 0 }, "RST on idle: no packet was sent"},
		"no packet to TCP":         {func(r *Result) { r.Blind[0].PacketsTCP = 0 }, "RST on idle: no packet was sent"},
		"packets do not arrive":    {func(r *Result) { r.Blind[0].Arrived = 7 }, "of 20000 and 20000 packets 7 and 20100 arrived"},
		"packets to TCP do not":    {func(r *Result) { r.Blind[0].ArrivedTCP = 7 }, "20100 and 7 arrived"},
		"breaks as often, at most": {func(r *Result) { r.Blind[0].BrokenDPR = 13 }, ""},
		"breaks more often":        {func(r *Result) { r.Blind[0].BrokenDPR = 14 }, "RST on idle: 14 of 20000 packets broke a redirected connection, 0 of 20000 a plain one"},
		"breaks by fewer packets": {func(r *Result) {
			r.Blind[0].BrokenDPR, r.Blind[0].BrokenTCP, r.Blind[0].Packets, r.Blind[0].Arrived = 20, 20, 100, 100
		}, "20 of 100 packets"},
		"breaks less often":       {func(r *Result) { r.Blind[0].BrokenTCP = 20 }, ""},
		"no local attempt":        {func(r *Result) { r.Local = r.Local[1:] }, "local: 0 of 1 attempts"},
		"no control":              {func(r *Result) { r.Local = r.Local[:1] }, "local: 0 of 1 programs"},
		"an attempt is allowed":   {func(r *Result) { r.Local[0].Allowed = true }, "local: bind was allowed"},
		"a right is lost":         {func(r *Result) { r.Local[1].Works = false }, "transparent by right no longer works"},
		"no races":                {func(r *Result) { r.Races = nil }, "races: there is no result"},
		"races of no packet":      {func(r *Result) { r.Races.Packets = 0 }, "are no race"},
		"races of no time":        {func(r *Result) { r.Races.Seconds = 0 }, "are no race"},
		"races of no operation":   {func(r *Result) { r.Races.Operations = 0 }, "are no race"},
		"races the kernel minds":  {func(r *Result) { r.Races.Complaints, r.Races.Texts = 1, []string{"list_del corruption"} }, "races: 1 complaints; the first: list_del corruption"},
		"only what was asked for": {func(r *Result) { r.Parts, r.Blind, r.Local = []string{PartRaces}, nil, nil }, ""},
		"each a little, all too much": {func(r *Result) {
			r.Blind[0].BrokenDPR = 10
			for range 3 {
				r.Blind = append(r.Blind, r.Blind[0])
			}
		}, "all together"},
	} {
		r := sound()
		c.change(r)
		why := strings.Join(r.judge(expected{rows: 2, attempts: 1, controls: 1}), "\n")
		if c.want == "" && why != "" || !strings.Contains(why, c.want) {
			t.Errorf("%s: got %q, want %q", what, why, c.want)
		}
	}
}

// The probabilities are those of a binomial distribution.
func TestMoreOften(t *testing.T) {
	for _, c := range []struct {
		a    wire.Attack
		want float64
	}{
		{wire.Attack{Packets: 10, PacketsTCP: 10}, 1},
		{wire.Attack{Packets: 10, PacketsTCP: 10, BrokenTCP: 5}, 1},
		{wire.Attack{Packets: 10, PacketsTCP: 10, BrokenDPR: 1}, 0.5},
		{wire.Attack{Packets: 10, PacketsTCP: 10, BrokenDPR: 2, BrokenTCP: 1}, 0.5},
		{wire.Attack{Packets: 10, PacketsTCP: 30, BrokenDPR: 2}, 1. / 16},
	} {
		if got := moreOften(c.a); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("%+v: got %v, want %v", c.a, got, c.want)
		}
	}
}
