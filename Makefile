# Shortcuts only: each target is one command that can be typed as well, see docs/development.md.

.DEFAULT_GOAL := help
.PHONY: help build test lint race fuzz demo serve ci explain chaos bench-replicas bench-mandates release image

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the program, as bin/adapter
	go build -o bin/adapter ./adapter

test: ## all tests that need nothing installed
	go test ./...

lint: ## gofmt, vet and staticcheck
	.ci/run format vet staticcheck

race: ## the tests under the race detector
	.ci/run race

fuzz: ## every parser for 5 s each (FUZZTIME=2m for longer)
	.ci/run fuzz

explain: ## what PostgreSQL does for each statement on 1,000,000 orders
	ADAPTER_TEST_EXPLAIN_ORDERS=1000000 go test -count=1 -timeout=30m -v -run '^TestPlans$$' ./store/postgres

chaos: ## three replicas on PostgreSQL under kills, cuts and restarts until EMTA has 2,000 orders (ADAPTER_TEST_SEED=n repeats a run)
	ADAPTER_TEST_POSTGRES=required ADAPTER_TEST_ORDERS=$${ADAPTER_TEST_ORDERS:-2000} go test -count=1 -timeout=90m -v -run '^TestChaos$$' ./adapter

bench-replicas: ## what three replicas cost and carry beside one; fails where a figure is not reached
	ADAPTER_TEST_POSTGRES=required go test -timeout=30m -v -run '^$$' -bench '^BenchmarkReplicas$$' -benchtime=1x ./adapter

bench-mandates: ## how long lists of mandates take on PostgreSQL, under load, of 1,000,000 mandates and of 1,000
	ADAPTER_TEST_MANDATES=1000000 go test -count=1 -timeout=30m -v -run '^TestListingUnderLoad$$' ./mandate

demo: ## a scripted day against simulators
	go run ./adapter demo --once

serve: ## the program with its defaults
	go run ./adapter serve

release: ## dist/: the program for linux/amd64 and arm64, with version (VERSION=1.0.0), commit and checksums
	.ci/release $(VERSION)

image: ## the image adapter:VERSION; needs Docker
	docker build -f deploy/Dockerfile --build-arg VERSION=$(or $(VERSION),dev) --build-arg COMMIT=$$(git rev-parse HEAD) -t adapter:$(or $(VERSION),dev) .

ci: ## everything that is checked before a change goes in
	.ci/run
