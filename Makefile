# Everything a developer does here, and CI with the same words. Plain "make" lists it.

GO       ?= go
FUZZTIME ?= 10s
BENCH    ?=

# Developer tools are pinned in a module of their own, so that the product's
# go.mod lists what the product needs. "go tool -n" builds one and prints its path.
staticcheck = $$($(GO) -C tools tool -n staticcheck)

.PHONY: help
help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build all binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

.PHONY: run
run: ## start everything in one process, for a first look
	$(GO) run ./cmd/tandem

.PHONY: demo
demo: ## send one job of every type and watch it finish
	$(GO) run ./cmd/tandem demo

.PHONY: test
test: ## run all tests with the race detector
	$(GO) test -race ./...

SEEDS ?= 100000
.PHONY: simulation
simulation: ## play SEEDS plans of faults against the queue in virtual time
	$(GO) test ./internal/jobs/simulation -run TestSeeds -simulation.seeds=$(SEEDS) -timeout 24h -v

.PHONY: test-interop
test-interop: ## share queues with the official Node client (needs npm)
	npm ci --prefix internal/jobs/interop/node --no-audit --no-fund
	$(GO) test -race -count=1 ./internal/jobs/interop/...

.PHONY: test-containers
test-containers: ## build the images and run them against each other (needs Docker)
	$(GO) test -tags containers -count=1 -timeout 20m ./internal/containertest/...

.PHONY: check-deploy
check-deploy: ## hold manifests, compose file, alerts and board against the code
	$(GO) -C deploy/check vet ./...
	$(GO) -C deploy/check test -count=1 ./...

# What faults are drawn from. It is printed; the same one gives the same plan again.
SEED := $(or $(SEED),$(shell date +%s))
# Where the rows of docs/reliability.md go; "make faults" writes none by itself.
ROWS ?=

.PHONY: faults
faults: ## break servers, disks, networks and processes, and count what is kept
	$(GO) -C proof vet ./...
	$(GO) -C proof test -count=1 -timeout 10m $$($(GO) -C proof list ./... | grep -v -e '/storm$$' -e '/promises$$')
	$(GO) -C proof test -count=1 -timeout 15m ./storm ./promises -args -seed=$(SEED) -out=$(ROWS)

# It takes about 50 minutes of a quiet machine. What is red stops nothing, and is
# told in the end.
.PHONY: campaign
campaign: ## the same, large: 1,000 faults, 1,000,000 jobs; writes docs/reliability.md
	$(GO) -C proof run ./campaign -seed=$(SEED) -out=$(CURDIR)/proof/results || red=1; $(GO) -C proof run ./table && exit $${red:-0}

.PHONY: peers
peers: ## the same faults for Tandem, BullMQ and asynq, in six minutes; writes docs/reliability.md
	npm ci --prefix internal/jobs/interop/node --no-audit --no-fund
	$(GO) -C proof test -count=1 -timeout 20m -parallel 20 -v ./peers -run '^TestBesideItsPeers$$' -args -full -seed=$(SEED) -out=$(CURDIR)/proof/results
	$(GO) -C proof run ./table

.PHONY: mutants
mutants: ## plant bugs in our own code and see that the checker finds each; writes a row of docs/reliability.md
	$(GO) -C proof test -count=1 -timeout 30m -v ./mutants -args -all -out=$(CURDIR)/proof/results || red=1; $(GO) -C proof run ./table && exit $${red:-0}

DOCKER   ?= docker
# What is stamped into the images.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
CREATED  ?= $(shell git show -s --format=%cI HEAD 2>/dev/null)

.PHONY: images
images: ## build tandem/api, tandem/worker and tandem/tandem, tagged local
	for target in api worker tandem; do \
		DOCKER_BUILDKIT=1 $(DOCKER) build --target $$target -t tandem/$$target:local --build-arg VERSION=$(VERSION) \
			--build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) . || exit 1; \
	done

.PHONY: cover
cover: ## measure which code the tests reach; writes cover.out and cover.html
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -html=cover.out -o cover.html
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME (10s)
	@FUZZTIME=$(FUZZTIME) GO=$(GO) tools/fuzz

.PHONY: bench
bench: ## measure Tandem beside BullMQ and asynq, and write docs/performance.md (BENCH: more flags; -only writes nothing)
	npm ci --prefix internal/jobs/interop/node --no-audit --no-fund
	$(GO) -C bench run ./cmd/compare -write ../docs/performance.md $(value BENCH)

.PHONY: check-bench
check-bench: ## the benchmark's own tests, and one quick round of a few workloads
	npm ci --prefix internal/jobs/interop/node --no-audit --no-fund
	$(GO) -C bench vet ./...
	$(GO) -C bench test -count=1 ./...
	$(GO) -C bench run ./cmd/compare -quick -only '^(add/50|drain/10|pickup|http)$$'

.PHONY: lint
lint: fmt-check vet staticcheck tidy-check ## all checks that run no code

.PHONY: fmt-check
fmt-check: ## every file is as gofmt writes it
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "run gofmt -w on:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## what go vet finds
	$(GO) vet ./...

.PHONY: staticcheck
staticcheck: ## what staticcheck finds
	$(staticcheck) ./...

.PHONY: tidy-check
tidy-check: ## go.mod and go.sum list what is used, and nothing else
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff
	$(GO) -C deploy/check mod tidy -diff
	$(GO) -C proof mod tidy -diff
	$(GO) -C bench mod tidy -diff

.PHONY: vuln
vuln: ## known vulnerabilities in what we link (needs the network)
	@GO=$(GO) tools/vuln

.PHONY: clean
clean: ## remove what the other targets have written
	rm -rf bin cover.out cover.html
