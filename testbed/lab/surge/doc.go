// SPDX-License-Identifier: MIT

// Package surge is the workload that the paper's evaluation ran: SURGE, the
// Scalable URL Reference Generator of P. Barford and M. Crovella ("Generating
// representative Web workloads for network and server performance evaluation",
// SIGMETRICS 1998).
//
// A fixed population of user equivalents shares a server. Each alternates
// between a page, which is one or more files, and an inactive OFF time: a
// closed system. Every file is an HTTP/1.0 request on a connection of its own,
// which the server closes.
//
// # The six distributions
//
//	file sizes           lognormal, μ 9.357, σ 1.318, for 93 % of the files; the rest
//	                     Pareto, k 133,000, α 1.1                          [FileSizes]
//	request sizes        Pareto, k 1000, α 1.0                             [RequestSizes]
//	popularity           Zipf: the r-th file is asked for in proportion to 1/r
//	embedded references  files a page: Pareto, k 1, α 2.43, whole numbers  [Variant.Embedded]
//	temporal locality    LRU stack distances: lognormal, μ 1.5, σ 0.80     [StackDistances]
//	OFF times            inactive, between pages: Pareto, k 1, α 1.5;      [InactiveOff]
//	                     active, between a page's files: Weibull,
//	                     scale 1.46, shape 0.382                           [ActiveOff]
//
// Sizes are in bytes, times in seconds. File sizes, popularity and request
// sizes are tied by matching: which file has which popularity is chosen so that
// the sizes of requests follow their law ([FileSet]).
//
// # Which variant, and why
//
// The program that was released differs from the article: it draws the files of
// a page from a Pareto law of k 2 and α 1.245, at most 150, and has no active OFF
// time. The DPR paper does not say what it used. Its own Table 1 does: by Little's
// law a cycle of one of the 1,500 users takes 1500/rate seconds, and less the
// mean delay that leaves 1.99 s (random, TCP) to 2.1 s (none) of OFF time per
// transfer. The mean inactive OFF time within the 200 s that the paper's runs
// took is 2.86 s. Hence
//
//	VariantPaper     embedded references of 1998, no active OFF   2.09 s a transfer
//	Variant1998      the same with the active OFF time            2.23 s
//	VariantReleased  as released                                  0.42 s
//
// (the tests compute these) and VariantPaper is the default.
//
// # What is simpler here
//
//   - SURGE lays down which files are embedded in which page. Here a page is the
//     next files of the sequence, so that popularity and locality hold of all
//     requests alike.
//   - OFF times are cut at [MaxOff] and file sizes at [FileSpec.MaxSize], since a
//     run is finite and so is a guest's memory; a law's tail is not.
//   - Users start somewhere in an OFF time, as in the steady state, not all at
//     once. Short runs then see the same rate as long ones.
package surge
