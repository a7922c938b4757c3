// SPDX-License-Identifier: MIT

package reproduce

// PaperRow is a policy's row in the paper's Tables 1 and 2.
type PaperRow struct {
	DelayMean, DelayVariance float64 // s, s²
	Requests                 int
	Rate                     float64 // 1/s
	Mean, P10, P90           float64 // Table 2, which follows the rate: see Index
	Index                    float64
}

// Paper has the paper's rows by the names that policies have here.
var Paper = map[string]PaperRow{
	None:   {0.918775, 15.240970, 96_726, 496.03, 462, 372, 557, 1.20},
	Random: {0.372362, 0.813577, 123_798, 634.86, 643, 573, 722, 1.16},
	TCP:    {0.263267, 0.859490, 129_278, 662.96, 660, 605, 717, 1.08},
}

// The paper's set-up.
const (
	paperProcesses = 5    // of each client
	paperUsers     = 50   // of each process
	paperSeconds   = 195  // of Table 1: total by rate
	paperAllUsers  = 1500 // six clients
)

// split gives the index of the server that each client asks: 4:1:1, as in
// the paper's figure 3.
var split = []int{0, 0, 0, 0, 1, 2}

// What the paper's tables say of a server's capacity, in requests per second at
// scale 1.
//
// CapacityLeast: with TCP balancing three servers served 662.96 together, so one
// serves a third of that.
//
// Capacity: without balancing the busiest, which was overloaded by 1,000 users and
// so at its capacity, served what the other two did not. Each of these had 250
// users, who with an OFF time of 2.0 s a transfer (1,500/rate less the mean delay,
// of Random's row and TCP's) and next to no delay make 125 requests per second, so
// the busiest served 496.03 - 250 = 246. Any delay of the two only raises that.
//
// CapacityMost: the same row's mean delay. The busiest one's users waited
// 1,000/capacity - 2.0 s, the others' next to nothing; weighted by their requests
// that is 0.919 s at a capacity of 264.
const (
	CapacityLeast = 221.0
	Capacity      = 246.0
	CapacityMost  = 264.0
)
