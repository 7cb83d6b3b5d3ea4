# Commands of the book. `make help` lists them.
#
# TORCH=cpu   take the CPU-only torch (a tenth of the download), from PyTorch's own index.
# TORCH=cuda  take torch from the usual index, which has it for CUDA on Linux. Without the variable
#             the first if this machine has no NVIDIA GPU and PyTorch's index answers, else the
#             second; the set-up says which and why. What .venv has stays: remove it to choose again.
# RELEASES=newest  take the newest releases that pyproject.toml allows, not the pinned ones; name
#             a VENV beside it. With it the package alone can be tested on Python 3.10 too.
# UPGRADE=1   let `make lock` take newer releases; else what fits stays as it is.
# COLAB=today run the notebooks with the versions that Colab has today, not those in tests/colab.
# PYTHON=...  the Python that makes .venv, 3.11 or newer; later calls use .venv.
# VENV=...    another place for the environment.
# name=...    what `make page`, `figure`, `exercise` or `variant` begins.
# BASE=...    the built site that `make preview` compares with.
# PORT=...    where `make live` serves the book.
# SAMPLE=...  of the weekly tests, or of Colab's runs, one in seven, which this word decides; of the
#             changes that `make mutation` tries, one in sixteen.
# MODULES=... what `make mutation` changes, such as condlesson.embeddings; all, if left out.
# DATA=...    the torchvision root that `make runs` trains on.

PYTHON ?= python3
VENV ?= .venv
TORCH ?=
RELEASES ?= pinned
COLAB ?= pinned
DATA ?= data
PORT ?= 8000

# Or each Python that is started would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
# Or this folder would be no place of modules, and what a library warns of would end the build.
unexport PYTHONSAFEPATH PYTHONWARNINGS

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := _build/html
COLAB_VENV := _build/colab-$(COLAB)
COLAB_PACKAGES_pinned := tests/colab/requirements.txt
COLAB_PACKAGES_today := _build/colab-today.txt
COLAB_PACKAGES := $(or $(COLAB_PACKAGES_$(COLAB)),$(error COLAB must be pinned or today, got $(COLAB)))
PYTEST := $(BIN)/python -m pytest
# Tests share the cores, a thread each, in the order of their folders: what takes longest begins.
TESTS := OMP_NUM_THREADS=1 $(PYTEST) --numprocesses auto --dist loadscope --no-loadscope-reorder
PACKAGE := $(TESTS) --ignore=tests/book --ignore=tests/browser --ignore=tests/claims
COVERAGE := --cov=condlesson --cov-report=term-missing:skip-covered --cov-fail-under=95

.DEFAULT_GOAL := help
.PHONY: help setup lock html book live page figure exercise variant claims notebooks wheel test test-unit test-package test-walks test-weekly coverage test-colab mutation links audit pdf screenshots preview lint rules format bench runs runs-verify records clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  TORCH=cpu or TORCH=cuda decides which torch is installed: make book TORCH=cpu"

setup: $(STAMP) ## make .venv and install everything into it

# The Python of an environment that is there goes on; the stamp is written last, so a set-up that
# was cut short is done again.
$(STAMP): requirements.txt pyproject.toml tools/environment.py
	@test -x $(BIN)/python || command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON). Install Python 3.11 or newer, or name yours:" \
	    "make setup PYTHON=python3.12" >&2; exit 1; }
	@$$(test -x $(BIN)/python && echo $(BIN)/python || echo $(PYTHON)) tools/environment.py \
	  --venv $(VENV) --releases "$(RELEASES)" --torch "$(TORCH)"
	@touch $(STAMP)

lock: $(STAMP) ## write the versions and hashes of requirements.txt anew, after pyproject.toml changed
	$(BIN)/python -m tools.lock $(if $(UPGRADE),--upgrade)

# Pages run side by side, and only those that have to: book/_ext/execution.
html: $(STAMP) ## run the pages that changed, and build the pages alone
	@$(BIN)/python -m tools.build pages

book: $(STAMP) ## run the pages that changed, and build the book, with all that is published beside it
	@$(BIN)/python -m tools.build

live: $(STAMP) ## serve the book, and rebuild and reload it on each save; PORT=8000
	$(BIN)/python -m tools.live "$(PORT)"

page: $(STAMP) ## begin a page that builds; name=my-page
	@$(BIN)/python -m tools.new page "$(name)"

figure: $(STAMP) ## begin a figure with its test and a page; name=my-figure, kind=moving for one that moves
	@$(BIN)/python -m tools.new "$(or $(kind),still)" "$(name)"

variant: $(STAMP) ## begin a network of the experiment with its test; name=my-network
	@$(BIN)/python -m tools.new variant "$(name)"

exercise: $(STAMP) ## begin an exercise with its check, their tests and a page; name=my-exercise
	@$(BIN)/python -m tools.new exercise "$(name)"

claims: $(STAMP) ## list what the book claims, with values and sources; fail if it no longer holds
	@$(BIN)/python -m tools.build claims
	$(BIN)/python -m tools.lint.claims

notebooks: $(STAMP) ## write the exercise and solution notebooks, and the archive to hand out
	@$(BIN)/python -m tools.build notebooks

wheel: $(STAMP) ## build the package, with the pages in it
	@$(BIN)/python -m tools.build wheel

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
	$(TESTS) -m "not weekly" --ignore=tests/claims # these are part of the book's build

test-unit: $(STAMP) ## the tests for the loop: without the built book, and what is slow (a minute)
	$(PACKAGE) -m "not (slow or weekly)"

test-package: $(STAMP) ## all tests that need no built book (minutes)
	$(PACKAGE) -m "not weekly"

test-weekly: $(STAMP) ## what is slow and rarely breaks (minutes); of a built book
	$(TESTS) -v -m weekly $(if $(SAMPLE),--one-in-seven "$(SAMPLE)")

test-walks: $(STAMP) ## follow CONTRIBUTING and docs/howto in a copy (minutes); of a built book
	$(TESTS) -v -m weekly tests/book/test_walks.py

coverage: $(STAMP) ## test-package, and which lines of the package it leaves out (minutes)
	$(PACKAGE) -m "not weekly" $(COVERAGE)

test-colab: $(STAMP) $(COLAB_VENV)/.installed ## run the notebooks as Colab would (minutes)
	$(MAKE) --no-print-directory notebooks
	$(COLAB_VENV)/bin/python tests/colab/run.py _build/notebooks _build/wheel/*.whl \
	  _build/condlesson-lesson.zip $(SAMPLE)

mutation: $(STAMP) ## change the code, bit by bit, and count what no test notices (hours, network)
	nice $(BIN)/python -m tools.mutation $(if $(SAMPLE),--sample "$(SAMPLE)") $(MODULES)

# Colab's packages and none of the book's; the lesson goes into a layer on top, new for each run.
$(COLAB_VENV)/.installed: $(COLAB_PACKAGES) | $(STAMP)
	rm -rf $(COLAB_VENV)
	$(BIN)/python tools/environment.py --venv $(COLAB_VENV) --lock $< --torch "$(TORCH)"
	touch $@

$(COLAB_PACKAGES_today): | $(STAMP)
	$(BIN)/python tests/colab/today.py > $@.partial
	cat tests/colab/runner.txt >> $@.partial
	mv $@.partial $@

# Nothing is written into the site.
links: $(STAMP) ## ask for every address outside the book that it names (needs a network)
	@$(BIN)/python -m tools.build links

# --strict: a package that nobody could look up is no package without faults.
audit: $(STAMP) ## look for known vulnerabilities of what is pinned (needs a network)
	@mkdir -p _build
	grep -E '^[a-z]' requirements.txt | tr -d '\\' > _build/pins.txt
	$(BIN)/uv tool run pip-audit --strict --disable-pip --no-deps --requirement _build/pins.txt

preview: $(STAMP) ## set the pages beside those of an earlier site, and list what differs; BASE=dir
	@test -f "$(BASE)/index.html" || { \
	  echo "BASE must be the folder of a built site, got '$(BASE)': make preview BASE=dir" >&2; exit 1; }
	$(MAKE) --no-print-directory html
	$(BIN)/python -m tools.preview "$(BASE)" $(SITE) _build/preview
	@echo "The preview is at $(CURDIR)/_build/preview/index.html"

lint: $(STAMP) ## check style and format of the code, the pages, and the workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m tools.lint.pages
	$(BIN)/python -m tools.lint.faults
	$(BIN)/python -m tests.checks.messages
	! grep -q '^ *language: en' _config.yml || $(BIN)/typos --format brief book/*.md *.md
	$(BIN)/zizmor --quiet --offline --pedantic .github
	@! command -v actionlint >/dev/null || actionlint

rules: $(STAMP) ## say what the rules of the pages are
	@$(BIN)/python -m tools.lint.pages --rules

format: $(STAMP) ## mend the format, and what style the tool can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## how fast training, sampling and the desk are (minutes)
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.sampling
	$(BIN)/python -m benchmarks.desk

runs: $(STAMP) ## train the runs that are missing (hours); DATA=dir of MNIST, fetched if need be
	$(BIN)/condlesson runs make --data "$(DATA)" --download

# The paths are those of the commit, in one order: who makes the list again gets the same bytes.
records: ## list what is recorded with its SHA-256, as it is signed when it is published
	@mkdir -p _build
	@git ls-files -z src/condlesson/experiment/recorded | LC_ALL=C sort -z \
	  | xargs -0 sha256sum > _build/recorded.sha256
	@echo "The list is _build/recorded.sha256"

runs-verify: $(STAMP) ## check that the recorded runs are whole and current
	$(BIN)/condlesson runs verify

clean: ## remove what was built; .venv stays
	rm -rf _build .pytest_cache .ruff_cache .coverage
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
