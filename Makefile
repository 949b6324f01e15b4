VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
WORKDIR ?= workdir/demo
PYTEST := $(PY) -m pytest -n 2 --dist loadgroup

.PHONY: setup demo docs test test-slow lint bench lock dist

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(VENV)/bin/uv pip install --quiet --python $(PY) --compile-bytecode -r requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps -e .
	touch $(STAMP)

# Pretrain on the bundled sample, evaluate, write the report: the main job.
demo:
	@START=$$(date +%s); $(MAKE) --no-print-directory setup && \
	  $(PY) -m experiments.demo --workdir=$(WORKDIR) --start=$$START

# Everything that a change must pass.
test: lint
	$(PYTEST) -m "not slow" --durations=10

# Studies of minutes to hours.
test-slow: setup
	$(PYTEST) -m slow

lint: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/pyrefly check

# Tables of measured speed; see experiments/README.md.
bench: setup
	$(PY) -m experiments.benchmarks.step
	$(PY) -m experiments.benchmarks.input
	$(PY) -m experiments.benchmarks.losses
	$(PY) -m experiments.benchmarks.memory
	$(PY) -m experiments.benchmarks.methods
	$(PY) -m experiments.benchmarks.convolutions
	$(PY) -m experiments.benchmarks.knn

# The site, in build/site: pages drawn from code and results, made HTML of without network.
docs: setup
	$(VENV)/bin/uv pip install --quiet --python $(PY) -r docs/requirements.txt
	$(PY) -m experiments.site --out=build/docs
	$(VENV)/bin/sphinx-build --quiet --fail-on-warning --keep-going -c docs -d build/doctrees \
	  build/docs build/site
	$(PY) -m experiments.site.offline build/site

# Resolve requirements.txt anew from the ranges in pyproject.toml.
lock: setup
	$(VENV)/bin/uv pip compile --quiet --extra test --universal --generate-hashes --upgrade \
	  --no-header pyproject.toml -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --extra docs --universal --generate-hashes --upgrade \
	  --no-header -c requirements.txt pyproject.toml -o docs/requirements.txt

# The source distribution and the wheel that is built of it.
dist: setup
	$(PY) -m uv build --quiet --out-dir=dist .
