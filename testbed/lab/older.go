// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"path"
	"path/filepath"

	"dpr/testbed/lab/checkout"
	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/initramfs"
	"dpr/testbed/lab/kernel"
)

const (
	olderDir    = "older" // of the other version's files, below those of this one and in guests
	olderServer = 1       // which server has that version, counted from 0
)

// OlderServer is the name of the server that has another version where Config.Older is set.
const OlderServer = "s2"

// buildOlder builds another version's module and programs into a directory.
func buildOlder(ctx context.Context, source string, k kernel.Kernel, dir string, debugInfo bool) error {
	var packages []string
	for _, p := range dprPrograms {
		packages = append(packages, "./cmd/"+p)
	}
	if err := checkout.Build(ctx, source, dir, packages...); err != nil {
		return err
	}
	_, err := buildModule(ctx, source, k, dir, debugInfo)
	return err
}

// olderItems puts the other version into the image, and returns where its host has it.
func olderItems(im initramfs.Image, dir string) (map[string]string, error) {
	moves := map[string]string{path.Join("/"+olderDir, path.Base(guest.ModulePath)): guest.ModulePath}
	for _, p := range dprPrograms {
		moves[path.Join("/"+olderDir, p)] = "/usr/sbin/" + p
	}
	for from := range moves {
		if err := im.File(from, filepath.Join(dir, path.Base(from))); err != nil {
			return nil, err
		}
	}
	return moves, nil
}
