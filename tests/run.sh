#!/usr/bin/env bash
# pytest, once on SQLite; where CLIPROXY_TEST_POSTGRES_URL is set, the tests that touch a database once more
# on PostgreSQL. The last line printed is pytest's.
set -euo pipefail
cd "$(dirname "$0")/.."

unset DJANGO_SETTINGS_MODULE CLIPROXY_CONFIG DATABASE_URL REDIS_URL
# Compiled once, not by every worker and every gateway that a test starts (a third of what a start costs).
unset PYTHONDONTWRITEBYTECODE
# A developer's own keys must not create providers in a test.
for name in $(compgen -e | grep -E '_API_KEY$' || true); do unset "$name"; done
# Half of the time is waiting for processes to start and stop: one worker more than there are cores.
workers=$(($(nproc) + 1))
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
export CLIPROXY_DATA_DIR=$data

if [ -n "${CLIPROXY_TEST_POSTGRES_URL:-}" ]; then
  echo "== the tests that touch a database, on PostgreSQL"
  # The rest touches no database (once, with everything, is enough) or serves from one of its own.
  DATABASE_URL=$CLIPROXY_TEST_POSTGRES_URL pytest tests/integration -m "django_db and not browser" \
    -n "$workers" --dist loadfile -q "$@" || { code=$?; [ "$code" -eq 5 ] || exit "$code"; }
  DATABASE_URL=$CLIPROXY_TEST_POSTGRES_URL pytest tests/integration/serve/test_kill.py \
    tests/integration/serve/test_first_run.py -n "$workers" -q "$@" || { code=$?; [ "$code" -eq 5 ] || exit "$code"; }
  echo "== everything, on SQLite"
fi
exec pytest -n "$workers" --dist loadfile "$@"
