using Lapidary.Server.Errors;
using Lapidary.Server.Metrics;
using Lapidary.Server.Operations;

namespace Lapidary.Server;

/// <summary>What every route works with.</summary>
internal sealed record ApiServices(ModelSlot Slot, Admission Admission, ServerOptions Options, ServerMetrics Metrics, FailureLog Failures)
{
    public Preparation Preparation { get; } = new();
}
