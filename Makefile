# `make help` lists the targets. Each works alone on a fresh clone: it makes the venv and installs what it needs.

PYTHON ?= python3
AGAINST ?= HEAD
FOLDER ?= release
VENV := .venv
# Columns of `dvc exp show` that say nothing at a glance; SHOW=--md or SHOW=--csv gives another form.
UNREAD = 'Created|Executor|.*(tokens|rows|truncated|parameters)|classes|best_|steps|stopped|ece|mcc|average|weighted|roc|data/|models/'
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# pip compiles nothing here (--no-compile): Python keeps what it compiles when first imported, or every process would
# compile torch and transformers anew, six seconds each, where an image sets this.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

repro: $(VENV)/installed  ## run the pipeline: data, tokens, model, metrics
	@$(BIN)/python -m stages.params
	@$(BIN)/python -m stages.unlock
	@$(BIN)/python -m dvc repro

test: $(VENV)/installed-dev  ## run the tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

experiments: $(VENV)/installed  ## list experiments by what differs between them: params and main scores
	@git rev-parse --quiet --verify HEAD >/dev/null || { \
	  echo "nothing is committed yet, and experiments stand on a commit: git add --all && git commit" >&2; exit 2; }
	@$(BIN)/dvc exp show --only-changed --hide-workspace --drop $(UNREAD) $(SHOW)
	@[ -n "$$($(BIN)/dvc exp list --names-only)" ] || \
	  echo "no experiment stands on this commit yet; one is made by: $(BIN)/dvc exp run -S train.lr=3e-5"

report: $(VENV)/installed-dev  ## tell of the run, and how it differs from AGAINST (HEAD): report.html, report.md
	@$(BIN)/python -m stages.report --against $(AGAINST)

release: $(VENV)/installed-dev  ## write the release of HEAD, the model and its records, to FOLDER (release)
	@$(BIN)/python -m stages.release $(FOLDER)

fuzz: $(VENV)/installed-dev  ## run the property tests on random examples, ten times as many
	@REPRISE_FUZZ=1 $(BIN)/python -m pytest -m hypothesis --numprocesses 2

prove: $(VENV)/installed-dev  ## all that must not matter, varied; writes benchmarks/EXACTNESS.md (an hour or less)
	@REPRISE_PROVE=full $(BIN)/python -m pytest tests/exactness tests/test_finetune.py tests/repro tests/training \
	  tests/verification/test_divergence.py

attack: $(VENV)/installed-dev  ## try the whole catalogue of attacks; writes docs/attacks.md (an hour or less)
	@$(BIN)/python -m benchmarks.attacks

check: lint test  ## run all that CI runs

lint: $(VENV)/installed-dev  ## check style, types and layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/zizmor --offline --quiet --no-progress .github/workflows
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff

schema: $(VENV)/installed  ## write params.schema.json and certificate.schema.json anew from their models
	@$(BIN)/python -m stages.params --schema > schema.partial
	@mv schema.partial params.schema.json
	@$(BIN)/python -m stages.verify --schema > schema.partial
	@mv schema.partial certificate.schema.json

lock:  ## write both locks anew, with the newest versions pyproject.toml allows
	@rm -rf .venv-lock
	@$(NEW_VENV) .venv-lock
	.venv-lock/bin/pip install -qq .
	{ grep '^#' requirements.lock; $(PINS); } > lock.partial
	mv lock.partial requirements.lock
	.venv-lock/bin/pip install -qq --constraint requirements.lock '.[dev,release,report,search,ssh,webdav]'
	{ grep '^#' requirements-dev.lock; $(PINS) | grep -vxFf requirements.lock; } > lock.partial
	mv lock.partial requirements-dev.lock
	rm -rf .venv-lock reprise.egg-info build

clean:  ## remove the venv, caches and scratch; data, models and metrics stay
	rm -rf $(VENV) .venv-lock .reprise .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dvc_plots
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	@$(BIN)/pip install -qq --no-compile -r requirements-dev.lock
	@touch $@

$(VENV)/installed: requirements.lock | ready $(BIN)/pip
	@echo "installing requirements.lock into $(VENV): two minutes or so"
	@$(BIN)/pip install -qq --no-compile -r requirements.lock
	@touch $@

$(BIN)/pip: | ready
	@$(NEW_VENV) $(VENV)

# Asked before anything is installed: what DVC would refuse afterwards, and a PYTHON= that would change nothing.
ready:
	@git --version >/dev/null 2>&1 || { echo "git is wanted and not found: DVC works with it; install it" >&2; exit 2; }
	@why=$$(LC_ALL=C git rev-parse --git-dir 2>&1 >/dev/null) || { \
	  echo "$$why" >&2; case "$$why" in *"not a git repository"*) ;; *) exit 2 ;; esac; \
	  echo "DVC works in a Git repository, which a ZIP of one is not. Make one here:" >&2; \
	  echo "  git init && git add --all && git commit --message start" >&2; exit 2; }
	@[ "$(origin PYTHON)" = file ] || [ ! -x $(BIN)/python ] || { \
	  had=$$($(BIN)/python -c '$(VERSION)'); asked=$$($(PYTHON) -c '$(VERSION)') && [ "$$had" = "$$asked" ] || { \
	  echo "$(VENV) has Python $$had, and PYTHON=$(PYTHON) is Python $${asked:-that cannot be run}." >&2; \
	  echo "To change: rm -r $(VENV), then make again. To go on with $$had, leave PYTHON out." >&2; exit 2; }; }

VERSION = import sys; print("%d.%d" % sys.version_info[:2])

NEW_VENV = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is wanted; $(PYTHON) is: $$($(PYTHON) -V 2>&1)" >&2; \
  echo "name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }; $(PYTHON) -m venv

# What is installed beside the project, without local versions (+cpu) and what CUDA builds alone bring.
PINS = .venv-lock/bin/pip freeze --exclude reprise \
  | sed 's/+[a-z0-9.]*$$//' | grep -vE '^(nvidia-|triton|cuda-)'

.PHONY: help ready repro test experiments report release fuzz prove attack check lint schema lock clean
