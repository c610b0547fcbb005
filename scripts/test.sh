#!/bin/sh
# Sets up everything on first use and passes the tests: format, lint, types, tests; arguments go to pytest (-k atlas).
set -eu
cd "$(dirname "$0")/.."
sh scripts/environment.sh requirements-dev.txt
bin=${CNN_EXPLORER_VENV:-.venv}/bin

# Browser tests take any Chromium; where there is none, Debian's, else the one that Playwright brings.
found=
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
  if command -v "$name" >/dev/null 2>&1; then found=$name; break; fi
done
if [ -z "$found" ]; then
  if [ "$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release; then
    { apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null
  else
    "$bin/python" -m playwright install chromium
  fi
fi

"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/mypy"
# Tests in parallel: each process has its own server, browser and networks, about 2 GB.
"$bin/python" -m pytest -n auto --maxprocesses 4 --dist worksteal "$@"
