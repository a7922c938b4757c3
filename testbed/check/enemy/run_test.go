// SPDX-License-Identifier: MIT

package enemy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dpr/testbed/check/enemy/wire"
)

// What a guest says becomes rows, or an error.
func TestRecord(t *testing.T) {
	var progress bytes.Buffer
	r := &Result{}
	for _, line := range []string{`{"say":"hello"}`, `{"blind":{"state":"idle","kind":"RST","packets":3}}`, `{"local":{"attempt":"bind"}}`} {
		if err := r.record([]byte(line), wire.Blind, &progress); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if len(r.Blind) != 1 || r.Blind[0].Packets != 3 || len(r.Local) != 1 || !strings.Contains(progress.String(), "hello") {
		t.Errorf("%+v %s", r, &progress)
	}
	if err := r.record([]byte(`{"say":3}`), wire.Blind, &progress); err == nil {
		t.Error("what is no record is no error")
	}
}

func TestUnknownPart(t *testing.T) {
	o := Defaults()
	o.Parts = []string{"nonsense"}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
}

// The file has the names that others read.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	r := sound()
	r.Verdict = "passed"
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Blind []struct {
			State, Kind string
			Packets     int
			DPR         *int `json:"broken_dpr"`
			TCP         *int `json:"broken_tcp"`
		}
		Local []struct {
			Attempt string
			Allowed *bool
		}
		Races struct {
			Seconds    float64
			Complaints *int
		}
		Verdict string
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Blind) != 2 || got.Blind[0].DPR == nil || *got.Blind[0].DPR != 1 || got.Blind[0].TCP == nil || len(got.Local) != 2 ||
		got.Local[0].Allowed == nil || got.Races.Seconds != 60 || got.Races.Complaints == nil || got.Verdict != "passed" {
		t.Errorf("%s", b)
	}
	var text strings.Builder
	if err := r.print(&text); err != nil || !strings.Contains(text.String(), "TIME_WAIT") || !strings.Contains(text.String(), "works: true") {
		t.Errorf("%s, %v", &text, err)
	}
}
