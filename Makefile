# The chores. CI calls the same ones.
.DEFAULT_GOAL := help
TOOL = go tool -modfile=tools/go.mod
FUZZTIME ?= 5s

.PHONY: help
help: ## list the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: run
run: ## run the server for development, on localhost:7070
	go run ./cmd/todoke serve --dev

.PHONY: build
build: ## build bin/todoke, one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/todoke ./cmd/todoke

.PHONY: test
test: ## everything that must pass: unit, conformance and race tests, examples, browsers where there are any
	./scripts/test

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	./scripts/lint

.PHONY: vuln
vuln: ## look for known vulnerabilities (needs the vulnerability database)
	$(TOOL) govulncheck ./...

.PHONY: fuzz
fuzz: ## fuzz every parser, FUZZTIME each (5s)
	./scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## the benchmarks of the core
	go test -run '^$$' -bench . -benchmem .

.PHONY: profile
profile: ## profiles of a scenario: make profile SCENARIO="fanout --readers 8000 --saturated"
	./scripts/profile $(SCENARIO)

.PHONY: bench-compare
bench-compare: ## todoke beside the bare servers and one by hand, about five minutes; report in bench/results (Linux)
	go run ./bench/compare $(COMPARE)

.PHONY: soak
soak: ## ten minutes of publishes, cuts and resumes on every transport
	go run ./bench/soak -for 10m

.PHONY: faults
faults: ## kill, stop, cut and fill what todoke runs on, on every engine; ten minutes (docs/faults.md)
	go run ./test/faults $(FAULTS)

.PHONY: console
console: ## build the page at / anew (needs Node)
	cd console && npm ci --loglevel=error && npm run check && npm run build
