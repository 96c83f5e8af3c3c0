#!/usr/bin/env bash
# Builds everything and runs all tests; arguments go to the test runner of each test project.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
dotnet build Lapidary.slnx --configuration Release --nologo --verbosity quiet
status=0
for project in Lapidary.Tests Lapidary.Server.Tests; do
  "tests/$project/bin/Release/net10.0/$project" "$@" || status=$?
done
exit "$status"
