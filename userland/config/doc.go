// SPDX-License-Identifier: MIT

// Package config reads /etc/dpr/dpr.toml, the configuration file that all
// processes of a host share, and then the files "*.toml" of /etc/dpr/conf.d, in the order
// of their names. A key in a later file replaces that of an earlier one; a list of tables,
// such as [[service]], is replaced as a whole. The file dpr.toml in this directory documents every
// key with its meaning, range and default.
//
// All mistakes of a file are reported together, each with its line and key.
// Unknown keys are mistakes. A file with a mistake yields no configuration.
package config
