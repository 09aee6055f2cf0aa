# The two commands a newcomer needs: `make demo` and `make test`. Both set up what they need.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

.PHONY: demo test test-long sessions check faults bench bench-ble fuzz soak soak-live central-demo central-faults bench-central supply browser postgres clean

demo: $(VENV)/.runtime  ## three simulated rooms, in the browser; ARGS="--rooms 8 --speed 10"
	@$(BIN)/vitals demo $(ARGS)

test: $(VENV)/.test browser postgres  ## types, style, imports, unit, pty, Chromium, PostgreSQL, faults in short
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long" $(ARGS)

test-long: $(VENV)/.test browser postgres  ## the rest: whole sessions, every size of page, crowds, outages, failover
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long $(ARGS)

sessions: $(VENV)/.test browser  ## whole sessions from arrival to discharge, in Chromium, and their record
	$(BIN)/python -m pytest tests/dashboard/whole_session.py $(ARGS)

check: $(VENV)/.test  ## only what needs no running program: style, types, imports
	$(BIN)/python -m pytest tests/packaging

faults: $(VENV)/.test browser  ## every fault at its full number, as a table; ARGS="--row 8", "--write"
	$(BIN)/python -m tests.faults.run $(ARGS)

bench: $(VENV)/.test browser  ## latency, CPU and memory under load, as a table
	$(BIN)/python -m tests.bench.run $(ARGS)

bench-ble: $(VENV)/.test browser  ## simulated Bluetooth: connecting, delivery, a hundred outages on each stack
	$(BIN)/python -m tests.ble.measure
	$(BIN)/python -m tests.bench.ble $(ARGS)

fuzz: $(VENV)/.test  ## ten million random bytes through every driver, as a table
	$(BIN)/python -m tests.bench.fuzz $(ARGS)
	$(BIN)/python -m tests.bench.fuzz_parsers

soak: $(VENV)/.test  ## a simulated day of sixteen ports: memory and open files, as a table
	$(BIN)/python -m tests.bench.soak $(ARGS)

soak-live: $(VENV)/.test browser  ## sixteen rooms, pages and faults in real time; ARGS="--minutes 60"
	$(BIN)/python -m tests.bench.soak_live $(ARGS)

$(VENV)/.runtime: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "kap-vitals needs Python 3.11 or newer: install python3 and python3-venv" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 has no venv module: install python3-venv" >&2; exit 2; }
	$(PIP) install --quiet --constraint constraints.txt --editable '.[sim]'
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

central-demo: $(VENV)/.test postgres  ## two stations, a PostgreSQL of their own and the central page
	@$(BIN)/vitals central-demo $(ARGS)

central-faults: $(VENV)/.test postgres  ## what becomes of the line to the centre, at its full numbers
	$(BIN)/python -m tests.central.outages $(ARGS)

bench-central: $(VENV)/.test postgres  ## ten thousand rooms by way of PostgreSQL, as a table
	$(BIN)/python -m tests.bench.central $(ARGS)

supply: $(VENV)/.test  ## what the program is made of (CycloneDX), and what is known against it
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh -c '.ci/sbom && .ci/audit'

browser:
	@sh .ci/browser
	@sh .ci/npm

postgres:
	@sh .ci/postgres

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
