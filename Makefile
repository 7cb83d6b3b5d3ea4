# Commands of the book. `make help` lists them.
#
# TORCH=cpu   take the CPU-only torch (a tenth of the download) from PyTorch's own index. That
#             address is not reachable from every network; without the variable pip takes torch
#             from where it takes everything else.
# PYTHON=...  the Python that makes .venv, 3.11 or newer; later calls use .venv.
# VENV=...    another place for the environment.
# name=...    the page that `make page` begins.
# PORT=...    where `make live` serves the book.
# DATA=...    the torchvision root that `make runs` trains on.

PYTHON ?= python3
VENV ?= .venv
TORCH ?=
DATA ?= data
PORT ?= 8000
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := _build/html
CLAIMS := _build/claims.xml
COLAB := _build/colab
PYTEST := $(BIN)/python -m pytest
# --toc: a relative path would be looked for in book/.
BUILD = book --config _config.yml --toc $(CURDIR)/_toc.yml --path-output . -n -W --keep-going
COVERAGE := --cov=condlesson --cov-report=term-missing:skip-covered --cov-fail-under=95

.DEFAULT_GOAL := help
.PHONY: help setup html book live page claims notebooks wheel test test-unit test-colab pdf screenshots lint format bench runs runs-verify clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  TORCH=cpu takes the CPU-only torch: make book TORCH=cpu"

setup: $(STAMP) ## make .venv and install everything into it

# The stamp is written last: a set-up that was cut short is done again.
$(STAMP): requirements.txt pyproject.toml setup.py
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "PYTHON must be 3.11 or newer, got $$($(PYTHON) --version 2>&1)." \
	    "Name one: make setup PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifeq ($(TORCH),cpu)
	$(BIN)/python -m pip install $$(grep -E '^torch(vision)?==' requirements.txt) \
	  --index-url $(TORCH_CPU_INDEX)
else ifneq ($(TORCH),)
	$(error TORCH must be cpu or unset, got $(TORCH). For CUDA leave it out)
endif
	$(BIN)/python -m pip install --requirement requirements.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	touch $(STAMP)

# Pages run side by side, and only those that have to: book/_ext/execution.py.
html: $(STAMP) ## run the pages that changed, and build the pages alone
	$(BIN)/jupyter-book build $(BUILD)
	@echo "The pages are at $(CURDIR)/$(SITE)/index.html"

book: $(STAMP) ## run the pages that changed, and build the book, with all that is published beside it
	$(MAKE) --no-print-directory html
	$(MAKE) --no-print-directory $(CLAIMS)
	$(BIN)/python -m tools.claims --hold
	$(MAKE) --no-print-directory notebooks wheel
	rm -rf $(SITE)/notebooks $(SITE)/condlesson-*
	cp -R _build/notebooks _build/condlesson-lesson.zip _build/wheel/*.whl $(SITE)
	@echo "The book is at $(CURDIR)/$(SITE)/index.html"

live: $(STAMP) ## serve the book, and rebuild and reload it on each save; PORT=8000
	$(BIN)/python -m tools.live $(PORT) $(BUILD)

page: $(STAMP) ## begin a page from the template, and enter it in _toc.yml; name=my-page
	@$(BIN)/python -m tools.new_page "$(name)"

claims: $(CLAIMS) ## list what the book claims, with values and sources; fail if it no longer holds
	$(BIN)/python -m tools.claims

# Tested again only when code, runs or pins changed. A test that fails does not stop make here:
# tools.claims reads the results, and says which sentence is meant.
$(CLAIMS): tests/test_claims.py requirements.txt $(shell find src/condlesson -type f -not -name '*.pyc') \
  | $(STAMP)
	-@OMP_NUM_THREADS=1 $(PYTEST) --quiet --no-header --tb=no tests/test_claims.py --junitxml=$@

notebooks: $(STAMP) ## write the exercise and solution notebooks, and the archive to hand out
	rm -rf _build/notebooks
	$(BIN)/condlesson notebooks _build/notebooks --archive _build/condlesson-lesson.zip

# setuptools would put what an earlier build left in build/ into the wheel.
wheel: $(STAMP) ## build the package, with the pages in it
	rm -rf build _build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir _build/wheel .
	rm -rf build

pdf: $(STAMP) ## print the whole book into one file, by the browser
	$(MAKE) --no-print-directory html
	$(BIN)/python -m tools.print_book $(SITE) _build/pdf/condlesson.pdf

screenshots: $(STAMP) ## a picture of every built page, light and dark, wide and narrow
	$(MAKE) --no-print-directory html
	rm -rf _build/screenshots
	$(BIN)/python -m tools.screenshots $(SITE) _build/screenshots

test: $(STAMP) ## everything: lint, the book's build, all tests (minutes)
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory book
	$(PYTEST) $(COVERAGE)

test-unit: $(STAMP) ## only the tests that need no built book (seconds)
	$(PYTEST) --ignore=tests/book -m "not slow"

test-colab: $(STAMP) $(COLAB)/.installed ## run the notebooks as Colab would (minutes)
	$(MAKE) --no-print-directory notebooks wheel
	$(COLAB)/bin/python tests/colab/run.py _build/notebooks _build/wheel/*.whl \
	  _build/condlesson-lesson.zip

# Colab's packages and none of the book's; the lesson goes into a layer on top, new for each run.
$(COLAB)/.installed: tests/colab/requirements.txt | $(STAMP)
	$(BIN)/python -m venv --clear $(COLAB)
ifeq ($(TORCH),cpu)
	$(COLAB)/bin/python -m pip install $$(grep '^torch==' $<) --index-url $(TORCH_CPU_INDEX)
endif
	$(COLAB)/bin/python -m pip install --requirement $<
	touch $@

lint: $(STAMP) ## check style and format of the code, and the pages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m tools.lint_pages

format: $(STAMP) ## mend the format, and what style the tool can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## images per second in training and sampling, seconds of builds (minutes)
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.sampling
	$(BIN)/python -m benchmarks.building

runs: $(STAMP) ## train the runs that are missing (hours); DATA=dir of MNIST, fetched if need be
	$(BIN)/condlesson runs make --data "$(DATA)" --download

runs-verify: $(STAMP) ## check that the recorded runs are whole and current
	$(BIN)/condlesson runs verify

clean: ## remove what was built; .venv stays
	rm -rf _build .pytest_cache .ruff_cache .coverage src/*.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
