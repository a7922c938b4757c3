// SPDX-License-Identifier: MIT

package dprnl

import "testing"

// BenchmarkDecodeFlows decodes the rows of a dump of a million flows, as many as a
// busy host has; an op is the whole dump.
func BenchmarkDecodeFlows(b *testing.B) {
	const flows = 1_000_000
	rows := make([][]byte, 1024)
	for i := range rows {
		rows[i] = flowData(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range flows {
			if _, err := decodeFlow(rows[i%len(rows)]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkDecodeConfig decodes the message with the most attributes.
func BenchmarkDecodeConfig(b *testing.B) {
	data := marshal(fullConfigAttrs()...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeConfig(data); err != nil {
			b.Fatal(err)
		}
	}
}
