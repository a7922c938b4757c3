// SPDX-License-Identifier: MIT

package reproduce

import (
	"fmt"
	"slices"
	"strings"
)

// sections arranges the report, and draws its figures into dir.
func (r *Report) sections(dir string) ([]section, error) {
	served, err := r.servedFigures(dir)
	if err != nil {
		return nil, err
	}
	var histograms []figure
	for _, kind := range r.histograms() {
		figures, err := r.histogramFigures(dir, kind)
		if err != nil {
			return nil, err
		}
		histograms = append(histograms, figures...)
	}
	delays, err := r.delayFigure(dir)
	if err != nil {
		return nil, err
	}
	summary := r.summary()
	summary.Figures = []figure{delays}
	all := []section{summary, r.table1(), r.ratios(), r.variants(), r.table2(), r.targets(),
		{Title: "Connections per second of each server", Figures: served},
		{Title: "Distribution of load", Figures: histograms,
			Text: []string{"As the paper's figures 5, 6 and 9: the narrower the better. First what its Table 2 counts, then what the figures' axis says, open connections."}},
	}
	if len(r.Sweep) > 0 {
		sweep, err := r.sweepSection(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, sweep)
	}
	if len(r.Simulated) > 0 {
		periods, err := r.periodSection(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, r.validation(), periods, r.capacities())
	}
	if study, err := studySection(r.study, dir); err != nil {
		return nil, err
	} else if study != nil {
		all = append(all, *study)
	}
	return append(all, r.processors(), r.capacitySection(), r.workload(), r.configuration()), nil
}

func (r *Report) summary() section {
	s := section{
		Title: r.of("The paper's evaluation, run again"),
		Text: []string{
			"L. Aversa and A. Bestavros, “Load Balancing a Cluster of Web Servers using Distributed Packet Rewriting” (2000), section 4: three servers, six SURGE clients split 4:1:1 over them. Here the servers are real kernels with dpr in virtual machines, and the clients SURGE's model in Go.",
			fmt.Sprintf("Scale %.2g: %d users, and servers of %.1f requests per second, set by their links. Connections are of %s, tunnels between addresses of %s. %s a policy of %d s each, in turn; tables give medians, with the least and the most in brackets.", r.Config.Scale, r.Config.Users, r.Config.Capacity, r.Config.Family.Name(), r.Config.Family.Own().Name(), plural(r.Config.Repeat, "repeat"), r.Config.Seconds),
		},
	}
	if none, tcp := r.Policies[None], r.Policies[TCP]; none != nil && tcp != nil {
		s.Text = append([]string{r.result(none, tcp)}, s.Text...)
	}
	if busy := r.busiest(); busy > cpuLimit {
		s.After = append(s.After, fmt.Sprintf("Careful: the processors of this machine were %.0f %% busy in one of the runs. Above %.0f %% they, not the links, may have set what was measured; run it on an idle machine or at a smaller scale.", 100*busy, 100*cpuLimit))
	}
	return s
}

// result says in a sentence what was found: the paper's main comparison.
func (r *Report) result(none, tcp *PolicyResult) string {
	text := fmt.Sprintf("Without redirection a request took %.2f s in the mean, with dpr (%s) %.2f s: %.1f times as fast", none.DelayMean, TCP, tcp.DelayMean, none.DelayMean/tcp.DelayMean)
	if pn, pt := Paper[None], Paper[TCP]; pt.DelayMean > 0 {
		text += fmt.Sprintf("; in the paper %.2f s and %.2f s, %.1f times", pn.DelayMean, pt.DelayMean, pn.DelayMean/pt.DelayMean)
	}
	met, measured := 0, 0
	for _, t := range r.Targets {
		if strings.HasPrefix(t.Why, "not measured") {
			continue
		}
		measured++
		if t.Met {
			met++
		}
	}
	return text + fmt.Sprintf(". Of the %d targets that were measured %d are met; they are listed below.", measured, met)
}

// targets lists the verdicts.
func (r *Report) targets() section {
	s := section{Title: "Targets", Table: &table{Head: []string{"Target", "limit", "figure", ""}}}
	for _, t := range r.Targets {
		verdict := "met"
		if !t.Met {
			verdict = "missed"
		}
		switch {
		case strings.HasPrefix(t.Why, "not measured"):
			verdict = t.Why
		case t.Why != "":
			verdict += ": " + t.Why
		}
		s.Table.row(t.What, fmt.Sprintf("%.4g", t.Limit), fmt.Sprintf("%.4g", t.Figure), verdict)
	}
	return s
}

// cpuLimit is how busy this machine may be before its processors are suspected.
const cpuLimit = 0.85

// busiest is how busy this machine was in the busiest run, 0 to 1.
func (r *Report) busiest() float64 {
	most := 0.0
	for _, p := range r.Policies {
		for _, run := range p.Repeats {
			most = max(most, run.CPU.Machine)
		}
	}
	return most
}

// paperCell is a figure of the paper's, if it has the policy.
func paperCell(policy, format string, f func(PaperRow) any) string {
	row, ok := Paper[policy]
	if !ok {
		return "–"
	}
	return fmt.Sprintf(format, f(row))
}

// spread is a figure with its least and most.
func (p *PolicyResult) spread(name, format string, median float64) string {
	s := p.Spread[name]
	return fmt.Sprintf(format+" ["+format+", "+format+"]", median, s[0], s[1])
}

func (r *Report) table1() section {
	s := section{
		Title: r.of("Table 1: performance"),
		Table: &table{Numbers: true, Head: []string{"Policy", "mean delay, s: paper", "ours", "variance, s²: paper", "ours", "rate, 1/s: paper", "ours", "ours ÷ scale", "total: paper", "ours", "redirected"}},
		After: []string{"A delay runs from when its user wanted the file, before connect, to the end of the file. The variance is that of a sample (n−1). The rate counts files that arrived while it was measured; the paper's is over 195 s."},
	}
	r.each(func(name string, p *PolicyResult) {
		s.Table.row(name,
			paperCell(name, "%.3f", func(r PaperRow) any { return r.DelayMean }), p.spread("delay_mean_s", "%.3f", p.DelayMean),
			paperCell(name, "%.2f", func(r PaperRow) any { return r.DelayVariance }), p.spread("delay_variance", "%.3g", p.DelayVariance),
			paperCell(name, "%.1f", func(r PaperRow) any { return r.Rate }), p.spread("rate", "%.1f", p.Rate), fmt.Sprintf("%.1f", p.Rate/r.Config.Scale),
			paperCell(name, "%d", func(r PaperRow) any { return r.Requests }), fmt.Sprintf("%.0f", p.Requests), fmt.Sprintf("%.0f %%", 100*p.Redirected))
	})
	return s
}

// comparisons are the pairs whose ratios the report gives: from the worse to the
// better.
func (r *Report) comparisons() [][2]string {
	pairs := [][2]string{{None, Random}, {None, TCP}, {Random, TCP}}
	r.each(func(name string, _ *PolicyResult) {
		switch name {
		case None, Random, TCP:
		case RandomDirect:
			pairs = append(pairs, [2]string{Random, name})
		case TCPDirect:
			pairs = append(pairs, [2]string{TCP, name}, [2]string{RandomDirect, name})
		case TCPSlow, OfferSlow:
			pairs = append(pairs, [2]string{None, name}, [2]string{Random, name})
		default:
			pairs = append(pairs, [2]string{None, name}, [2]string{Random, name}, [2]string{TCP, name})
		}
	})
	pairs = append(pairs, [2]string{TCPSlow, OfferSlow})
	return slices.DeleteFunc(pairs, func(p [2]string) bool { return r.Policies[p[0]] == nil || r.Policies[p[1]] == nil })
}

func (r *Report) ratios() section {
	s := section{
		Title: r.of("Ratios between policies"),
		Table: &table{Numbers: true, Head: []string{"From → to", "delay ÷: paper", "ours", "rate ×: paper", "ours"}},
		After: []string{"Ratios are of the medians."},
	}
	for _, pair := range r.comparisons() {
		a, b := r.Policies[pair[0]], r.Policies[pair[1]]
		delay, rate := "–", "–"
		pa, oka := Paper[pair[0]]
		pb, okb := Paper[pair[1]]
		if oka && okb {
			delay, rate = fmt.Sprintf("%.2f", pa.DelayMean/pb.DelayMean), fmt.Sprintf("%.3f", pb.Rate/pa.Rate)
		}
		s.Table.row(pair[0]+" → "+pair[1], delay, fmt.Sprintf("%.2f", a.DelayMean/b.DelayMean), rate, fmt.Sprintf("%.3f", b.Rate/a.Rate))
	}
	return s
}

// variants compares what the paper of 1998 did, as far as it is known: its abstract speaks of
// four variants.
func (r *Report) variants() section {
	s := section{
		Title: r.of("Four variants"),
		Text: []string{
			"The abstract of the first paper on DPR (Bestavros, Crovella, Liu, Martin: “Distributed Packet Rewriting and its Application to Scalable Server Architectures”, 1998) compares four variants. Which they were is in no text that this project has. These four are the two ways to choose a host, by a hash without any state or by loads with a flow for each connection, with the two ways to get a packet there: in a tunnel (IP-IP), or direct, as they are, to another MAC address on the same link.",
		},
		Table: &table{Numbers: true, Head: []string{"Variant", "host chosen by", "packets to peers", "without a tunnel", "mean delay, s", "rate, 1/s", "redirected"}},
		After: []string{"The links of this experiment carry answers, which go straight to the client in all four; what a tunnel adds to requests and acknowledgments hardly shows."},
	}
	for _, v := range []struct{ name, by, way string }{
		{Random, "hash", "IP-IP"}, {RandomDirect, "hash", "direct"}, {TCP, "loads", "IP-IP"}, {TCPDirect, "loads", "direct"},
	} {
		p := r.Policies[v.name]
		if p == nil {
			s.Table.row(v.name, v.by, v.way, "not measured", "–", "–", "–")
			continue
		}
		s.Table.row(v.name, v.by, v.way, fmt.Sprintf("%.0f %%", 100*p.Direct), p.spread("delay_mean_s", "%.3f", p.DelayMean), p.spread("rate", "%.1f", p.Rate), fmt.Sprintf("%.0f %%", 100*p.Redirected))
	}
	return s
}

func (r *Report) table2() section {
	s := section{
		Title: r.of("Table 2: relative performance"),
		Text: []string{
			fmt.Sprintf("What the paper calls the number of concurrent connections follows its rate: it is what the cluster served in a second. Here it is what the cluster served in %.2f s, which at this scale is as many connections, so that chance weighs the same. The index is 1 + ((P90 − P10)/2)/mean.", r.Config.Interval),
		},
		Table: &table{Numbers: true, Head: []string{"Policy", "mean: paper", "ours", "P10: paper", "ours", "P90: paper", "ours", "index: paper", "ours", "index of open connections a server"}},
		After: []string{"The last column is the same index of another thing: how many connections each server has open, once a second, all servers' together. It tells servers that are loaded alike from servers that are not, which the index of a sum cannot."},
	}
	r.each(func(name string, p *PolicyResult) {
		var all []float64
		for _, run := range p.Repeats {
			all = append(all, run.PerInterval...)
		}
		t := newTable2(all)
		s.Table.row(name,
			paperCell(name, "%.0f", func(r PaperRow) any { return r.Mean }), fmt.Sprintf("%.0f", t.Mean),
			paperCell(name, "%.0f", func(r PaperRow) any { return r.P10 }), fmt.Sprintf("%.0f", t.P10),
			paperCell(name, "%.0f", func(r PaperRow) any { return r.P90 }), fmt.Sprintf("%.0f", t.P90),
			paperCell(name, "%.2f", func(r PaperRow) any { return r.Index }), p.spread("index", "%.2f", p.Index),
			p.spread("open_index", "%.2f", p.OpenIndex))
	})
	return s
}

func (r *Report) sweepSection(dir string) (section, error) {
	f, err := r.sweepFigure(dir)
	if err != nil {
		return section{}, err
	}
	s := section{
		Title: "MaxLoad",
		Text: []string{
			fmt.Sprintf("The paper never says its MaxLoad. This run used %d for tcp and %d for tcp-slow (%s).", r.Config.MaxLoad, r.Config.MaxLoadSlow, r.Config.MaxLoadFrom),
			"Between two reports all who redirect see the same host as the least loaded one, and all send it what they have: the herd. A MaxLoad keeps some of them at home; corrected loads see where one's own went.",
		},
		Table:   &table{Numbers: true, Head: []string{"Policy, MaxLoad", "mean delay, s", "rate, 1/s", "redirected", "index of open connections"}},
		Figures: []figure{f},
	}
	for _, p := range r.Sweep {
		s.Table.row(fmt.Sprintf("%s, %d", p.Policy, p.MaxLoad), fmt.Sprintf("%.3f", p.DelayMean), fmt.Sprintf("%.1f", p.Rate), fmt.Sprintf("%.0f %%", 100*p.Redirected), fmt.Sprintf("%.2f", p.OpenIndex))
	}
	return s, nil
}

// validation sets the simulator beside the lab.
func (r *Report) validation() section {
	s := section{
		Title: "The simulator beside the lab",
		Text:  []string{"The simulator (testbed/eval/sim) runs the module's own kmod/core/policy.c on servers with processor sharing and the same number of users, capacity and OFF time. Where it agrees with the lab here, its figures for more hosts may be believed. " + FreshLowest + " is its bound: the host of fewest connections, known without any delay."},
		Table: &table{Numbers: true, Head: []string{"Policy, MaxLoad", "mean delay, s: lab", "simulator", "rate, 1/s: lab", "simulator", "redirected: lab", "simulator"}},
	}
	for _, sim := range r.Simulated {
		delay, rate, share := "–", "–", "–"
		if p := r.Policies[sim.Policy]; p != nil && sim.MaxLoad == r.maxLoad(sim.Policy) {
			delay, rate, share = fmt.Sprintf("%.3f", p.DelayMean), fmt.Sprintf("%.1f", p.Rate), fmt.Sprintf("%.0f %%", 100*p.Redirected)
		} else {
			for _, m := range r.Sweep {
				if m.Policy == sim.Policy && m.MaxLoad == sim.MaxLoad {
					delay, rate, share = fmt.Sprintf("%.3f (sweep)", m.DelayMean), fmt.Sprintf("%.1f", m.Rate), fmt.Sprintf("%.0f %%", 100*m.Redirected)
				}
			}
		}
		name := sim.Policy
		if p, err := byName(name); err != nil || p.MaxLoad != "auto" {
			name = fmt.Sprintf("%s, %d", name, sim.MaxLoad)
		} else {
			name += ", auto"
		}
		s.Table.row(name, delay, fmt.Sprintf("%.3f", sim.DelayMean), rate, fmt.Sprintf("%.1f", sim.Rate), share, fmt.Sprintf("%.0f %%", 100*sim.Redirected))
	}
	return s
}

// capacities shows what ratios other capacities would give.
func (r *Report) capacities() section {
	s := section{
		Title: "What another capacity would give",
		Text:  []string{fmt.Sprintf("Simulated. Rows of the paper's tables speak for %.0f to %.0f requests per second of a server (below); its ratios are not had together at any of them. Full load hides balance: where three servers are always busy, any policy that keeps them so is as good as another.", CapacityLeast, CapacityMost)},
		Table: &table{Numbers: true, Head: []string{"Scale, capacity", "delay, s: none", "random", "tcp (best MaxLoad)", "tcp-corrected", FreshLowest, "none → tcp: delay ÷", "rate ×", "random → tcp: delay ÷", "rate ×", "random → " + FreshLowest + ": delay ÷", "rate ×", "below tcp: tcp-corrected", FreshLowest}},
	}
	s.Table.row("the paper", fmt.Sprintf("%.3f", Paper[None].DelayMean), fmt.Sprintf("%.3f", Paper[Random].DelayMean), fmt.Sprintf("%.3f", Paper[TCP].DelayMean), "–", "–", "3.49", "1.337", "1.41", "1.044", "–", "–", "–", "–")
	for _, c := range r.Capacities {
		d, v := c.Delay, c.Rate
		s.Table.row(fmt.Sprintf("%.2g, %.0f", c.Scale, c.Capacity), fmt.Sprintf("%.3f", d[None]), fmt.Sprintf("%.3f", d[Random]), fmt.Sprintf("%.3f (%d)", d[TCP], c.MaxLoad), fmt.Sprintf("%.3f", d[Corrected]), fmt.Sprintf("%.3f", d[FreshLowest]),
			fmt.Sprintf("%.2f", d[None]/d[TCP]), fmt.Sprintf("%.3f", v[TCP]/v[None]), fmt.Sprintf("%.2f", d[Random]/d[TCP]), fmt.Sprintf("%.3f", v[TCP]/v[Random]),
			fmt.Sprintf("%.2f", d[Random]/d[FreshLowest]), fmt.Sprintf("%.3f", v[FreshLowest]/v[Random]),
			fmt.Sprintf("%.0f %%", 100*(1-d[Corrected]/d[TCP])), fmt.Sprintf("%.0f %%", 100*(1-d[FreshLowest]/d[TCP])))
	}
	return s
}

// maxLoad is what a policy ran with.
func (r *Report) maxLoad(policy string) uint64 {
	switch policy {
	case TCP, TCPDirect:
		return r.Config.MaxLoad
	case TCPSlow:
		return r.Config.MaxLoadSlow
	}
	return 0
}

func (r *Report) processors() section {
	s := section{
		Title: "Were processors the bottleneck?",
		Text:  []string{"Means of all repeats. The rate of a server that is at its capacity is to be that of its link; a processor that is less than busy is not what limits it. The lag is how late this machine was to connect."},
		Table: &table{Numbers: true, Head: []string{"Policy", "this machine", "s1", "s2", "s3", "s1: rate ÷ capacity", "s2", "s3", "lag, ms", "mean file, bytes"}},
	}
	r.each(func(name string, p *PolicyResult) {
		n := float64(len(p.Repeats))
		var busy, lag, size float64
		cpu, rate := make([]float64, servers), make([]float64, servers)
		for _, run := range p.Repeats {
			busy += run.CPU.Machine / n
			lag += run.LagMean / n
			size += run.MeanSize / n
			for i := range servers {
				cpu[i] += run.CPU.Servers[i] / n
				rate[i] += run.Hosts[i].Rate / n
			}
		}
		cells := []string{name, fmt.Sprintf("%.0f %%", 100*busy)}
		for _, c := range cpu {
			cells = append(cells, fmt.Sprintf("%.0f %%", 100*c))
		}
		for _, v := range rate {
			cells = append(cells, fmt.Sprintf("%.2f", v/r.Config.Capacity))
		}
		s.Table.row(append(cells, fmt.Sprintf("%.2f", 1000*lag), fmt.Sprintf("%.0f", size))...)
	})
	return s
}

func (r *Report) capacitySection() section {
	c := r.Config
	return section{
		Title: "Capacity, from the paper",
		Text: []string{
			fmt.Sprintf("Off time: Table 1's users made a request every 1500/rate seconds. Less the mean delay that is 1.99 s (random, %.0f/s) and 2.00 s (TCP, %.0f/s) of OFF time a transfer.", Paper[Random].Rate, Paper[TCP].Rate),
			fmt.Sprintf("Under TCP three servers served %.2f requests per second, so that one serves at least %.0f. Under None the two servers that had 250 users each served at most 125 each, and the third, which had 1,000, was overloaded and so at its capacity, the rest of %.2f: %.0f requests per second of a server. This is what is used here, times the scale. That row's mean delay, %.3f s, would be had at %.0f; what these others would give is above.", Paper[TCP].Rate, CapacityLeast, Paper[None].Rate, Capacity, Paper[None].DelayMean, CapacityMost),
			fmt.Sprintf("In the lab a server's link has %.3f Mbit/s: %.1f requests per second of %.0f bytes on the wire, the mean for this file set (files of %.0f bytes on average as they are asked for, and headers). tbf enforces it with a burst of %d bytes; fq_codel below it shares it among connections and drops nothing. Send buffers are 8 kB, so that a connection counts as open until its last bytes are on the way.", float64(c.Link)/1e6, c.Capacity, c.WireBytes, c.RequestBytes, tbfBurst),
			"What a host redirects goes out by its own link and is not free: of a redirected connection some ten small packets.",
			"Chance does not shrink with the scale. In a balanced cluster the number of requests that wait is a matter of how far it is loaded, so delays that come of chance alone are 1/scale times as long; those of the overloaded host under None are the same at any scale. Ratios to None are therefore smaller at a small scale, and those between the others larger.",
		},
	}
}

func (r *Report) workload() section {
	c := r.Config
	return section{
		Title: "Workload",
		Text: []string{
			fmt.Sprintf("SURGE, variant %q: %d files of %.1f MB in all, lognormal (μ 9.357, σ 1.318; 93 %%) and Pareto (k 133,000, α 1.1), cut at %d bytes, since a larger one would not end within a run where s1 is overloaded; popularity by Zipf, matched so that request sizes are Pareto (k 1,000, α 1); pages of embedded files by Pareto (k 1, α 2.43); stack distances lognormal (μ 1.5, σ 0.80); OFF times Pareto (k 1 s, α 1.5), cut at the 200 s of a run of the paper's. %.2f s of OFF time a transfer. HTTP/1.0, a connection a file.", string(c.Variant), c.Files.Files, float64(c.FileBytes)/1e6, c.Files.MaxSize, c.OffPerTransfer),
			"Each repeat has the same users for all policies. What is under way at a run's end is cut off and counts for nothing, as with SURGE; under None that hides some of the longest delays.",
		},
	}
}

func (r *Report) configuration() section {
	c := r.Config
	s := section{
		Title: "Configuration",
		Table: &table{Head: []string{"", ""}},
	}
	var split []string
	for client, server := range c.Split {
		split = append(split, fmt.Sprintf("c%d→s%d", client+1, server+1))
	}
	s.Table.row("Kernel of the servers", c.Kernel+" under "+c.Accelerator)
	s.Table.row("Machine", c.Machine)
	s.Table.row("Users", fmt.Sprintf("%d: 6 clients × %d processes × %d", c.Users, c.Processes, c.UsersPerProcess))
	s.Table.row("Families", "connections of "+c.Family.Name()+", own addresses of "+c.Family.Own().Name())
	s.Table.row("Split", strings.Join(split, ", "))
	s.Table.row("Measured", fmt.Sprintf("%d s after %d s (none: after %d s, as its overloaded server takes long to come to rest), %s", c.Seconds, c.Warmup, noneWarmup*c.Warmup, plural(c.Repeat, "repeat")))
	s.Table.row("Seeds", fmt.Sprintf("%d to %d for the users, %d for the files", c.Seed, c.Seed+uint64(c.Repeat)-1, c.Files.Seed))
	s.Table.row("Reports", fmt.Sprintf("every %s; every %s of the policies called slow", c.ReportPeriod, c.SlowPeriod))
	s.Table.row("MaxLoad", fmt.Sprintf("tcp %d, tcp-slow %d connections (%s)", c.MaxLoad, c.MaxLoadSlow, c.MaxLoadFrom))
	for _, p := range Policies {
		if r.Policies[p.Name] != nil {
			s.Table.row(p.Name, p.Title+": "+strings.Join(p.command(r.maxLoad(p.Name)), " "))
		}
	}
	s.Table.row("Took", c.Took)
	given := ""
	if c.MaxLoadFrom == "given" {
		given = fmt.Sprintf(" --max-load %d", c.MaxLoad)
	}
	s.Table.row("Again", fmt.Sprintf("dprlab reproduce --scale %g --seconds %d --warmup %d --repeat %d --seed %d --sweep-seconds %d%s --policies %s --variant %s --family %s --kernel %s",
		c.Scale, c.Seconds, c.Warmup, c.Repeat, c.Seed, c.SweepSeconds, given, strings.Join(c.Policies, ","), c.Variant, c.Family, c.Kernel))
	return s
}
