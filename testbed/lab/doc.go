// SPDX-License-Identifier: MIT

// Package lab brings up a cluster of real kernels on one machine: server guests
// in QEMU and clients in network namespaces, all on one bridge in a private
// network namespace. The command dprlab, the demo and the integration tests use
// this same code. What it is made of has packages of its own: kernel, initramfs, qemu,
// netns, broker; singlevm boots one guest without a lab.
//
//	l, err := lab.Up(ctx, lab.Config{Progress: os.Stderr})
//	defer l.Down(ctx)
//	out, err := l.Output(ctx, "c1", "curl", "-s", "http://10.77.0.11/")
//	exit, err := l.Exec(ctx, "s1", lab.Cmd{Args: []string{"cat"}, Stdin: r, Stdout: w})
//
// Each host has an address of IPv4 and one of IPv6. Config.Family says of which the
// servers' own addresses are: the sources of their tunnels and reports. A host's name
// stands for its address of that family; s1-4 and s1-6 are those of either.
//
// A lab outlives the process that brought it up: it has a name, its state is in
// /run/dprlab/NAME, Open finds it again and Down removes it, whatever crashed. One
// process of it lasts, its broker (package broker): it runs the guests and passes
// commands on. Commands reach a guest through a serial port, so they go on when
// its network is cut.
//
// # Servers
//
// A server is a kernel of Debian's with an initramfs made of this machine's
// programs. Its first process (package guest) brings up the network, inserts
// dpr.ko, runs dprctl apply and keeps the services running: nginx,
// dpr-broadcast, dpr-receive and dpr-cleanup. A service that dies is started
// again 1 s later. On a server,
//
//	svc list                             lists the services
//	svc status|start|stop|restart NAME   works with one
//	svc pid NAME                         prints its process
//	labdata SIZE                         writes /srv/www/SIZE, prints its SHA-256
//
// and nginx serves
//
//	/          the host's name
//	/15k, /1m  files of 15,000 and 1,000,000 bytes, those of Config.WebFiles, and
//	           what labdata wrote
//	/upload/X  takes PUT, keeps the file as /srv/upload/X; DELETE removes it
//	/poll      /15k, after 5 s: a long poll
//	/status    nginx's stub_status
//
// with the host's name in the header X-Served-By.
//
// # Trouble
//
// Guests boot with panic_on_warn and end when they panic. Check, and everything
// that runs a command, fails with a *splat.Error that holds what the kernel printed,
// or with a *DeadError if a guest ended otherwise, until the guest is booted anew.
package lab
