// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/checkout"
	"dpr/testbed/lab/disk"
)

// moduleSections are those of dpr.ko that a debugger must place.
var moduleSections = []string{".text", ".data", ".bss", ".rodata"}

// Debugger returns gdb and the arguments with which it stops a server's kernel
// and knows dpr.ko by name and line. The server goes on when gdb leaves it;
// breakpoints go with gdb. Of the kernel itself it has no symbols.
//
// It is an error if the module is not loaded there, or the lab came up without
// Config.DebugInfo. Lines are shown if the working directory is in the sources.
func (l *Lab) Debugger(ctx context.Context, server string) ([]string, error) {
	h, err := l.hostOf(server, Server)
	if err != nil {
		return nil, err
	}
	file, err := l.debugFile(server)
	if err != nil {
		return nil, err
	}
	symbols := "add-symbol-file " + file
	for _, section := range moduleSections {
		address, err := l.Output(ctx, h.Name, "cat", "/sys/module/dpr/sections/"+section)
		if err != nil {
			return nil, fmt.Errorf("where dpr.ko is on %s: %w", server, err)
		}
		symbols += " -s " + section + " " + strings.TrimSpace(address)
	}
	args := []string{"gdb", "-q", "-ex", "set architecture i386:x86-64"}
	if root, err := checkout.Root(""); err == nil {
		// It was compiled elsewhere.
		args = append(args, "-ex", "directory "+filepath.Join(root, "kmod"))
	}
	// gdb would ask whether the addresses are right.
	return append(args, "-ex", "set confirm off", "-ex", symbols, "-ex", "set confirm on",
		"-ex", "target remote "+debugPath(l.dir, h.Name)), nil
}

// debugFile is the server's dpr.ko with what gdb reads.
func (l *Lab) debugFile(server string) (string, error) {
	dir := l.binDir()
	if older := filepath.Join(dir, olderDir); server == OlderServer && disk.Exists(older) {
		dir = older
	}
	file := filepath.Join(dir, debugModule)
	if !disk.Exists(file) {
		return "", fmt.Errorf("dpr.ko of lab %s was built without what gdb reads: bring the lab up with --debug-info", l.state.Name)
	}
	return file, nil
}
