# Needs Python, pip and make; everything else is installed into $(VENV).

PYTHON ?= python3
VENV ?= .venv
VENV_LOWEST ?= .venv-lowest
DEMO ?= demo
# Two processes: TensorFlow takes seconds to import, and a test seldom fills two cores. In the order
# of their names: by the number of their tests, files of few and long ones would come last.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

PYTHON_RANGE := 3.11 to 3.13
IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
LOWEST_RANGE := 3.11 to 3.12
IN_LOWEST_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

RUFF := $(shell sed -n 's/.*"\(ruff==[^"]*\)".*/\1/p' pyproject.toml)
# Files that say that an installation is complete: written last, and removed before it starts.
INSTALLED := $(VENV)/.installed
INSTALLED_LOWEST := $(VENV_LOWEST)/.installed
INSTALLED_DOCS := $(VENV)/.installed-docs
INSTALLED_RUFF := $(VENV)/.installed-$(RUFF)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo docs test test-all test-browser test-lowest lint format clean

help: ## Show this list.
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 15
	@echo "Variables: PYTHON=$(PYTHON) VENV=$(VENV) DEMO=$(DEMO) PYTEST_ARGS='$(PYTEST_ARGS)'"

# $(call make-venv,folder,range,check): create the environment unless there is a usable one.
define make-venv
@if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
	if ! $(PYTHON) -c '$(3)' 2>/dev/null; then \
		echo "Python $(2) is needed. '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; \
	fi; \
	echo "Creating the environment $(1) with $$($(PYTHON) --version)."; \
	if [ -e $(1)/pyvenv.cfg ]; then rm -rf $(1); fi; \
	if ! $(PYTHON) -m venv $(1); then \
		echo "Python's venv module does not work." >&2; \
		echo "On Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; \
	fi; \
elif ! $(1)/bin/python -c '$(3)'; then \
	echo "Python $(2) is needed. $(1) has: $$($(1)/bin/python --version)." >&2; \
	echo "Remove $(1), or name another one with VENV=... or VENV_LOWEST=..." >&2; \
	exit 1; \
fi
endef

$(INSTALLED): pyproject.toml requirements.txt
	@rm -f $@
	$(call make-venv,$(VENV),$(PYTHON_RANGE),$(IN_RANGE))
	@echo "Installing into $(VENV): about 3 GB, some minutes the first time."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -e '.[test]'
	@touch $@

$(INSTALLED_LOWEST): pyproject.toml requirements.txt constraints-lowest.txt
	@rm -f $@
	$(call make-venv,$(VENV_LOWEST),$(LOWEST_RANGE),$(IN_LOWEST_RANGE))
	@echo "Installing the oldest versions into $(VENV_LOWEST): some minutes the first time."
	@$(VENV_LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints-lowest.txt -r requirements.txt -e '.[test]'
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED) pyproject.toml
	@rm -f $@
	@echo "Installing what builds the documentation into $(VENV)."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

$(INSTALLED_RUFF):
	$(call make-venv,$(VENV),$(PYTHON_RANGE),$(IN_RANGE))
	@echo "Installing $(RUFF) into $(VENV)."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check '$(RUFF)'
	@touch $@

demo: $(INSTALLED) ## Train, evaluate, export and generate on the embedded digits.
	@set -e; start=$$(date +%s); \
	run() { echo; echo "$$ keras-vae $$*"; $(VENV)/bin/keras-vae "$$@"; }; \
	run train digits --out $(DEMO)/run --overwrite; \
	run evaluate $(DEMO)/run; \
	run export $(DEMO)/run; \
	run export generate $(DEMO)/run/export/tflite/model_float32.tflite \
		--seed 7 -n 64 --out $(DEMO)/generated.png; \
	echo; echo "The demo took $$(($$(date +%s) - start)) s. It made:"; \
	show() { if [ -e "$$2" ]; then echo "  $$1  $$2"; fi; }; \
	show "images that the TFLite file drew   " $(DEMO)/generated.png; \
	show "the trained model, for Keras       " $(DEMO)/run/model.keras; \
	show "its ELBO and likelihood            " $(DEMO)/run/metrics.json; \
	show "its samples                        " $(DEMO)/run/samples.png; \
	show "its reconstructions                " $(DEMO)/run/reconstructions.png; \
	show "its learning curves                " $(DEMO)/run/history.png; \
	show "its model card                     " $(DEMO)/run/README.md; \
	show "the SavedModel                     " $(DEMO)/run/export/saved_model; \
	show "the TFLite file                    " $(DEMO)/run/export/tflite/model_float32.tflite

test: $(INSTALLED) ## Run the tests, but for the slow ones.
	@$(VENV)/bin/pytest -q $(PYTEST_ARGS)

test-all: $(INSTALLED_DOCS) ## Run every test.
	@$(VENV)/bin/pytest -q -m '' $(PYTEST_ARGS)

test-browser: $(INSTALLED) ## Run the tests of the page in Chromium; root has it installed.
	@missing=; \
	for pair in chromium:chromium chromedriver:chromium-driver npm:npm; do \
		command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "The tests of the page need:$$missing. On Debian and Ubuntu type:" >&2; \
			echo "  sudo apt-get install$$missing" >&2; \
			exit 1; \
		fi; \
		echo "Installing$$missing."; \
		apt-get update -qq && apt-get install -y -qq $$missing >/dev/null; \
	fi
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test,browser]'
	@$(VENV)/bin/pytest -q -m '' tests/test_web_browser.py

test-lowest: $(INSTALLED_LOWEST) ## Run the tests with the oldest versions that are supported.
	@$(VENV_LOWEST)/bin/pytest -q $(PYTEST_ARGS)

docs: $(INSTALLED_DOCS) ## Build the documentation into site/.
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "The documentation: site/index.html"

lint: $(INSTALLED_RUFF) ## Check style and format.
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

format: $(INSTALLED_RUFF) ## Mend what can be mended of style and format.
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean: ## Remove what the other targets made, except for the environments.
	@rm -rf $(DEMO)/run $(DEMO)/generated.png build dist site *.egg-info
	@rm -rf .pytest_cache .ruff_cache .hypothesis
	@rmdir $(DEMO) 2>/dev/null || true
	@find keras_vae export keras_vae_cli tests -name __pycache__ -prune -exec rm -rf {} +
