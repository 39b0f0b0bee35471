#!/usr/bin/env bash
# Every check that needs no test run; `make lint` calls it with .venv/bin first in PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
step() {
  printf '%-28s' "$1"
  shift
  local output
  if output=$("$@" 2>&1); then
    echo ok
  else
    echo FAILED
    printf '%s\n' "$output"
    failed=1
  fi
}

# Packages come from wherever the machine's clients are set up to look: no file names an index.
no_index_addresses() {
  ! git grep -nIiE 'registry[.](npmjs|yarnpkg)|pypi[.]org|pythonhosted[.]|[-]-(extra-)?index-url|deb[.]debian|"[r]esolved":'
}

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
export CLIPROXY_DATA_DIR=$data
export DATABASE_URL=sqlite:///$data/lint.sqlite3

step "ruff check" ruff check .
step "ruff format" ruff format --check .
step "mypy" mypy .
step "import-linter" lint-imports
step "migrations" python manage.py makemigrations --check --dry-run
step "deployment check" env DJANGO_SECURE=true DJANGO_SSL_REDIRECT=true ALLOWED_HOSTS=gateway.example \
  SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
  python manage.py check --deploy --fail-level WARNING
step "no index addresses" no_index_addresses
exit $failed
