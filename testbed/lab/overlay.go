// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/service"
	"dpr/testbed/lab/initramfs"
	"dpr/testbed/lab/kernel"
)

// overlayImage collects what belongs to one lab: the guests' init, what they are
// told, and dpr. Programs and the guests' module are in bin; module is what that was built as,
// "" without dpr.
func overlayImage(ctx context.Context, c Config, hosts []Host, bin, module string) (initramfs.Image, error) {
	im := initramfs.Image{}
	if err := im.File("/init", filepath.Join(bin, "init")); err != nil {
		return nil, err
	}
	for _, program := range c.Programs {
		if err := im.Program(ctx, program); err != nil {
			return nil, err
		}
	}
	webServer(im)
	im.Link("/usr/bin/svc", "/init")
	im.Link("/usr/bin/labdata", "/init")
	im.Text("/etc/hosts", 0o644, hostsFile(hosts, c.Family))
	im.Text(nginxConf, 0o644, nginxConfig(c.AccessRate, c.AccessChunk))
	gc := guest.Config{
		Prefix:  network.Bits(),
		Prefix6: network6.Bits(),
		Modules: []string{"virtio_pci", "virtio_net"},
		Extras:  []string{"virtio_rng"},
		Sysctls: map[string]string{
			"net.core.somaxconn":                      "4096",
			"net.ipv4.tcp_max_syn_backlog":            "4096",
			"net.ipv6.conf.eth0.accept_dad":           "0",
			"net.ipv6.conf.eth0.accept_ra":            "0",
			"net.ipv6.conf.eth0.router_solicitations": "0",
		},
		Link:      c.Link,
		Services:  []service.Spec{nginxService},
		Ready:     "127.0.0.1:80",
		DataFiles: map[string]int64{guest.WebRoot + "/15k": 15_000, guest.WebRoot + "/1m": 1_000_000},
	}
	for name, size := range c.WebFiles {
		im.Dir(path.Dir(guest.WebRoot+name), 0o755)
		gc.DataFiles[guest.WebRoot+name] = size
	}
	key := newKey()
	var err error
	for _, h := range hosts {
		if h.Kind != Server {
			continue
		}
		gh := guest.Host{Name: h.Name, Address: h.Address, Address6: h.Address6}
		if !c.NoDPR {
			gh.Files = dprFiles(c, h, key)
		}
		if c.Older != "" && len(gc.Hosts) == olderServer {
			if gh.Moves, err = olderItems(im, filepath.Join(bin, olderDir)); err != nil {
				return nil, err
			}
		}
		gc.Hosts = append(gc.Hosts, gh)
	}
	if !c.NoDPR {
		gc.DPR = true
		gc.Services = append(gc.Services, dprServices()...)
		if err := dprItems(im, &gc, bin, module); err != nil {
			return nil, err
		}
	}
	b, err := json.MarshalIndent(gc, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("guest image: %w", err)
	}
	im.Text(guest.ConfigPath, 0o600, string(b))
	return im, nil
}

// dprItems adds dpr's programs and module, and has the modules loaded that it needs.
func dprItems(im initramfs.Image, gc *guest.Config, bin, module string) error {
	for _, p := range dprPrograms {
		if err := im.File("/usr/sbin/"+p, filepath.Join(bin, p)); err != nil {
			return err
		}
	}
	depends, err := kernel.Depends(module)
	if err != nil {
		return err
	}
	gc.Modules = append(gc.Modules, depends...)
	return im.File(guest.ModulePath, filepath.Join(bin, path.Base(guest.ModulePath)))
}

// writeInitrd writes a lab's initramfs: the base's archive and the overlay's.
func writeInitrd(path, base string, overlay initramfs.Image) error {
	in, err := os.Open(base)
	if err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	defer in.Close()
	return overlay.WriteFile(path, in)
}
