#!/usr/bin/env bash
set -euo pipefail
echo '{"name": "work", "version": "1.0.0", "private": true}' >package.json
npm install --silent --no-audit --no-fund --prefer-offline express@5 commander@14 chalk@5
npm ls --json >tree.json
npm run 2>/dev/null >scripts.txt || true
node -e 'require("express")'
echo "npm: $(find node_modules -maxdepth 1 -mindepth 1 | wc -l) packages"
