# make lab | test | quick | check | ranges | notebooks | slides | learner | grade | site | bench | bench-full. The first run makes the environment .venv; later runs work offline.

# The first of these that is Python 3.11, 3.12 or 3.13 makes the environment. Choose your own: make lab PYTHON=/path/to/python
PYTHON ?= python3 python3.13 python3.12 python3.11
# Further options for JupyterLab: make lab LAB_FLAGS="--no-browser --port=9000"
LAB_FLAGS ?=
# How many tests or notebooks run at a time: each takes a core and up to 3 GB of memory.
WORKERS ?= 2
QUICK := theorems parts conditional evaluation published_losses variants
QUICK_FILES := $(addprefix tests/test_,$(addsuffix .py,$(QUICK)))
INSTALLED := .venv/.installed
# Not exported for all: the environment itself is made with the Python outside it. nbgrader looks for programs on PATH.
ACTIVATE := export PATH="$(CURDIR)/.venv/bin:$$PATH";

# As vae_course itself sets them, for notebooks that import keras or tensorflow first.
export KERAS_BACKEND ?= tensorflow
export TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_ENABLE_ONEDNN_OPTS ?= 1

.PHONY: help lab test quick check ranges notebooks slides learner grade site bench bench-full

help:
	@echo "make lab        JupyterLab on the first chapter"
	@echo "make test       every test, and every chapter and solution from top to bottom"
	@echo "make quick      three minutes: the theorems, for whoever changes a line of the library"
	@echo "make check      seconds: style, and whether the notebooks are what sources/ says"
	@echo "make ranges     half an hour, with a network: the theorems with the oldest and the newest TensorFlow and Keras allowed"
	@echo "make notebooks  build chapters/, exercises/ and solutions/ from sources/"
	@echo "make slides     the chapters as slides, in .build/slides/, which play without a network"
	@echo "make learner    a zip for learners, without solutions and hidden tests, in .build/"
	@echo "make grade      submissions to a sheet, each one alone in a box: make grade SHEET=04"
	@echo "make site       the chapters, the texts and an API reference as a web site, in .build/site/ (in .venv-site)"
	@echo "make bench      under 20 minutes: some published results, and speed beside PyTorch (in .venv-bench)"
	@echo "make bench-full all of them, about three hours, and how cost grows; goes on where it was interrupted"

lab: $(INSTALLED)
	$(ACTIVATE) jupyter lab --LabApp.default_url=/lab/tree/chapters/01_autoencoders.ipynb $(LAB_FLAGS)

# The notebooks run even if a test has failed; either failure fails the whole. A file's tests share what they trained, and
# a notebook's cells their kernel: --dist loadfile keeps them together. conftest.py gives each worker cores of its own.
test: $(INSTALLED)
	@$(ACTIVATE) failed=0; \
	python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder tests || failed=1; \
	python -m pytest -n $(WORKERS) --dist loadfile --nbval --nbval-current-env \
	    --nbval-sanitize-with=tests/nbval_sanitize.cfg --nbval-cell-timeout=300 chapters solutions || failed=1; \
	exit $$failed

quick: $(INSTALLED)
	$(ACTIVATE) python -m pytest -n $(WORKERS) --dist loadfile $(QUICK_FILES)

check: $(INSTALLED)
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) python sources/build.py --check

ranges: $(INSTALLED)
	@.venv/bin/python tests/ranges.py $(QUICK_FILES)

notebooks: $(INSTALLED)
	$(ACTIVATE) python sources/build.py --jobs $(WORKERS)

slides: $(INSTALLED)
	@$(fetch_player) || { echo "The slides need reveal.js and MathJax, which could not be fetched (see above)."; \
	    echo "Run make slides once with a network: from then on it needs none."; exit 1; }
	@.venv/bin/python classroom/slides.py

learner: $(INSTALLED)
	@.venv/bin/python classroom/package.py

# Further options: make grade SHEET=04 GRADE_FLAGS="--jobs 4 --again"
grade: $(INSTALLED)
	@$(ACTIVATE) python classroom/grade.py $(if $(SHEET),$(SHEET) $(GRADE_FLAGS),--help)

site: .venv-site/.installed
	@.venv-site/bin/python site/build.py

# The later programs run even if an earlier one has failed; any failure fails the whole.
bench: .venv-bench/.installed
	@failed=0; \
	.venv-bench/bin/python benchmarks/yardsticks.py --quick || failed=1; \
	.venv-bench/bin/python benchmarks/speed.py --quick || failed=1; \
	exit $$failed

bench-full: .venv-bench/.installed
	@failed=0; \
	.venv-bench/bin/python benchmarks/yardsticks.py --markdown benchmarks/yardsticks.md || failed=1; \
	.venv-bench/bin/python benchmarks/growth.py || failed=1; \
	.venv-bench/bin/python benchmarks/speed.py --markdown benchmarks/speed.md || failed=1; \
	exit $$failed

# ---- the environments ----
comma := ,
# JupyterLab asks at its first start whether it may fetch news, and looks for updates: not in a lesson, not without a network.
NO_QUESTIONS := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}

# $(call find_python): the shell variable python, or a sentence that says what to do
define find_python
python=; for candidate in $(PYTHON); do \
  if $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
  then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
  for candidate in $(PYTHON); do \
    if command -v $$candidate >/dev/null; then echo "  $$candidate: $$($$candidate --version 2>&1)"; else echo "  $$candidate: not found"; fi; \
  done; \
  echo "This course needs Python 3.11, 3.12 or 3.13, and the commands above are not one of them."; \
  echo "Install one from https://www.python.org/downloads/ or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; \
  exit 1; \
fi; \
if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
  echo "$$python cannot make virtual environments: its modules venv and ensurepip are missing."; \
  echo "On Debian and Ubuntu, install them with: sudo apt install python3-venv"; \
  exit 1; \
fi
endef

# $(call install,FOLDER,PACKAGES,WHAT): what was left half made, was made elsewhere or has lost its Python is made anew; else
# only what has changed is installed, which needs no network where only a date has changed.
# The build tool comes first, so that its version is pinned too and nothing is fetched behind pip's back.
define install
@if ! $1/bin/python -c "import os, sys; sys.exit(open('$1/.installed').read() != os.getcwd())" 2>/dev/null; then \
  $(find_python); \
  echo "Setting up $1 with $$python: downloads $3. Once only."; \
  $$python -m venv --clear $1 || exit 1; \
fi; \
rm -f $1/.installed; \
$1/bin/python -m pip install --disable-pip-version-check -c constraints.txt setuptools && \
$1/bin/python -m pip install --disable-pip-version-check --no-build-isolation -c constraints.txt $2 || \
  { echo "The installation did not finish (see above). Run the same command again: it starts afresh, from pip's cache."; exit 1; }; \
$1/bin/python -c "import os; open('$1/.installed', 'w').write(os.getcwd())"
endef

# The player of the slides is two wheels that are not installed, only read: fetched once, and again for another version.
PLAYER := .venv/share/slides
fetch_wheels := .venv/bin/python -m pip download --disable-pip-version-check -q --no-deps -c constraints.txt \
  --find-links $(PLAYER) -d $(PLAYER) sphinx-revealjs sphinx-mathjax-offline
fetch_player := mkdir -p $(PLAYER); $(fetch_wheels) --no-index 2>/dev/null || { rm -f $(PLAYER)/*.whl; $(fetch_wheels); }

# An environment that was moved, or whose Python is gone, is made anew whatever the dates of its files.
ifneq ($(shell .venv/bin/python -c "import os; print(open('.venv/.installed').read() == os.getcwd())" 2>/dev/null),True)
.PHONY: $(INSTALLED)
endif

$(INSTALLED): pyproject.toml constraints.txt
	$(call install,.venv,-e '.[course$(comma)test]',about 800 MB and takes one to ten minutes; on disk it is 3 GB)
	@mkdir -p .venv/share/jupyter/lab/settings
	@echo '$(NO_QUESTIONS)' > .venv/share/jupyter/lab/settings/overrides.json
	@$(fetch_player) || echo "The player of the slides could not be fetched: make slides will try again."

.venv-bench/.installed: pyproject.toml constraints.txt
	$(call install,.venv-bench,-e '.[bench]',PyTorch too$(comma) 1 to 4 GB in all$(comma) and takes two to twenty minutes)

# The extra `site` without the course, which would bring TensorFlow: the site reads the library and does not import it.
SITE_PACKAGES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["site"])
.venv-site/.installed: pyproject.toml constraints.txt
	$(call install,.venv-site,$$(.venv-site/bin/python -c '$(SITE_PACKAGES)'),about 80 MB and takes one to two minutes)
