#!/usr/bin/env bash
# mutation.sh AREA...: breaks the code of an area in many small ways and counts how many its tests notice (dotnet-stryker).
# Areas: activations, router, blocks, dequantisation; all of them by default. Reports: artifacts/mutation/AREA/reports.
# Survivors are explained in docs/log.md. Takes minutes to an hour per area.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
root=$(cd ../.. && pwd)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 RunAnalyzers=false # the style of changed code is of no interest
dotnet tool restore >/dev/null

[ $# -gt 0 ] || set -- activations router blocks dequantisation
for area in "$@"; do
  case "$area" in
    activations) project=Lapidary.Core; files=('**/Activations.cs' '**/ActivationRegistry.cs' '**/Activation.cs') ;;
    router) project=Lapidary.Cpu; files=('**/Routing.cs') ;;
    blocks) project=Lapidary.Cpu; files=('**/Experts/ExpertRows.cs') ;;
    dequantisation) project=Lapidary.Core; files=('**/Quantization/*.cs') ;;
    *) echo "mutation.sh: no area \"$area\"; there are activations, router, blocks, dequantisation" >&2; exit 2 ;;
  esac
  mutate=()
  for file in "${files[@]}"; do mutate+=(--mutate "$file"); done
  MUTATION_AREA=$area dotnet stryker --test-runner mtp --project "$project.csproj" "${mutate[@]}" --mutation-level Complete \
    --configuration Release --skip-version-check --reporter Json --reporter Html --reporter ClearText --reporter Dots \
    --break-at 85 --threshold-low 85 --threshold-high 95 --output "$root/artifacts/mutation/$area"
done
