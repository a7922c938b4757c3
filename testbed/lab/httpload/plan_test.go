// SPDX-License-Identifier: MIT

package httpload

import (
	"strings"
	"testing"
	"time"
)

func TestPlanValidate(t *testing.T) {
	valid := func() Plan {
		return Plan{
			Target: "http://10.0.0.1:8080", Users: 1, Duration: time.Second, Timeout: time.Second,
			Documents: []Document{{Path: "/a", Size: 1, SHA256: strings.Repeat("0", 64)}},
		}
	}
	good := valid()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"http://[fd77::11]", "https://[fd77::11]:8080"} {
		if good.Target = target; good.Validate() != nil {
			t.Errorf("%s: %v", target, good.Validate())
		}
	}
	tests := []struct {
		name   string
		change func(*Plan)
		want   string // part of the error
	}{
		{"no target", func(p *Plan) { p.Target = "" }, `target ""`},
		{"scheme", func(p *Plan) { p.Target = "ftp://a" }, "ftp://a"},
		{"target with path", func(p *Plan) { p.Target = "http://a/b" }, "http://a/b"},
		{"address of IPv6 without brackets", func(p *Plan) { p.Target = "http://fd77::11" }, "fd77::11"},
		{"target not a URL", func(p *Plan) { p.Target = "http://a:b" }, "target:"},
		{"no documents", func(p *Plan) { p.Documents = nil }, "documents"},
		{"relative path", func(p *Plan) { p.Documents[0].Path = "a" }, `document "a"`},
		{"negative size", func(p *Plan) { p.Documents[0].Size = -1 }, "size -1"},
		{"size too large", func(p *Plan) { p.Documents[0].Size = MaxDocument + 1 }, "size 1073741825"},
		{"checksum not hexadecimal", func(p *Plan) { p.Documents[0].SHA256 = "xyz" }, `"xyz"`},
		{"checksum too short", func(p *Plan) { p.Documents[0].SHA256 = "00" }, `"00"`},
		{"no users", func(p *Plan) { p.Users = 0 }, "users 0"},
		{"too many users", func(p *Plan) { p.Users = MaxUsers + 1 }, "users 10001"},
		{"negative OFF time", func(p *Plan) { p.OffMean = -1 }, "OFF time -1ns"},
		{"OFF time too long", func(p *Plan) { p.OffMean = MaxDuration + 1 }, "OFF time"},
		{"no duration", func(p *Plan) { p.Duration = 0 }, "duration 0s"},
		{"duration too long", func(p *Plan) { p.Duration = MaxDuration + 1 }, "duration"},
		{"no timeout", func(p *Plan) { p.Timeout = 0 }, "timeout 0s"},
		{"timeout too long", func(p *Plan) { p.Timeout = MaxTimeout + 1 }, "timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := valid()
			test.change(&p)
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want it to name %q", err, test.want)
			}
		})
	}
}
