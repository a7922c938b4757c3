// SPDX-License-Identifier: MIT

// Package config reads /etc/dpr/dpr.toml, the one configuration file of a
// host, which all its processes read. Every key, its meaning, range and
// default is told in dpr.toml beside this file.
//
// All mistakes of a file are reported at once, each with its line and key;
// keys that do not exist are mistakes. A file with a mistake yields no
// configuration.
package config
