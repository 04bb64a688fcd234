# SPDX-License-Identifier: MIT
# `make help` lists the targets.

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)
# Where an event passes calls are inlined; all the rest is built for size: see
# docs/decisions/004-size.md.
HOT         := runtime internal/... sync/... reflexd/agent/loop reflexd/agent/gesture reflexd/agent/rule reflexd/sources
GCFLAGS     := -gcflags=all=-l $(HOT:%=-gcflags=%=)
GOBUILD      = CGO_ENABLED=0 GOOS=linux go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' $(GCFLAGS)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TARGETS     := armv6 armv7 arm64 riscv64 amd64
# The time of all files in packages: that of the commit.
DATE        := $(shell git log -1 --format=%ct 2>/dev/null || echo 1767225600)
FUZZTIME    := 10s
# What the ARMv6 program may take: see docs/decisions/005-size-limit.md.
SIZELIMIT   := 7717376

# What `go env` calls each of TARGETS.
env_armv6   := GOARCH=arm GOARM=6
env_armv7   := GOARCH=arm GOARM=7
env_arm64   := GOARCH=arm64
env_riscv64 := GOARCH=riscv64
env_amd64   := GOARCH=amd64

.PHONY: build docs demo test unit layout cross lint lab lab-test lab-pi3 lab-virt lab-virt-2 lab-itself soak bench pictures packages dist apt-repo fuzz size tools fresh clean help
.DELETE_ON_ERROR:

build: build/reflexd build/reflexd-mqtt ## the programs for this machine, in build/

.PHONY: build/reflexd build/reflexd-mqtt
build/reflexd build/reflexd-mqtt: build/%:
	$(GOBUILD) -o $@ ./cmd/$*

# The signals are blocked before Go's runtime starts: see sources/signal/entry.go.
build/reflexd $(TARGETS:%=build/%/reflexd) size: LDFLAGS += -E reflexd_entry

demo: tools build/arm64/reflexd ## boot an emulated Raspberry Pi and show the main job (INTERACTIVE=1 to play with it)
	go run ./lab/demo -reflexd build/arm64/reflexd $(if $(INTERACTIVE),-interactive)

test: lint unit layout cross lab-test ## everything that proves that it works
	@if test "$$(id -u)" = 0; then echo "make test: all of it passed"; else \
		echo "make test: what ran passed; to run the tests that need root too, run it as root"; fi

# Without this, a test that misses a program is skipped.
unit layout lab-itself: export REFLEXD_TOOLS = all

unit: tools ## unit tests, under the race detector; they try all fuzz seeds and examples too
	go test -race ./...
	CGO_ENABLED=0 go test $(GCFLAGS) -run Alloc ./sources/... ./agent/... # as the program is built: little is inlined

layout: tools ## the tests of what runs on boards as a 32-bit program, for the layouts of kernel structures
	GOARCH=386 go test $$(go list ./... | grep -vE '^reflexd/(packaging|lab|bridge)/?')

cross: $(TARGETS:%=build/%/reflexd) size ## the program for all boards; the smallest must stay small
	@size=$$(stat -c %s build/armv6/reflexd); test $$size -le $(SIZELIMIT) || { echo "build/armv6/reflexd: $$size bytes, $(SIZELIMIT) are allowed"; exit 1; }

# The same program as for ARMv6, with the symbols that say whose its bytes are.
size: ## what each package costs in the armv6 program; fails if one costs more than lab/size/budget allows
	$(env_armv6) $(subst -s -w,,$(GOBUILD)) -o build/armv6/symbols ./cmd/reflexd
	go run ./lab/size -budget lab/size/budget build/armv6/symbols

# No kernel that runs 32-bit ARM programs has pages of more than 16 KiB; the
# linker would round all segments up to 64 KiB.
build/armv6/reflexd build/armv7/reflexd size: LDFLAGS += -R 0x4000

# The Go command knows better than make what is up to date.
.PHONY: $(TARGETS:%=build/%/reflexd)
$(TARGETS:%=build/%/reflexd): build/%/reflexd:
	$(env_$*) $(GOBUILD) -o $@ ./cmd/reflexd

.PHONY: $(TARGETS:%=build/%/reflexd-mqtt)
$(TARGETS:%=build/%/reflexd-mqtt): build/%/reflexd-mqtt:
	$(env_$*) $(GOBUILD) -o $@ ./cmd/reflexd-mqtt

lint: tools ## gofmt, go vet for all boards, staticcheck
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet ./...
	go vet -tags lab ./lab/...
	GOARCH=arm GOARM=6 go vet ./...
	GOARCH=arm64 go vet ./...
	GOARCH=riscv64 go vet ./...
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags lab ./lab/...

lab: tools ## fetch and build what the emulated boards need, into the cache
	go run ./lab/warm

lab-test: export REFLEXD_TURNS = $(CURDIR)/build/turns
lab-test: lab build/arm64/reflexd build/armv6/reflexd build/arm64/reflexd-mqtt build/armv6/reflexd-mqtt ## the ARM programs on the emulated boards
	@rm -rf $(REFLEXD_TURNS) && mkdir -p $(REFLEXD_TURNS)
	@$(MAKE) --no-print-directory --output-sync -j3 lab-virt lab-virt-2 lab-pi3 lab-itself
	go test -tags lab -count=1 -run TestNoTestIsLeftOut ./lab/trial

# The boards wait for each other in nothing, so each has runs of its own; those
# of virt, which has most tests, take turns.
lab-pi3 lab-virt lab-virt-2: lab-%:
	REFLEXD_BUILD=$(CURDIR)/build REFLEXD_BOARD=$(firstword $(subst -, ,$*)) go test -tags lab -count=1 -timeout 20m ./lab/trial

lab-itself:
	go test -tags lab -count=1 -timeout 20m $$(go list ./lab/... | grep -v /trial)

# Not among the prerequisites of test: a minute of the first and two rounds of the
# second are.
soak: lab build/arm64/reflexd build/armv6/reflexd ## an hour of everything that can happen to a board, 600 damaged drives, and every system call failing in every way (SOAK=8h, MUTANTS=3000, SEED=what an earlier run printed)
	REFLEXD_SOAK=$(or $(SOAK),1h) REFLEXD_MUTANTS=$(or $(MUTANTS),600) REFLEXD_SEED=$(SEED) REFLEXD_BUILD=$(CURDIR)/build \
		go test -tags lab -count=1 -v -timeout 0 -run 'TestSoak|TestMountDamagedDrives' ./lab/trial
	REFLEXD_FAULTS=all REFLEXD_BUILD=$(CURDIR)/build go test -tags lab -count=1 -v -timeout 0 -run 'CallsFail|Bursts' ./lab/fault ./lab/trial

bench: lab build/arm64/reflexd build/amd64/reflexd build/armv6/reflexd build/amd64/reflexd-mqtt ## latencies beside a minimal C program, into docs/performance.md; allocations per event (GROUP=board, host, interfaces, counters, fleet or scale: that alone)
	go test -run '^$$' -bench . -benchmem ./agent/... ./sources/... ./config/...
	REFLEXD_BUILD=$(CURDIR)/build REFLEXD_BENCH_PAGE=docs/performance.md REFLEXD_VERSION=$(VERSION) go run ./lab/bench $(GROUP)

pictures: lab build/arm64/reflexd ## the pictures of the documents, drawn again on an emulated board
	go run ./lab/picture -reflexd build/arm64/reflexd

docs: ## the documentation as a site, in build/_site (Debian's mkdocs, mkdocs-material and mkdocs-literate-nav)
	@command -v mkdocs >/dev/null || { echo "make docs: apt-get install mkdocs mkdocs-material mkdocs-literate-nav"; exit 1; }
	@rm -rf build/_site build/_docs && mkdir -p build/_docs
	@git ls-files -co --exclude-standard -- '*.md' '*.go' '*.c' 'bridge/testdata/*.json' LICENSE docs examples packaging board/tables | \
		grep -v _test.go | tar -c -T - | tar -x -C build/_docs
	mkdocs build --strict --quiet

packages: $(TARGETS:%=build/%/reflexd) $(TARGETS:%=build/%/reflexd-mqtt) ## packages for Debian, archives for boards without it, SBOMs and checksums, in dist/
	go run ./packaging/pack -version '$(VERSION)' -date $(DATE) $(TARGETS)

dist: packages ## the same

apt-repo: ## a folder that apt can install from, of the packages in dist/, signed by gpg: KEY=NAME, REPO=FOLDER (dist/apt)
	go run ./packaging/pack -date $(DATE) -repository $(or $(REPO),dist/apt) -key '$(KEY)'

fuzz: ## each fuzz test for FUZZTIME
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$p/*_test.go | cut -c6-); do \
			echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done

# Without cgo, which wants what may be missing.
tools:
	@CGO_ENABLED=0 go run ./lab/warm -tools

fresh: ## the README's commands on a minimal Debian that is made for it, as root (STEPS="demo user": those alone)
	lab/fresh $(STEPS)

clean: ## remove what was built; the lab's cache stays
	rm -rf build dist

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
