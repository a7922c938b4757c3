// SPDX-License-Identifier: MIT

package header

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"
	"text/template"
)

// wordEnum is an enum whose members have words for people.
type wordEnum struct {
	Enum          // as in the header
	Type   string // Go type
	Kind   string // name of a value in errors
	Prefix string // of the C members
	Go     string // prefix of the Go constants
}

// attrEnum is an enum of commands or attributes; its constants are unexported.
type attrEnum struct {
	Enum
	Prefix string
	Go     string
}

type input struct {
	Defines []Define
	Words   []wordEnum
	Attrs   []attrEnum
	Stats   Enum
}

// Generate writes package dprnl's constants, formatted.
func Generate(h *Header) ([]byte, error) {
	in := input{
		Defines: h.Defines,
		Words: []wordEnum{
			{Enum: Enum{Name: "dpr_policy"}, Type: "Policy", Kind: "policy", Prefix: "DPR_POLICY_", Go: "Policy"},
			{Enum: Enum{Name: "dpr_hash"}, Type: "Hash", Kind: "hash", Prefix: "DPR_HASH_", Go: "Hash"},
			{Enum: Enum{Name: "dpr_orphans"}, Type: "Orphans", Kind: "treatment of orphans", Prefix: "DPR_ORPHANS_", Go: "Orphans"},
			{Enum: Enum{Name: "dpr_estimate"}, Type: "Estimate", Kind: "estimate", Prefix: "DPR_ESTIMATE_", Go: "Estimate"},
			{Enum: Enum{Name: "dpr_marker"}, Type: "Marker", Kind: "marker", Prefix: "DPR_MARKER_", Go: "Marker"},
			{Enum: Enum{Name: "dpr_state"}, Type: "State", Kind: "state", Prefix: "DPR_STATE_", Go: "State"},
			{Enum: Enum{Name: "dpr_barred"}, Type: "Barred", Kind: "reason to bar", Prefix: "DPR_BARRED_", Go: "Barred"},
			{Enum: Enum{Name: "dpr_service_state"}, Type: "ServiceState", Kind: "service state", Prefix: "DPR_SERVICE_", Go: "Service"},
			{Enum: Enum{Name: "dpr_service_load"}, Type: "ServiceLoad", Kind: "load", Prefix: "DPR_SERVICE_LOAD_", Go: "LoadOf"},
			{Enum: Enum{Name: "dpr_forwarding"}, Type: "Forwarding", Kind: "forwarding", Prefix: "DPR_FORWARDING_", Go: "Forwarding"},
			{Enum: Enum{Name: "dpr_answers"}, Type: "Answers", Kind: "way of answers", Prefix: "DPR_ANSWERS_", Go: "Answers"},
			{Enum: Enum{Name: "dpr_rules_policy"}, Type: "GroupPolicy", Kind: "policy of a group", Prefix: "DPR_RULES_POLICY_", Go: "Group"},
			{Enum: Enum{Name: "dpr_rules_locality"}, Type: "Locality", Kind: "locality", Prefix: "DPR_RULES_LOCALITY_", Go: "Locality"},
			{Enum: Enum{Name: "dpr_rules_outcome"}, Type: "Outcome", Kind: "outcome", Prefix: "DPR_RULES_", Go: "Rules"},
			{Enum: Enum{Name: "dpr_dispatch"}, Type: "Dispatch", Kind: "dispatch", Prefix: "DPR_DISPATCH_", Go: "Dispatch"},
			{Enum: Enum{Name: "dpr_flow_state"}, Type: "FlowState", Kind: "flow state", Prefix: "DPR_FLOW_", Go: "Flow"},
			{Enum: Enum{Name: "dpr_event"}, Type: "EventType", Kind: "event", Prefix: "DPR_EVENT_", Go: "Event"},
		},
		Attrs: []attrEnum{
			{Enum: Enum{Name: "dpr_cmd"}, Prefix: "DPR_CMD_", Go: "cmd"},
			{Enum: Enum{Name: "dpr_config_attr"}, Prefix: "DPR_CONFIG_A_", Go: "configAttr"},
			{Enum: Enum{Name: "dpr_service_attr"}, Prefix: "DPR_SERVICE_A_", Go: "serviceAttr"},
			{Enum: Enum{Name: "dpr_peer_attr"}, Prefix: "DPR_PEER_A_", Go: "peerAttr"},
			{Enum: Enum{Name: "dpr_backend_attr"}, Prefix: "DPR_BACKEND_A_", Go: "backendAttr"},
			{Enum: Enum{Name: "dpr_flow_attr"}, Prefix: "DPR_FLOW_A_", Go: "flowAttr"},
			{Enum: Enum{Name: "dpr_rules_record"}, Prefix: "DPR_RULES_", Go: "record"},
			{Enum: Enum{Name: "dpr_rules_attr"}, Prefix: "DPR_RULES_A_", Go: "rulesAttr"},
			{Enum: Enum{Name: "dpr_expire_attr"}, Prefix: "DPR_EXPIRE_A_", Go: "expireAttr"},
			{Enum: Enum{Name: "dpr_load_attr"}, Prefix: "DPR_LOAD_A_", Go: "loadAttr"},
			{Enum: Enum{Name: "dpr_event_attr"}, Prefix: "DPR_EVENT_A_", Go: "eventAttr"},
		},
	}
	var err error
	for i := range in.Words {
		if in.Words[i].Enum, err = h.Enum(in.Words[i].Name); err != nil {
			return nil, err
		}
	}
	for i := range in.Attrs {
		if in.Attrs[i].Enum, err = h.Enum(in.Attrs[i].Name); err != nil {
			return nil, err
		}
	}
	if in.Stats, err = h.Enum("dpr_stat"); err != nil {
		return nil, err
	}
	if known := len(in.Words) + len(in.Attrs) + 1; known != len(h.Enums) {
		return nil, fmt.Errorf("the header has %d enums, the generator knows %d", len(h.Enums), known)
	}
	return render(in)
}

func render(in input) ([]byte, error) {
	t, err := template.New("dprnl").Funcs(template.FuncMap{
		"camel":   camel,
		"word":    func(prefix, name string) string { return strings.ReplaceAll(lower(prefix, name), "_", "-") },
		"snake":   lower,
		"comment": comment,
		"visible": func(m Member) bool { return !unused(m.Name) },
		"gauge":   func(doc string) bool { return strings.HasPrefix(doc, "gauge; ") },
		"help":    help,
	}).Parse(source)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, in); err != nil {
		return nil, err
	}
	src, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the generated source does not parse: %w", err)
	}
	return src, nil
}

func unused(name string) bool {
	return strings.HasSuffix(name, "_UNSPEC") || strings.HasSuffix(name, "_PAD")
}

func lower(prefix, name string) string {
	return strings.ToLower(strings.TrimPrefix(name, prefix))
}

// camel turns DPR_SERVED_OFF without its prefix DPR_ into ServedOff.
func camel(prefix, name string) string {
	var b strings.Builder
	for _, part := range strings.Split(lower(prefix, name), "_") {
		if part == "cpu" { // an initialism also in Go
			part = "CPU"
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// help is a counter's description as a sentence that needs no heading.
func help(m Member) string {
	return m.Section + ": " + strings.TrimPrefix(m.Doc, "gauge; ")
}

// comment wraps text as a Go comment that starts with a name.
func comment(name, text string) string {
	var b strings.Builder
	line := "//"
	for _, w := range strings.Fields(name + ": " + text) {
		if len(line)+1+len(w) > 78 {
			b.WriteString(line + "\n")
			line = "//"
		}
		line += " " + w
	}
	b.WriteString(line)
	return b.String()
}
