// SPDX-License-Identifier: MIT

package header

// source is the template of the generated file.
const source = `// SPDX-License-Identifier: MIT

// Code generated from include/dpr.h by go generate; DO NOT EDIT.

package dprnl

// Names and limits of the family.
const (
{{- range .Defines}}
{{- if .String}}
	{{comment (camel "DPR_" .Name) (printf "%s in include/dpr.h." .Name)}}
	{{camel "DPR_" .Name}} = {{printf "%q" .String}}
{{- else}}
	{{comment (camel "DPR_" .Name) (printf "%s in include/dpr.h." .Name)}}
	{{camel "DPR_" .Name}} = {{.Number}}
{{- end}}
{{- end}}
)
{{range $e := .Attrs}}
// {{.Enum.Name}}: {{.Enum.Doc}}.
const (
{{- range .Members}}{{if visible .}}
	{{$e.Go}}{{camel $e.Prefix .Name}} = {{.Value}}
{{- end}}{{end}}
)
{{end}}
{{- range $e := .Words}}
// {{.Type}}: {{.Enum.Doc}}.
type {{.Type}} uint32

// The values of {{.Type}}.
const (
{{- range .Members}}{{if visible .}}
	{{comment (printf "%s%s" $e.Go (camel $e.Prefix .Name)) .Doc}}
	{{$e.Go}}{{camel $e.Prefix .Name}} {{$e.Type}} = {{.Value}}
{{- end}}{{end}}
)

var names{{.Type}} = wordTable{kind: {{printf "%q" .Kind}}, words: []string{
{{- range .Members}}
	{{.Value}}: {{if visible .}}{{printf "%q" (word $e.Prefix .Name)}}{{else}}""{{end}},
{{- end}}
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v {{.Type}}) String() string { return names{{.Type}}.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v {{.Type}}) MarshalText() ([]byte, error) { return names{{.Type}}.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *{{.Type}}) UnmarshalText(text []byte) error {
	n, err := names{{.Type}}.parse(string(text))
	if err == nil {
		*v = {{.Type}}(n)
	}
	return err
}

// {{.Type}}Words returns the words of {{.Type}}, in the order of their values.
func {{.Type}}Words() []string { return names{{.Type}}.list() }
{{end}}
// Stat: {{.Stats.Doc}}.
type Stat uint16

// The values of Stat.
const (
{{- range .Stats.Members}}{{if visible .}}
	{{comment (printf "Stat%s" (camel "DPR_STAT_" .Name)) .Doc}}
	Stat{{camel "DPR_STAT_" .Name}} Stat = {{.Value}}
{{- end}}{{end}}
)

var statTable = [...]statInfo{
{{- range .Stats.Members}}{{if visible .}}
	{{.Value}}: { {{- printf "%q" (snake "DPR_STAT_" .Name)}}, {{printf "%q" (help .)}}, {{gauge .Doc -}} },
{{- end}}{{end}}
}
`
