#!/bin/sh
# Sets up everything on first use and starts the app; arguments go to streamlit (--server.port 8502).
set -eu
cd "$(dirname "$0")/.."
sh scripts/environment.sh requirements.txt
exec "${CNN_EXPLORER_VENV:-.venv}/bin/python" -m streamlit run app.py "$@"
