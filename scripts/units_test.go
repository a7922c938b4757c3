// SPDX-License-Identifier: MIT

package scripts

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A cluster of hosts with IPv6 addresses, backends, name servers and an exporter on [::] need
// sockets of IPv6: each unit may have those, and no others than these. The one that may do more
// than configure networks has none to the network.
func TestUnitsAddressFamilies(t *testing.T) {
	units, err := filepath.Glob("../systemd/*.service")
	if err != nil || len(units) < 6 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		var families []string
		for line := range strings.Lines(string(text)) {
			if list, ok := strings.CutPrefix(line, "RestrictAddressFamilies="); ok {
				families = append(families, strings.Fields(list)...)
			}
		}
		slices.Sort(families)
		want := []string{"AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"}
		if filepath.Base(unit) == "dpr-fastpath.service" {
			want = want[2:]
		}
		if !slices.Equal(families, want) {
			t.Errorf("%s may have sockets of %v, want %v", unit, families, want)
		}
	}
}

// commands returns the commands of a unit's setting, as systemd hands them to the shell.
func commands(t *testing.T, unit, setting string) (list []string) {
	t.Helper()
	for _, value := range settings(t, unit, setting) {
		if c, ok := strings.CutPrefix(value, "-/bin/sh -c '"); ok {
			list = append(list, strings.ReplaceAll(strings.TrimSuffix(c, "'"), "$$", "$"))
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s has no %s", unit, setting)
	}
	return list
}

// A host that leaves at a soft reboot, which keeps kernel and /run, has its former state
// afterwards, once; an unfinished start or a restart of the unit changes nothing. If the state
// cannot be set, that is done the next time, also after another soft reboot, unless somebody else
// has set one.
func TestLeaveIsUndoneAfterASoftReboot(t *testing.T) {
	const unit = "../systemd/dpr-leave.service"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"dprctl": "cd " + dir + `
echo "$*" >>log
state=$(cat state)
case "$state $*" in
fails*) exit 1 ;;
unset\ config) state=leaving ;;
unset*) exit 1 ;;
esac
[ "$*" != config ] || printf 'address  192.0.2.1\nstate    %s\nstart    no\n' "$state"`,
		"systemctl": "cat " + dir + "/system",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(setting, system, state string) string {
		t.Helper()
		for name, text := range map[string]string{"log": "", "system": system + "\n", "state": state} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, command := range commands(t, unit, setting) {
			command = strings.NewReplacer("/usr/sbin/dprctl", dir+"/dprctl", "/run/dpr/left", dir+"/left").Replace(command)
			cmd := exec.Command("/bin/sh", "-c", command)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LEAVE_TIMEOUT="+leaveTimeout(t, unit))
			fails := state == "fails" || state == "unset" // dprctl does
			if out, err := cmd.CombinedOutput(); err != nil && !fails || len(out) > 0 {
				t.Errorf("%s: %v, %s", command, err, out)
			}
		}
		log, err := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(log)
	}
	const leave = "config\nleave --wait --timeout 10s\n" // as the unit's environment says
	for _, step := range []struct{ setting, system, state, want string }{
		{"ExecStart", "starting", "active", ""},
		{"ExecStop", "running", "active", ""},
		{"ExecStart", "running", "active", ""},
		{"ExecStop", "stopping", "active", leave},
		{"ExecStart", "starting", "leaving", "config\nconfig set --state active\n"},
		{"ExecStart", "running", "active", ""},
		{"ExecStop", "stopping", "draining", leave},
		{"ExecStart", "starting", "fails", "config\n"},
		{"ExecStart", "starting", "unset", "config\nconfig set --state draining\n"},
		{"ExecStop", "stopping", "leaving", leave},
		{"ExecStart", "starting", "leaving", "config\nconfig set --state draining\n"},
		{"ExecStart", "running", "draining", ""},
		{"ExecStop", "stopping", "active", leave},
		{"ExecStart", "starting", "fails", "config\n"},
		{"ExecStop", "stopping", "fails", leave},
		{"ExecStart", "running", "draining", "config\n"},
		{"ExecStart", "running", "leaving", ""},
	} {
		if got := run(step.setting, step.system, step.state); got != step.want {
			t.Errorf("%+v: %q", step, got)
		}
	}
}

// No unit starts again for ever because of a mistake in the configuration file.
func TestUnitsStopAtMistakes(t *testing.T) {
	units, err := filepath.Glob("../systemd/*.service")
	if err != nil || len(units) < 6 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, unit := range units {
		if len(settings(t, unit, "Restart")) == 0 {
			continue
		}
		want := "78" // the daemons' for it, and below dprctl's: EXIT STATUS of their manual pages
		if strings.Contains(strings.Join(settings(t, unit, "ExecStart"), " "), "/dprctl ") {
			want = "2"
		}
		if got := settings(t, unit, "RestartPreventExitStatus"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is not started again after exit status %v; the program's is %s", unit, got, want)
		}
	}
}

// settings returns the values of a unit's setting.
func settings(t *testing.T, unit, setting string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, setting+"="); ok {
			list = append(list, strings.TrimSuffix(value, "\n"))
		}
	}
	return list
}

// leaveTimeout is how long dpr-leave.service lets connections go on.
func leaveTimeout(t *testing.T, unit string) string {
	t.Helper()
	for _, value := range settings(t, unit, "Environment") {
		if timeout, ok := strings.CutPrefix(value, "LEAVE_TIMEOUT="); ok {
			return timeout
		}
	}
	t.Fatalf("%s sets no LEAVE_TIMEOUT", unit)
	return ""
}

// Systemd ends a command of a unit that takes longer than the unit says; the connections have
// less.
func TestLeaveHasTime(t *testing.T) {
	const unit = "../systemd/dpr-leave.service"
	leave, err := time.ParseDuration(leaveTimeout(t, unit))
	if err != nil {
		t.Fatal(err)
	}
	stop := settings(t, unit, "TimeoutStopSec")
	if len(stop) != 1 {
		t.Fatalf("TimeoutStopSec=%q", stop)
	}
	if most, err := time.ParseDuration(stop[0]); err != nil || leave >= most {
		t.Errorf("connections have %v, the command %v: %v", leave, most, err)
	}
}

// What "make install" installs, and what is copied from contrib, runs the programs of
// /usr/local/sbin.
func TestUnitsOfMakeInstall(t *testing.T) {
	script, err := os.ReadFile("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(script), "\tsed '")
	edit, _, closed := strings.Cut(rest, "'")
	if !ok || !closed {
		t.Fatal("install.sh edits no unit")
	}
	units, err := filepath.Glob("../systemd/*")
	if err != nil || len(units) < 7 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, unit := range units {
		out, err := exec.Command("sed", edit, unit).Output()
		if err != nil || strings.Contains(string(out), "/usr/sbin/") {
			t.Errorf("%s: %v, runs programs of packages:\n%s", unit, err, out)
		}
	}
	copied, err := filepath.Glob("../contrib/*/*.service")
	if err != nil || len(copied) < 2 {
		t.Fatalf("units %v, %v", copied, err)
	}
	for _, unit := range copied {
		for _, command := range settings(t, unit, "ExecStart") {
			if !strings.HasPrefix(command, "dprctl ") {
				t.Errorf("%s runs %s, which may be elsewhere", unit, command)
			}
		}
	}
}

// What the pages say to reload can be reloaded.
func TestReloadedUnits(t *testing.T) {
	found := 0
	for _, page := range []string{"../man/dpr.toml.5", "../userland/config/dpr.toml", "../docs/operations.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, units, ok := strings.Cut(line, "systemctl reload ")
			units, _, _ = strings.Cut(strings.NewReplacer(")", "`", "\n", "`").Replace(units), "`")
			for _, unit := range strings.Fields(units) {
				if !strings.HasPrefix(unit, "dpr") {
					continue // BIRD's
				}
				found++
				if len(settings(t, "../systemd/"+unit+".service", "ExecReload")) == 0 {
					t.Errorf("%s: %s cannot be reloaded", page, unit)
				}
			}
			if ok && units == "" {
				t.Errorf("%s: %s", page, line)
			}
		}
	}
	if found < 9 {
		t.Errorf("%d units", found)
	}
}

// An upgrade waits for no unit that waits for multi-user.target, and is not left unfinished
// because systemd is busy.
func TestUpgradeWaitsForNobody(t *testing.T) {
	text, err := os.ReadFile("../debian/dpr.postinst")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := strings.ReplaceAll(string(text), "/run/systemd/system", dir)
	if script == string(text) {
		t.Fatal("it does not ask whether systemd runs")
	}
	for file, text := range map[string]string{"postinst": script, "systemctl": "#!/bin/sh\necho \"$*\" >>" + dir + "/log; case \"$*\" in *$FAILS*) exit 1; esac\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const active, reload, start = "-q is-active dpr.target\n", "--system daemon-reload\n", "--no-block start dpr-leave.service\n"
	for _, step := range []struct{ version, fails, want string }{
		{"0.2.0", "nothing", active + reload + start},
		{"0.2.0", "daemon-reload", active + reload + start},
		{"0.2.0", "start", active + reload + start},
		{"0.2.0", "is-active", active},
		{"", "nothing", ""},
	} {
		if err := os.WriteFile(filepath.Join(dir, "log"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", filepath.Join(dir, "postinst"), "configure", step.version)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "FAILS="+step.fails)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%+v: %v, %s", step, err, out)
		}
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || string(log) != step.want {
			t.Errorf("%+v: %v, it ran\n%s", step, err, log)
		}
	}
}

// The module is removed with its package, though the kernel lets go of it only a moment after the
// process has ended that kept the fast path on; what keeps it for longer is said.
func TestRemovalWaitsForTheFastPath(t *testing.T) {
	text, err := os.ReadFile("../debian/dpr-dkms.prerm")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := strings.NewReplacer("/run/systemd/system", dir, "/sys/module/dpr", dir+"/module").Replace(string(text))
	for file, text := range map[string]string{
		"prerm": script, "sleep": "#!/bin/sh\n", "deb-systemd-invoke": "#!/bin/sh\necho \"$*\" >>" + dir + "/log\n",
		"modprobe": "#!/bin/sh\necho \"modprobe $*\" >>" + dir + "/log; [ $(grep -c modprobe " + dir + "/log) -gt $BUSY ] && rm " + dir + "/module\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for busy, tries := range []int{1, 2, 3, 3} {
		for name, text := range map[string]string{"module": "", "log": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("/bin/sh", filepath.Join(dir, "prerm"), "remove")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "BUSY="+strconv.Itoa(busy))
		out, err := cmd.CombinedOutput()
		log, lerr := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil || lerr != nil {
			t.Fatalf("%v, %v: %s", err, lerr, out)
		}
		stopped, rest, _ := strings.Cut(string(log), "\n")
		if !strings.Contains(stopped, " dpr-fastpath.service ") || rest != strings.Repeat("modprobe -q -r dpr\n", tries) {
			t.Errorf("in use %d times: %s", busy, log)
		}
		if said := strings.Contains(string(out), "still in use"); said != (busy == 3) {
			t.Errorf("in use %d times: %q", busy, out)
		}
	}
}

// Without systemd the module is removed, too, if it is this system's and none of dpr's processes runs.
func TestRemovalWithoutSystemd(t *testing.T) {
	text, err := os.ReadFile("../debian/dpr-dkms.prerm")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := strings.NewReplacer("/run/systemd/system", dir+"/systemd", "/sys/module/dpr", dir+"/module", "/proc/", dir+"/").Replace(string(text))
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "self/ns"), 0o755), os.Mkdir(filepath.Join(dir, "7"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"prerm": script, "sleep": "#!/bin/sh\n", "deb-systemd-invoke": "#!/bin/sh\ntouch " + dir + "/invoked\n",
		"modprobe": "#!/bin/sh\nrm " + dir + "/module\n", "ischroot": "#!/bin/sh\nexit $CHROOT\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const first, other = "pid:[4026531836]", "pid:[4026532207]"
	for _, tt := range []struct {
		name, what, chroot, pids, runs string
		removed, said                  bool
	}{
		{"nothing of dpr runs", "remove", "1", first, "/usr/sbin/nginx", true, false},
		{"dpr-lab runs", "remove", "1", first, "/usr/sbin/dprlab", true, false},
		{"a process runs", "remove", "1", first, "/usr/sbin/dpr-receive", false, true},
		{"one of a package that is gone runs", "remove", "1", first, "/usr/sbin/dpr-receive (deleted)", false, true},
		{"one of make install runs", "remove", "1", first, "/usr/local/sbin/dpr-cleanup", false, true},
		{"upgrade", "upgrade", "1", first, "/usr/sbin/nginx", false, false},
		{"a chroot", "remove", "0", first, "/usr/sbin/nginx", false, false},
		{"perhaps a chroot", "remove", "2", first, "/usr/sbin/nginx", false, false},
		{"a container", "remove", "1", other, "/usr/sbin/nginx", false, false},
	} {
		if err := os.WriteFile(filepath.Join(dir, "module"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for link, to := range map[string]string{"self/ns/pid": tt.pids, "7/exe": tt.runs} {
			_ = os.Remove(filepath.Join(dir, link))
			if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("/bin/sh", filepath.Join(dir, "prerm"), tt.what)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CHROOT="+tt.chroot)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", tt.name, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "module")); os.IsNotExist(err) != tt.removed {
			t.Errorf("%s: the module is removed: %v, want %v", tt.name, !tt.removed, tt.removed)
		}
		if said := strings.Contains(string(out), "still in use"); said != tt.said {
			t.Errorf("%s: %q", tt.name, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "invoked")); !os.IsNotExist(err) {
		t.Error("it had systemd stop something")
	}
}

// "make uninstall" waits for the kernel, too. If something keeps the module, all stays.
func TestUninstallWaitsForTheFastPath(t *testing.T) {
	text, err := os.ReadFile("uninstall.sh")
	if err != nil {
		t.Fatal(err)
	}
	root, dest := t.TempDir(), t.TempDir()
	module, log, installed := root+"/module", root+"/log", dest+"/usr/local/sbin/dprctl"
	// As if it were this host that it is removed from, but for the files.
	script := strings.NewReplacer(`[ -z "$dest" ] && [ -e /sys/module/dpr ]`, "[ -e "+module+" ]", "/sys/module/dpr", module).Replace(string(text))
	if strings.Count(script, module) < 2 || strings.Contains(script, "/sys/module") {
		t.Fatalf("it looks for the module in another way:\n%s", script)
	}
	for path, text := range map[string]string{
		root + "/scripts/uninstall.sh": script, root + "/bin/sleep": "#!/bin/sh\n",
		root + "/bin/rmmod": "#!/bin/sh\necho \"rmmod $*\" >>" + log + "; [ $(grep -c rmmod " + log + ") -gt $BUSY ] && rm " + module + "\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for busy, tries := range []int{1, 2, 3, 3} {
		for _, path := range []string{module, log, installed} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("/bin/sh", root+"/scripts/uninstall.sh", dest)
		cmd.Env = append(os.Environ(), "PATH="+root+"/bin:"+os.Getenv("PATH"), "BUSY="+strconv.Itoa(busy))
		out, err := cmd.CombinedOutput()
		if kept := busy == 3; (err != nil) != kept || strings.Contains(string(out), "in use") != kept {
			t.Errorf("in use %d times: %v, %s", busy, err, out)
		}
		if _, err := os.Stat(installed); (err == nil) != (busy == 3) {
			t.Errorf("in use %d times, dprctl: %v", busy, err)
		}
		if got, err := os.ReadFile(log); err != nil || string(got) != strings.Repeat("rmmod dpr\n", tries) {
			t.Errorf("in use %d times: %v, %s", busy, err, got)
		}
	}
}

// "make uninstall" removes all that "make install" has installed, but for the configuration.
func TestUninstall(t *testing.T) {
	root, dest := t.TempDir(), t.TempDir()
	for _, dir := range []string{"scripts", "systemd", "man", "userland/config"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"bin/dprctl", "bin/dpr-broadcast", "bin/dpr-receive", "bin/dpr-cleanup", "bin/dpr-fastpath", "bin/dpr-exporter", "kmod/dpr.ko"} {
		path := filepath.Join(root, program)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	files := func() (list []string) {
		err := filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				list = append(list, strings.TrimPrefix(path, dest))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, step := range []struct {
		script string
		ok     func([]string) bool
	}{
		{"install.sh", func(list []string) bool { return len(list) > 20 }},
		{"uninstall.sh", func(list []string) bool { return slices.Equal(list, []string{"/etc/dpr/dpr.toml"}) }},
		{"uninstall.sh", func(list []string) bool { return slices.Equal(list, []string{"/etc/dpr/dpr.toml"}) }},
	} {
		if out, err := exec.Command("/bin/sh", filepath.Join(root, "scripts", step.script), dest).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v, %s", step.script, err, out)
		}
		if list := files(); !step.ok(list) {
			t.Errorf("after %s: %q", step.script, list)
		}
	}
}
