#!/bin/sh
# Installs Microsoft's SARIF multitool (MIT licence, Linux x64) into node_modules, where tests/test_sarif.py finds it.
set -eu
cd "$(dirname "$0")/../.."
npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --prefix . \
  @microsoft/sarif-multitool-linux@5.7.0
# npm 11 does not run the package's own chmod.
chmod u+x node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
