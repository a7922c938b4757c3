// SPDX-License-Identifier: MIT

package chart

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"
)

// A figure is a file of the kind that its name says, and has its line's name.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	p := New("title", "x", "y")
	LogX(p)
	LogY(p)
	if err := AddLine(p, "a line", plotter.XYs{{X: 1, Y: 20}, {X: 300, Y: 4}}, Style{Colour: len(Palette), Dots: true, Dashed: true}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"figure.png", "figure.svg"} {
		if err := Save(p, dir, name); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(filepath.Join(dir, "figure.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, err := png.DecodeConfig(f); err != nil || c.Width < 1000 || c.Height < 500 {
		t.Errorf("%d by %d dots, %v", c.Width, c.Height, err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "figure.svg"))
	if err != nil || !strings.Contains(string(svg), "a line") {
		t.Errorf("no line in the drawing: %v", err)
	}
	if err := Save(p, filepath.Join(dir, "nowhere"), "figure.png"); err == nil {
		t.Error("a figure in no directory")
	}
}

func TestLogTicks(t *testing.T) {
	var labels []string
	for _, tick := range logTicks(0.03, 2.1) {
		labels = append(labels, tick.Label)
	}
	if got := strings.Join(labels, " "); got != "0.05 0.1 0.2 0.5 1 2" {
		t.Errorf("ticks at %s", got)
	}
}
