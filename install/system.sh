#!/bin/sh
# Installs from Debian what Tandem needs and pip cannot bring. Says what it does; does nothing where all is there.
#   install/system.sh          python3.11 with venv, make, git
#   install/system.sh test     the same, Chromium and Postgres for the tests
set -eu

missing=""
command -v git >/dev/null || missing="$missing git"
command -v make >/dev/null || missing="$missing make"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
# annoy is compiled when pip installs it
command -v g++ >/dev/null || missing="$missing g++"
python3 -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    missing="$missing python3-dev"
if [ "${1:-}" = test ]; then
    command -v chromium >/dev/null || missing="$missing chromium"
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi
[ -n "$missing" ] || exit 0

echo "Debian packages needed:$missing"
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "Installing them needs root. Ask your administrator for: apt-get install$missing" >&2
    exit 2
fi
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
