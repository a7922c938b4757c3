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

# What the programs and the module call themselves.
VERSION = $(shell debian/version.sh)

.PHONY: all
all: deps-build go module ## build the commands into bin/ and, if its headers are here, the running kernel's module

.PHONY: lab
lab: deps go ## build the commands, and install what dprlab needs of Debian

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
demo: deps go ## three servers, six clients 4:1:1, a minute each under off and lowest; table and out/demo.json
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab demo

.PHONY: reproduce
reproduce: deps go ## the paper's evaluation, its tables and figures beside ours, half an hour; out/reproduce/report.html
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab reproduce $(REPRODUCE_FLAGS)

.PHONY: test
test: deps-test go ## C checks, Go unit tests and the integration tests in the lab
	@scripts/test.sh

.PHONY: test-kernels
test-kernels: deps ## the packet path on Debian's 6.1, 6.12 and newest kernels
	@scripts/test-kernels.sh 6.1 6.12 newest

.PHONY: smoke-kernels
smoke-kernels: deps ## boot, redirect, reload on those that "make test" leaves out: 6.12 and the newest
	@scripts/test-kernels.sh -s 6.12 newest

.PHONY: test-debug
test-debug: deps ## the same on a kernel with KASAN, lockdep, kmemleak (built first, 20 minutes of one core)
	@scripts/test-kernels.sh debug

.PHONY: lint
lint: ## warnings of gcc, clang, sparse, checkpatch, gofmt, vet, staticcheck; fuzzing for seconds
	@scripts/deps/install.sh packages packages-test packages-lint
	@FUZZ_SECONDS=$(LINT_FUZZ_SECONDS) scripts/lint.sh

.PHONY: fuzz
fuzz: deps go ## made up messages and packets, failing memory, races, floods, natively on a kernel with KASAN; out/reliability.json
	@scripts/deps/install.sh packages packages-lint
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_FLAGS)

.PHONY: enemy
enemy: deps go ## attack dpr: blind packets, a local program without rights, races of two processors; out/enemy.json
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab enemy $(ENEMY_FLAGS)

.PHONY: test-mutations
test-mutations: deps-test ## mistakes made in the module and in the Go programs on purpose, which tests must find
	$(GO_PATH) && export PATH && $(AS_ROOT) testbed/check/datapath/mutate.sh
	@$(MAKE) test-mutations-go

.PHONY: test-mutations-go
test-mutations-go: deps-test ## mistakes in the Go programs and in the judges, half an hour; MUTATIONS_FLAGS="userland/report"
	$(GO_PATH) && export PATH && $(AS_ROOT) go run ./testbed/check/mutants $(MUTATIONS_FLAGS)

.PHONY: bench
bench: deps-bench go ## what packets, flows and connections cost, beside IPVS and others; out/bench.json and out/bench/
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab bench $(BENCH_FLAGS)

.PHONY: bench-diff
bench-diff: deps-bench go ## what changed in cost since a commit: make bench-diff BASE=COMMIT; fails if it got worse
	@[ -n "$(BASE)" ] || { echo "bench-diff: say what to compare with: make bench-diff BASE=COMMIT" >&2; exit 2; }
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab bench-diff $(BENCH_FLAGS) "$(BASE)"

.PHONY: chaos
chaos: deps go ## hosts, links, clocks and processes broken at random under load, an hour: make chaos CHAOS_FLAGS="--seed 7 --events 100"
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab chaos $(CHAOS_FLAGS)

.PHONY: soak
soak: deps go ## an hour of steady load: memory, flows, delays and books stay as they are; SOAK_FLAGS="--seconds 600"
	@mkdir -p out
	$(GO_PATH) && export PATH && $(AS_ROOT) bin/dprlab soak $(SOAK_FLAGS)

.PHONY: deb
deb: ## the packages dpr and dpr-dkms, checked by lintian, in out/deb
	@scripts/deps/install.sh packages packages-deb
	@debian/make-deb.sh out/deb

.PHONY: test-install
test-install: deps go ## the packages on virtual machines of Debian 12 and 13: install, reboot, upgrade, remove
	@scripts/deps/install.sh packages packages-test packages-deb packages-install
	@$(AS_ROOT) testbed/check/packages/run.sh $(SUITES)

.PHONY: test-docs
test-docs: deps-test go ## the commands of README.md and docs/, in labs of their own
	$(GO_PATH) && export PATH && $(AS_ROOT) scripts/docs.sh source
	$(GO_PATH) && export PATH && $(AS_ROOT) scripts/docs.sh lab
	$(GO_PATH) && export PATH && $(AS_ROOT) scripts/docs.sh example

.PHONY: install
install: ## what "make" built, for the running kernel and below $(DESTDIR)/usr/local, with systemd's units
	@scripts/install.sh "$(DESTDIR)"

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
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
