# Every command of this project; `make` lists them. Works with GNU make 3.81 (macOS) and newer.

HOST ?= 127.0.0.1
PORT ?= 8000
# PYTHON=…       the Python that .venv is made with (3.11–3.13); found by itself otherwise
# TORCH_INDEX=…  the address of a package index to take torch from, PyTorch's CPU index for one.
#                Its files are not PyPI's, so this one package is then not checked against lock/
# EACH=…         examples of each kind of hostile input (make fuzz)
# UPGRADE=1      lets `make lock` take newer versions
# ARGS=…         goes to pytest (make test) and to the evaluation (make eval, make gate, make bench)

SHELL := bash
.NOTPARALLEL:

# No model hub; no telemetry of onnxruntime; no warning of forked tokenizers; no threads that spin while they wait; no news of pip.
export HF_HUB_OFFLINE := 1
export ORT_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
RUN := $(BIN)/python -m
# Wheels only: a source package would run code, and fetch tools to build it, that no hash covers.
PIP := $(RUN) pip install --no-deps --only-binary=:all:
# pip tells three lines a package; of those, the large downloads are worth showing.
DOWNLOADS := | { grep --line-buffered -o '^ *Downloading [^/]* MB)' || :; }

# An environment is stamped, last of all, with what it was made of and where: no stamp, no environment.
digest = $(shell { pwd; cat $(1); } | { sha256sum 2>/dev/null || shasum -a 256; } | cut -c1-16)
LOCKS   := pyproject.toml lock/torch-cpu.txt lock/torch.txt lock/cuda.txt \
           lock/serve.txt lock/build.txt
SERVING := .venv/.serving-$(call digest,$(LOCKS))
TESTING := .venv/.testing-$(call digest,$(LOCKS) lock/traces.txt lock/test.txt)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile
	@echo 'Settings (PORT=, HOST=, PYTHON=, TORCH_INDEX=, ARGS=) stand at the head of the Makefile.'

serve: bundle ## answer questions about corpus/ on http://127.0.0.1:8000 (installs what it needs)
	@exec $(BIN)/report-qa serve --host $(HOST) --port $(PORT)

bundle: $(SERVING) ## index corpus/ into build/bundle/, if it is not already
	@$(BIN)/report-qa index build

eval: bundle ## measure the answers on eval/questions/
	@$(RUN) eval run $(ARGS)

gate: bundle ## compare the answers with eval/baseline.json; fails if they got worse
	@$(RUN) eval gate $(ARGS)

soak: bundle ## 200,000 questions from 64 clients, then ten times what it can answer (half an hour)
	@$(RUN) eval soak --markdown eval/results/soak.md $(ARGS)
	@$(RUN) eval overload --markdown eval/results/overload.md

bench: bundle ## measure speed beside what people would pick instead (20 minutes; installs 500 MB beside)
	@$(RUN) eval speed --markdown eval/results/speed.md $(ARGS)

test: lint ## lint, types, then every test
	@$(RUN) pytest $(ARGS)

fuzz: $(TESTING) ## hostile input by the thousand, into eval/results/fuzz.md (EACH=… examples of each kind)
	@FUZZ_EACH=$(or $(EACH),7500) FUZZ_REPORT=eval/results/fuzz.md $(RUN) pytest tests/test_fuzz.py $(ARGS)

lint: $(TESTING) ## style and types only
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy

format: $(TESTING) ## put the code into the house style
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

lock: ## pin what pyproject.toml asks for into lock/ (UPGRADE=1: newest versions)
	@$(FIND_PYTHON); tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	"$$python" -m venv "$$tmp" && "$$tmp/bin/python" -m pip install -q uv==0.13.9 && \
	"$$tmp/bin/python" lock/compile.py "$$tmp/bin/uv" $(if $(UPGRADE),--upgrade)

licences: $(TESTING) ## list the licences of what serving installs, in service/deploy/licences.md
	@$(BIN)/python lock/licences.py

sbom: ## list what serving installs, with hashes, in build/sbom.json (CycloneDX)
	@mkdir -p build; $(call WITH_TOOL,cyclonedx-bom==7.5.0,cyclonedx-py requirements lock/serve.txt \
	  --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json)

audit: ## look up what serving, building and testing install among known vulnerabilities (asks PyPI)
	@$(call WITH_TOOL,pip-audit==2.10.1,pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  $(patsubst %,-r lock/%.txt,serve build traces test torch)) || { \
	  echo 'audit: a package is vulnerable, or could not be looked up (see above)' >&2; exit 1; }

widget: ## build service/static/widget.js from service/widget/ (needs Node 20 or newer)
	@mkdir -p build/widget && cp -R service/widget/. build/widget/
	@cd build/widget && npm ci --no-audit --no-fund --silent && npm run --silent build
	@cp build/widget/widget.js service/static/widget.js

clean: ## remove all that make has made
	@rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache

.PHONY: help serve bundle eval gate bench soak test fuzz lint format lock licences sbom audit widget clean

# --- environments ---------------------------------------------------------------------------------

$(SERVING): | .venv/.made
	@rm -f .venv/.serving-* .venv/.testing-*
	@echo '[1/3] installing torch (about 190 MB, or 110 MB on a Mac)'
	@$(if $(TORCH_INDEX),$(TORCH_FROM_INDEX),$(TORCH_FROM_LOCK))
	@echo '[2/3] installing the rest (about 240 MB)'; set -o pipefail; \
	$(PIP) --require-hashes -r lock/serve.txt -r lock/build.txt $(DOWNLOADS)
	@echo '[3/3] installing report-qa itself'
	@$(PIP) -q --no-build-isolation -e .
	@touch $@

TORCH_FROM_INDEX = $(PIP) --index-url $(TORCH_INDEX) "$$(grep -o '^torch==[0-9.]*' lock/torch.txt)"

# A CPU build if pip can find one, else PyPI's, which on Linux is the one with CUDA. Any failure but
# "not found" ends here: a wrong hash or a full disk is no reason to download gigabytes.
define TORCH_FROM_LOCK
if ! $(PIP) --require-hashes -r lock/torch-cpu.txt 2>.venv/torch.log; then \
  grep -q 'No matching distribution' .venv/torch.log || { cat .venv/torch.log >&2; exit 1; }; \
  [ "$$(uname)" = Linux ] && echo '      no CPU build in reach, so with CUDA: about 2.7 GB, 5.5 GB' \
    'on disk (Ctrl-C, then make TORCH_INDEX=… to name an index of CPU builds)'; \
  $(PIP) --require-hashes -r lock/torch.txt || exit 1; \
  if [ "$$(uname)" = Linux ]; then set -o pipefail; \
    $(PIP) --require-hashes -r lock/cuda.txt $(DOWNLOADS); fi; \
fi
endef

$(TESTING): $(SERVING)
	@echo 'installing the test tools (about 95 MB)'; set -o pipefail; \
	$(PIP) --require-hashes -r lock/traces.txt -r lock/test.txt $(DOWNLOADS)
	@touch $@

.venv/.made:
	@$(FIND_PYTHON); echo "making .venv with $$python (1.7 GB, one to three minutes)"; \
	"$$python" -m venv --clear .venv >/dev/null 2>&1 || { \
	"$$python" -m venv --clear --without-pip .venv && \
	"$$python" -m pip --python $(BIN)/python install -q pip; } 2>/dev/null || { \
	echo "$$python cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

# A program of a package that is needed now and then, in an environment that is gone afterwards.
define WITH_TOOL
$(FIND_PYTHON); tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
"$$python" -m venv "$$tmp" && "$$tmp/bin/python" -m pip install -q --only-binary=:all: $(1) && "$$tmp/bin/"$(2)
endef

# The first that runs (a pyenv shim may not) and is in range: the system's own, then the newest.
define FIND_PYTHON
python= tried=; \
for p in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
  v=$$("$$p" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
  case $$v in 3.11 | 3.12 | 3.13) python=$$p; break;; esac; \
  tried="$$tried, $$p $${v:+is }$${v:-does not run}"; \
done; \
[ "$$python" ] || { echo "no Python 3.11, 3.12 or 3.13 found ($${tried#, });" \
  "install one, then: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
endef
