#!/usr/bin/env bash
set -euo pipefail
python3 -m venv work
work/bin/python -m pip install -q --disable-pip-version-check --no-input flask requests
work/bin/python -m pip list --format json >packages.json
work/bin/python -c 'import flask, requests'
echo "pip: $(grep -o '"name"' packages.json | wc -l) packages"
