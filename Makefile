# SPDX-License-Identifier: MIT
#
# Everything starts here: "make help" lists what there is to do.
#
# Each target works on a fresh Debian 12 machine on its own: what it needs of
# Debian's packages is installed first if it is missing.

# The directory of a Go that can build this module, asked for when it is used:
# the deps target may only just have installed it.
GO_PATH = PATH="$$(scripts/deps/go-dir.sh):$$PATH"
# The lab needs root.
AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=GOPROXY,GOFLAGS,HOME env "PATH=$$PATH")
KDIR = /lib/modules/$(shell uname -r)/build
# Seconds that "make fuzz" gives each target in user space, and "make lint".
FUZZ_SECONDS = 60
LINT_FUZZ_SECONDS = 5
# How long "make test-services" has clients.
SERVICES_DURATION = 4m
# How many downloads "make test-roads" has open while routes change.
ROADS_CONNECTIONS = 200

# What the programs and the module call themselves.
VERSION = $(shell debian/version.sh)

.PHONY: all
all: deps-build go module ## build the commands into bin/, and the module if the running kernel's headers are installed

.PHONY: lab
lab: deps go ## build the commands and install the Debian packages that dprlab needs

.PHONY: go
go:
	$(GO_PATH) go build -ldflags '-X dpr/userland/daemon.version=$(VERSION)' -o bin/ ./cmd/...

.PHONY: module
module:
	@if [ -e "$(KDIR)/Makefile" ]; then \
		$(MAKE) -C kmod KDIR="$(KDIR)" DPR_VERSION="$(VERSION)"; \
	else \
		echo "no headers of the running kernel in $(KDIR): its module is not built (the lab builds its own)"; \
	fi

.PHONY: demo
demo: deps go ## run three servers and six clients (4:1:1), a minute each under off and lowest; print a table, write out/demo.json and out/demo.svg
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab demo

.PHONY: demo-l7
demo-l7: deps go ## serve /images and /api by different servers of three, through any address (experimental); out/demo-l7.json and out/demo-l7.svg
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab demo-l7

.PHONY: demo-recording
demo-recording: deps go ## record "make demo" as docs/images/demo.svg
	$(GO_PATH) && export PATH && unset MAKEFLAGS MAKELEVEL && go run ./testbed/eval/recording -columns 128 -rows 36 -out docs/images/demo.svg -- make -s demo

.PHONY: reproduce
reproduce: deps go ## run the paper's evaluation and set its tables and figures beside ours, 40 minutes; out/reproduce/report.html
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab reproduce $(REPRODUCE_FLAGS)

.PHONY: reproduce-lard
reproduce-lard: deps go ## simulate hosts whose memory is too small for all documents, under locality, lowest and stateless; out/lard.json and out/lard.svg
	@mkdir -p out
	bin/dprlab reproduce-lard $(LARD_FLAGS)

.PHONY: test
test: deps-test go ## run the C checks, the Go unit tests and the tests in the lab
	@scripts/test.sh

.PHONY: test-kernels
test-kernels: deps ## test the packet path on Debian's 6.1, 6.12 and newest kernels
	@scripts/test-kernels.sh 6.1 6.12 newest

.PHONY: smoke-kernels
smoke-kernels: deps ## boot, redirect and reload on the kernels that "make test" leaves out: 6.12 and the newest
	@scripts/test-kernels.sh -s 6.12 newest

.PHONY: test-debug
test-debug: deps ## test the packet path on a kernel with KASAN, lockdep and kmemleak (first built, 20 minutes of one core)
	@scripts/test-kernels.sh debug

.PHONY: test-direct
test-direct: deps-test ## test the packet path on Debian's 6.1 with packets that go without a tunnel where they can
	$(GO_PATH) && export PATH CGO_ENABLED=0 DPR_KERNEL=6.1 DPR_PATH_WAYS=direct && scripts/go-test.sh out/direct.log -tags lab -timeout 90m ./testbed/check/datapath/host

.PHONY: lint
lint: ## run gcc, clang, sparse, checkpatch, gofmt, vet and golangci-lint, without warnings; fuzz for seconds
	@scripts/deps/install.sh packages packages-test packages-lint
	@FUZZ_SECONDS=$(LINT_FUZZ_SECONDS) scripts/lint.sh

.PHONY: fuzz
fuzz: deps go ## send generated messages and packets, fail allocations, race and flood, natively on a kernel with KASAN; out/reliability.json
	@scripts/deps/install.sh packages packages-lint
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_FLAGS)

.PHONY: enemy
enemy: deps go ## attack dpr with blind packets, a local program without rights and races of two CPUs; out/enemy.json
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab enemy $(ENEMY_FLAGS)

.PHONY: test-mutations
test-mutations: deps-test ## introduce mistakes into the module and the Go programs that tests must find
	$(GO_PATH) && export PATH && $(AS_ROOT) testbed/check/datapath/mutate.sh
	$(GO_PATH) && export PATH CGO_ENABLED=0 && scripts/go-test.sh out/sabotage.log -tags lab -timeout 20m -run TestSabotaged ./testbed/check/chaos
	@$(MAKE) test-mutations-go

.PHONY: test-mutations-go
test-mutations-go: deps-test ## introduce mistakes into the Go programs and the verdicts, half an hour; MUTATIONS_FLAGS="userland/report"
	$(GO_PATH) && export PATH && $(AS_ROOT) go run ./testbed/check/mutants $(MUTATIONS_FLAGS)

.PHONY: bench
bench: deps-bench go ## measure what packets, flows and connections cost, beside IPVS and others; out/bench.json and out/bench/
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab bench $(BENCH_FLAGS)

.PHONY: bench-diff
bench-diff: deps-bench go ## compare the cost with a commit's and fail if it got worse: make bench-diff BASE=COMMIT
	@[ -n "$(BASE)" ] || { echo "bench-diff: say what to compare with: make bench-diff BASE=COMMIT" >&2; exit 2; }
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab bench-diff $(BENCH_FLAGS) "$(BASE)"

.PHONY: chaos
chaos: deps go ## break hosts, links, clocks and processes at random under load, an hour: make chaos CHAOS_FLAGS="--seed 7 --events 100"
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab chaos $(CHAOS_FLAGS)

.PHONY: chaos-mixed
chaos-mixed: deps go ## the same, while one of the hosts has the module and the programs of the last release
	@mkdir -p out
	@scripts/last-release.sh out/older
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab chaos --older out/older --out out/mixed.json $(CHAOS_FLAGS)

.PHONY: test-services
test-services: deps-test go ## serve three services on different hosts of four, of both families, and change their rules meanwhile
	$(GO_PATH) && export PATH CGO_ENABLED=0 DPR_CLUSTER_SERVERS=4 DPR_SERVICES_DURATION=$(SERVICES_DURATION) && scripts/go-test.sh out/services.log -tags lab -timeout 40m -run '^TestServicesOfTheirOwn$$' ./testbed/check/cluster

.PHONY: test-roads
test-roads: deps-test go ## announce one address on four hosts by BGP, and change the routes under open connections: make test-roads ROADS_CONNECTIONS=2000
	@scripts/deps/install.sh packages-roads
	$(GO_PATH) && export PATH CGO_ENABLED=0 DPR_ROADS_CONNECTIONS=$(ROADS_CONNECTIONS) && scripts/go-test.sh out/roads.log -tags lab -timeout 40m ./testbed/check/roads

.PHONY: test-layer7
test-layer7: deps-test go ## place connections of curl, wget, h2load and a browser by what they ask nginx, Apache, HAProxy, mini_httpd and Go for; DPR_KERNEL=6.12
	@scripts/deps/install.sh packages-layer7
	$(GO_PATH) && export PATH CGO_ENABLED=0 && scripts/go-test.sh out/layer7.log -tags lab -timeout 120m ./testbed/check/layer7

.PHONY: soak
soak: deps go ## keep a steady load for an hour and check that memory, flows, delays and accounting stay constant; SOAK_FLAGS="--seconds 600"
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab soak $(SOAK_FLAGS)

.PHONY: deb
deb: ## build the packages dpr, dpr-dkms and dpr-lab in out/deb and check them by lintian
	@scripts/deps/install.sh packages packages-deb
	@debian/make-deb.sh out/deb

.PHONY: test-install
test-install: deps go ## install, reboot, upgrade and remove the packages on virtual machines of Debian 12 and 13
	@scripts/deps/install.sh packages packages-test packages-deb packages-install
	@$(AS_ROOT) testbed/check/packages/run.sh $(SUITES)

.PHONY: test-ansible
test-ansible: deps go ## make a cluster of three virtual machines by the Ansible role, spoil it and change its keys
	@scripts/deps/install.sh packages packages-test packages-deb packages-install
	@$(AS_ROOT) testbed/check/packages/run.sh ansible

.PHONY: test-alerts
test-alerts: deps-test go ## break a cluster in eleven ways and ask a real Prometheus and Alertmanager what fires
	@scripts/deps/install.sh packages-alerts
	$(GO_PATH) && export PATH CGO_ENABLED=0 && scripts/go-test.sh out/alerts.log -tags lab,alerts -timeout 40m -run '^Test(Alerts|DashboardQueries)$$' ./testbed/check/cluster

.PHONY: test-docs
test-docs: deps-test go ## run the commands of README.md and docs/ in labs of their own
	$(GO_PATH) && export PATH && $(AS_ROOT) scripts/docs.sh source
	$(GO_PATH) && export PATH && $(AS_ROOT) scripts/docs.sh lab
	$(GO_PATH) && export PATH && $(AS_ROOT) scripts/docs.sh example

.PHONY: install
install: ## install what "make" built, for the running kernel and below $(DESTDIR)/usr/local, with the systemd units
	@scripts/install.sh "$(DESTDIR)"

.PHONY: uninstall
uninstall: ## stop and remove what "make install" installed; the configuration stays
	@scripts/uninstall.sh "$(DESTDIR)"

.PHONY: clean
clean: ## remove what was built
	rm -rf bin out
	rm -f kmod/tests/*_test kmod/tests/*_fuzz
	rm -rf kmod/.tmp_versions
	find kmod -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name 'modules.order' -o -name 'Module.symvers' | xargs -r rm -f

.PHONY: deps
deps:
	@scripts/deps/install.sh packages

.PHONY: deps-build
deps-build:
	@scripts/deps/install.sh packages-build

.PHONY: deps-test
deps-test:
	@scripts/deps/install.sh packages packages-test

.PHONY: deps-bench
deps-bench:
	@scripts/deps/install.sh packages packages-bench

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
