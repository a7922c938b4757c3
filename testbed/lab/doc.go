// Package lab brings up a cluster of real kernels on one machine: server
// guests in QEMU and clients in network namespaces, all on one bridge in a
// private network namespace. The command dprlab and the integration tests use
// this same code.
//
// A lab outlives the process that brought it up: it has a name, its state is
// in /run/dprlab/NAME, and Open finds it again.
//
//	l, err := lab.Up(ctx, lab.Config{Servers: 3, Clients: 6, Progress: os.Stderr})
//	defer l.Down(ctx)
//	out, err := l.Output(ctx, "c1", "curl", "-s", "http://10.77.0.11/")
//	exit, err := l.Exec(ctx, "s1", lab.Cmd{Args: []string{"cat"}, Stdin: r, Stdout: w})
//
// The exported API:
//
//	type Config struct {
//		Name       string        // default "lab"
//		Servers    int           // 1 to 80, default 3
//		Clients    int           // 0 to 100, default 6
//		Kernel     string        // "6.1", "6.12" or a full release; default "6.1"
//		Memory     int           // MiB of each guest, default 384
//		NoDPR      bool          // boot without dpr.ko, its daemons and dprctl
//		DPR        DPRConfig     // what /etc/dpr/dpr.toml says on each server
//		Link       string        // rate of each server's link as tc names it ("8mbit"); "" = unlimited
//		AccessRate string        // nginx limit_rate of each connection ("64k", bytes/s); "" = unlimited
//		Source     string        // the module's root; "" = found from the working directory
//		Progress   io.Writer     // one line a step; nil = none
//	}
//	type DPRConfig struct { Policy, Hash, Estimate, Marker string; MaxLoad uint64; ReportPeriod time.Duration } // zero values: the daemons' defaults
//
//	func Up(ctx context.Context, c Config) (*Lab, error)   // ErrExists when it is up already
//	func Open(name string) (*Lab, error)                   // errors.Is(err, os.ErrNotExist) when there is none
//	func Down(ctx context.Context, name string) error      // idempotent, works after any crash
//	func Packages() []string                               // Debian packages the lab needs
//
//	type Host struct { Name, Kind, Address, MAC string }   // s1.. Server 10.77.0.11.., c1.. Client 10.77.0.101..
//	func (l *Lab) Name() string
//	func (l *Lab) Kernel() Kernel
//	func (l *Lab) Hosts() []Host                           // servers first
//	func (l *Lab) Servers() []Host
//	func (l *Lab) Clients() []Host
//	func (l *Lab) Host(name string) (Host, error)
//
//	type Cmd struct { Args []string; Stdin io.Reader; Stdout, Stderr io.Writer; Env []string; Dir string }
//	func (l *Lab) Exec(ctx context.Context, host string, c Cmd) (exit int, err error)        // any host; err only if it could not run, or a *SplatError
//	func (l *Lab) Output(ctx context.Context, host string, args ...string) (string, error)   // stdout; a non-zero status is an error with stderr
//	func (l *Lab) Push(ctx context.Context, host, src, dst string) error                     // file to host, mode kept
//	func (l *Lab) Pull(ctx context.Context, host, src, dst string) error
//	func (l *Lab) Command(ctx context.Context, client string, args ...string) (*exec.Cmd, error) // a local process in a client's namespace
//	func (l *Lab) InNamespace(client string, f func() error) error                           // f on a thread in a client's namespace: sockets opened in it stay there
//	func (l *Lab) Served(ctx context.Context, server string) (Served, error)                 // what nginx served since boot
//	type Served struct { Connections, Requests, Bytes int64 }
//
//	func (l *Lab) Capture(ctx context.Context, host string, o CaptureOptions) (*Capture, error) // returns once packets are being captured
//	type CaptureOptions struct { File, Filter string; Snaplen int }
//	func (c *Capture) Stop() (CaptureStats, error)         // CaptureStats{Captured, Dropped int64}
//	func (l *Lab) Logs(ctx context.Context, host string, w io.Writer, follow bool) error
//	func (l *Lab) Check() error                            // nil or *SplatError{Host, Text}
//	func (l *Lab) Status(ctx context.Context) ([]HostStatus, error)
//	func (l *Lab) Poweroff(ctx context.Context, server string) error                         // hard, as pulling the plug
//	func (l *Lab) Boot(ctx context.Context, server string) error
//	func (l *Lab) Down(ctx context.Context) error
//
// On a server nginx serves http://ADDRESS/ (names the host), /15k, /1m (static
// files), /100m (after `labdata 100m` was run on it), PUT /upload/NAME (kept in
// /srv/upload/NAME), and /status (stub_status). `svc list|start|stop|restart|pid
// NAME` manages nginx, dpr-broadcast, dpr-receive and dpr-cleanup; one that dies
// is started again 1 s later.
package lab
