# `make demo` and `make test` need Python 3.11 or newer, pip and make; they set up the rest in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PLUGINS := $(wildcard plugins/*)
# timm needs torchvision, which must fit torch's own build: its plugin is installed without it.
BARE := plugins/ocr-trainer-timm

.PHONY: demo test slow lint docs clean

demo: .venv/installed  ## train DBNet on synthetic pages, test it, and draw what it finds
	$(BIN)/ocr-train experiment=demo

test: .venv/installed  ## all tests but the slow ones
	$(BIN)/python -m pytest -n 2 --dist worksteal

slow: .venv/installed  ## the slow ones, too
	$(BIN)/python -m pytest -m ""

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed  ## the site, in docs/_build
	$(BIN)/python -m sphinx -W -q -c docs . docs/_build

clean:
	rm -rf .venv build dist docs/_build runs *.egg-info plugins/*/build plugins/*/*.egg-info

.venv/installed: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]" $(addprefix --editable ,$(filter-out $(BARE),$(PLUGINS)))
	$(BIN)/python -m pip install --quiet --no-deps --editable $(BARE)
	touch $@
