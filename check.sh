#!/usr/bin/env bash
# The one command before a commit: build with warnings as errors, formatting, tests.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
dotnet format whitespace Lapidary.slnx --verify-no-changes --verbosity minimal
./test.sh
