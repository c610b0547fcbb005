#!/bin/sh
# Makes .venv with the packages of a requirements file, once: sh scripts/environment.sh requirements.txt
# Works on Debian, Ubuntu and macOS with Python 3.11 or newer; the second time it only compares two hashes.
set -eu
cd "$(dirname "$0")/.."
venv=${CNN_EXPLORER_VENV:-.venv}

for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "${python:-}" ]; then
  echo "CNN Explorer needs Python 3.11 or newer; install it (Debian, Ubuntu: apt install python3 python3-venv) and run this again." >&2
  exit 1
fi

# Debian and Ubuntu ship Python without the module that makes environments complete.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
  echo "Installing $package" >&2
  { $sudo apt-get update -qq && $sudo apt-get install -y -qq "$package"; } >&2 || {
    echo "This Python cannot make environments; install the package $package and run this again." >&2
    exit 1
  }
fi

stamp=$(cat requirements.txt "$1" | cksum)-$("$python" -c 'import sys; print(sys.version)' | cksum)
if [ "$(cat "$venv/.made-from-$(basename "$1")" 2>/dev/null || true)" != "$stamp" ]; then
  echo "Installing what $1 names into $venv (the first time PyTorch alone is some gigabytes)" >&2
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" >&2
  echo "$stamp" > "$venv/.made-from-$(basename "$1")"
fi
