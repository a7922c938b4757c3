// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/service"
	"dpr/testbed/lab/kernel"
)

// overlayImage collects what belongs to one lab: the guests' init, what they are
// told, and dpr. Programs are in bin; module is dpr.ko, "" without dpr.
func overlayImage(ctx context.Context, c Config, hosts []Host, bin, module string) (image, error) {
	im := image{}
	if err := im.file("/init", filepath.Join(bin, "init")); err != nil {
		return nil, err
	}
	for _, program := range c.Programs {
		if err := im.program(ctx, program); err != nil {
			return nil, err
		}
	}
	im.link("/usr/bin/svc", "/init")
	im.link("/usr/bin/labdata", "/init")
	im.text("/etc/hosts", 0o644, hostsFile(hosts))
	im.text(nginxConf, 0o644, nginxConfig(c.AccessRate))
	gc := guest.Config{
		Prefix:  network.Bits(),
		Modules: []string{"virtio_pci", "virtio_net"},
		Extras:  []string{"virtio_rng"},
		Sysctls: map[string]string{
			"net.core.somaxconn":              "4096",
			"net.ipv6.conf.eth0.disable_ipv6": "1",
			"net.ipv4.tcp_max_syn_backlog":    "4096",
		},
		Link:      c.Link,
		Services:  []service.Spec{nginxService},
		Ready:     "127.0.0.1:80",
		DataFiles: map[string]int64{guest.WebRoot + "/15k": 15_000, guest.WebRoot + "/1m": 1_000_000},
	}
	for name, size := range c.WebFiles {
		im.dir(path.Dir(guest.WebRoot+name), 0o755)
		gc.DataFiles[guest.WebRoot+name] = size
	}
	key := newKey()
	for _, h := range hosts {
		if h.Kind != Server {
			continue
		}
		gh := guest.Host{Name: h.Name, Address: h.Address}
		if !c.NoDPR {
			gh.Files = dprFiles(c.DPR, h.Address, key)
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
	im.text(guest.ConfigPath, 0o600, string(b))
	return im, nil
}

// dprItems adds dpr's programs and module, and has the modules loaded that it needs.
func dprItems(im image, gc *guest.Config, bin, module string) error {
	for _, p := range dprPrograms {
		if err := im.file("/usr/sbin/"+p, filepath.Join(bin, p)); err != nil {
			return err
		}
	}
	depends, err := kernel.Depends(module)
	if err != nil {
		return err
	}
	gc.Modules = append(gc.Modules, depends...)
	return im.file(guest.ModulePath, module)
}

// writeInitrd writes a lab's initramfs: the base's archive and the overlay's.
func writeInitrd(path, base string, overlay image) error {
	in, err := os.Open(base)
	if err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	defer in.Close()
	return writeImage(path, overlay, in)
}

// writeImage writes an initramfs: archives that are there already, then im's.
func writeImage(path string, im image, before ...io.Reader) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	_, err = io.Copy(out, io.MultiReader(before...))
	if err == nil {
		err = im.write(out)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	return nil
}
