// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// What the recording's time is.
const (
	longest = 20 * time.Second        // all but the end
	pause   = 1200 * time.Millisecond // at most, between two lines
	typed   = time.Second             // from the command to its first line
	rest    = 6 * time.Second         // at the end, before it begins anew
)

// pace cuts pauses short, and lets all of it go faster if it is still too long.
func pace(lines []line) []line {
	paced := make([]line, len(lines))
	var before, at time.Duration
	for i, l := range lines {
		at += min(l.at-before, pause)
		before = l.at
		paced[i] = line{at, l.text}
	}
	if at > longest {
		for i := range paced {
			paced[i].at = time.Duration(float64(paced[i].at) * float64(longest) / float64(at))
		}
	}
	return paced
}

// Of the picture, in pixels.
const (
	charWidth  = 7.2
	lineHeight = 16
	margin     = 12
)

// draw draws a terminal of so many lines and columns in which lines appear at their
// times, after the command.
func draw(command string, lines []line, rows, columns int) []byte {
	all := []line{{0, command}}
	for _, l := range lines {
		all = append(all, line{l.at + typed, l.text})
	}
	total := all[len(all)-1].at + rest
	part := func(at time.Duration) float64 { return 100 * float64(at) / float64(total) }
	width, height := float64(columns)*charWidth+2*margin, rows*lineHeight+2*margin

	var style, text bytes.Buffer
	scroll := "0% { transform: none }"
	shift := 0
	for i, l := range all {
		if i > 0 {
			fmt.Fprintf(&style, "@keyframes l%d { 0%% { opacity: 0 } %.2f%% { opacity: 1 } }\n#l%d { animation-name: l%d }\n", i, part(l.at), i, i)
		}
		if i >= rows {
			shift = (i - rows + 1) * lineHeight
			scroll += fmt.Sprintf(" %.2f%% { transform: translateY(-%dpx) }", part(l.at), shift)
		}
		class := ""
		if i == 0 {
			class = ` class="command"`
		}
		fmt.Fprintf(&text, `<text id="l%d"%s x="%d" y="%d">`, i, class, margin, margin+i*lineHeight+12)
		// It cannot fail.
		_ = xml.EscapeText(&text, []byte(cut(l.text, columns)))
		text.WriteString("</text>\n")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" role="img">
<title>`, width, height, width, height)
	_ = xml.EscapeText(&b, []byte("A terminal in which this runs: "+command))
	fmt.Fprintf(&b, `</title>
<style>
text { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; fill: #d0d7de; white-space: pre; animation: %.1fs step-end infinite }
.command { fill: #7ee787 }
#lines { transform: translateY(-%dpx); animation: scroll %.1fs step-end infinite }
@keyframes scroll { %s }
%s@media (prefers-reduced-motion: reduce) { text, #lines { animation: none !important } }
</style>
<clipPath id="screen"><rect x="0" y="%d" width="%.0f" height="%d"/></clipPath>
<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
<g clip-path="url(#screen)"><g id="lines">
%s</g></g>
</svg>
`, total.Seconds(), shift, total.Seconds(), scroll, style.String(), margin-2, width, rows*lineHeight+4, text.String())
	return b.Bytes()
}

// cut cuts a line at a number of columns.
func cut(text string, columns int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\t", "        ")
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:columns-1]) + "…"
}
