# `make` lists the targets. What they do is in charts/install.sh, cluster/, images/build.py and tests/run.sh.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
CLUSTER ?= kind
export CLUSTER
WORK ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/decnet
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(WORK)/bin:$(PATH):/usr/local/go/bin

.PHONY: help up down demo bench bench-pipe fuzz check check-fast test images lock generate

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	echo "  CLUSTER=current make up   installs into kubectl's current cluster (IMAGE_REGISTRY=… pushes the images)"

up: ## make a kind cluster, install DECNET and an example decky
	@charts/install.sh up

down: ## remove it all
	@charts/install.sh down

demo: ## attack decky-01 from the LAN and show what the database holds
	@PYTHONPATH=tests $(PYTHON) -m lab.demo

images: ## build the container images whose inputs changed
	@cluster/tools.sh && cluster/docker.sh && cluster/base-images.sh && images/build.py

check: ## every check that needs no cluster and no docker
	@tests/check.sh

bench: ## how long from kubectl apply to an answer on the LAN, for 20 deckies
	@PYTHONPATH=tests $(PYTHON) tests/bench/time_to_answer.py

bench-pipe: ## lines a second into Postgres, beside rsyslog and a bare COPY
	@PYTHONPATH=tests $(PYTHON) -m bench.pipe

fuzz: ## a minute of made-up bytes for the parsers of the wire
	@mkdir -p build/fuzz && $(PYTHON) tests/fuzz/fuzz_wire.py -max_total_time=60 build/fuzz tests/fuzz/corpus

check-fast: ## the part of it that a commit waits for
	@tests/check.sh fast

test: ## everything: check, integration, end-to-end in a cluster of its own
	@tests/run.sh

generate: ## write the files that are made from code: CRDs, chart copies, docs, API client
	@tests/generate.sh

lock: ## pin the dependencies of pyproject.toml with their hashes
	@$(PYTHON) -m venv build/uv && build/uv/bin/pip install -q --disable-pip-version-check uv
	for group in "" "-dev"; do
	  UV_CUSTOM_COMPILE_COMMAND="make lock" build/uv/bin/uv pip compile -q pyproject.toml $${group:+--group dev} \
	    --python-version 3.11 --generate-hashes --no-emit-index-url -o requirements$$group.lock
	done
