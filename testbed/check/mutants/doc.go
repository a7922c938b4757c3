// SPDX-License-Identifier: MIT

// Command mutants measures the unit tests of Go packages: it makes mistakes in the
// code, one at a time, and runs the package's own tests, which must fail.
//
// All mistakes of a package are compiled into one test binary, each behind a switch
// that an environment variable turns on. So a mistake costs one run of the tests and
// no build. A first run without mistakes records which switches the tests reach; a
// mistake that no test reaches has survived without a run of its own.
//
// # Mistakes
//
//	if, tagless case     the condition is always false; an if's also always true
//	&&, ||               one operand does not count
//	<, <=, >, >=         the limit itself belongs to the other side
//	statement            an assignment, call, defer, go, send, break, continue or a
//	                     return without values is left out
//	return               an error is lost; a truth value is inverted; a number or a
//	                     text is the zero value
//	+ - * / % & | << >>  another operator
//	integer literal      one more, unless it is a time, a file's mode or an index
//
// What only a log, a terminal or the end of a context would notice is left alone:
// see quiet.
//
// gremlins 0.6 was tried on userland/report instead. It builds once for each of its
// 103 mistakes, leaves out no statement and loses no error; what it found is found
// here or listed, or is a number in a message.
//
// # Survivors
//
// The file survivors names mistakes that no test finds and says why. A listed
// mistake does not count if the reason says "equivalent"; else it counts against the
// score, and the list only says that it is known. A listed mistake that a test finds
// is reported, so that the list shrinks.
package main
