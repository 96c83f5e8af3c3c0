#!/usr/bin/env bash
# Builds everything and runs all tests; arguments go to the test runner.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
dotnet build Lapidary.slnx --configuration Release --nologo --verbosity quiet
exec tests/Lapidary.Tests/bin/Release/net10.0/Lapidary.Tests "$@"
