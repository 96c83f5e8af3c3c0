namespace Lapidary.Models;

/// <summary>Sees intermediate tensors as they are computed: parity checks, quality comparison, routing statistics.</summary>
public interface ITensorObserver
{
    /// <param name="layer">Layer number, or null for the model's own tensors.</param>
    /// <param name="name">The name in the golden files, e.g. "attn_out".</param>
    /// <param name="tensor">Valid during the call only.</param>
    void Observe(int? layer, string name, IBuffer tensor);
}
