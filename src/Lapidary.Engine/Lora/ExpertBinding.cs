using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Lora;

/// <summary>
/// The updates of one layer's experts, from either layout. Two-dimensional: lora_A and lora_B for each expert and
/// projection. Stacked, as PEFT saves updates of the three-dimensional parameters (target_parameters): A [e·r, in] has the
/// experts one after the other; B [out, r·e] has them side by side within each rank.
/// </summary>
internal sealed class ExpertBinding(ExpertSite site)
{
    // PEFT before this took the parameter's first axis after the experts for its input, so A and B changed places.
    private static readonly Version InAndOutAsStored = new(0, 19);

    private readonly LoraWeights?[] gate = new LoraWeights?[site.NumExperts], up = new LoraWeights?[site.NumExperts], down = new LoraWeights?[site.NumExperts];

    public ExpertLoraWeights Weights() => new(gate, up, down);

    /// <summary>Adds one expert's update; false when it has one.</summary>
    public bool AddOne(LoraTensors update, int expert, string projection)
    {
        int h = site.HiddenSize, i = site.IntermediateSize;
        if (projection == "gate_up_proj") return AddGateUp(expert, update.OfLinear(2 * i, h));
        if (projection == "down_proj") return Add(down, expert, update.OfLinear(h, i));
        return Add(projection == "gate_proj" ? gate : up, expert, update.OfLinear(i, h));
    }

    /// <summary>Adds the update of a stacked parameter; false when its experts have one. Which parameter it is, gate_up_proj or
    /// down_proj, the shapes say: wrappers nest in the order of the parameters, and one alone has no base_layer.</summary>
    public bool AddStacked(LoraTensors update)
    {
        (StoredTensor a, StoredTensor b) = update.OfStack();
        int h = site.HiddenSize, i = site.IntermediateSize;
        bool gateUp = Fits(a, b, inFeatures: h, outFeatures: 2 * i) || Fits(a, b, inFeatures: 2 * i, outFeatures: h);
        if (!gateUp && !Fits(a, b, inFeatures: i, outFeatures: h) && !Fits(a, b, inFeatures: h, outFeatures: i))
            throw update.Error(a.Name, $"A {a.ShapeText} and B {b.ShapeText} fit neither experts.gate_up_proj [{site.NumExperts}, {2 * i}, {h}] nor experts.down_proj [{site.NumExperts}, {h}, {i}]");

        string parameter = $"{update.Name.Module}.{(gateUp ? "gate_up_proj" : "down_proj")}";
        int outFeatures = gateUp ? 2 * i : h, inFeatures = gateUp ? h : i, rank = update.Config.RankOf(parameter);
        bool swapped = IsSwapped(update, a, outFeatures, inFeatures);
        update.Expect(a, (long)rank * site.NumExperts, swapped ? outFeatures : inFeatures, "[experts · rank, in features]");
        update.Expect(b, swapped ? inFeatures : outFeatures, (long)rank * site.NumExperts, "[out features, rank · experts]");
        float scale = update.Config.ScaleOf(parameter);
        for (int e = 0; e < site.NumExperts; e++)
        {
            StridedMatrix rows = new($"{a.Name}[expert {e}]", a, (long)e * rank * a.Shape[1], rank, (int)a.Shape[1], a.Shape[1], 1);
            StridedMatrix columns = new($"{b.Name}[expert {e}]", b, e, (int)b.Shape[0], rank, b.Shape[1], site.NumExperts);
            LoraWeights weights = swapped ? new(columns.Transpose(), rows.Transpose(), scale) : new(rows, columns, scale);
            if (!(gateUp ? AddGateUp(e, weights) : Add(down, e, weights))) return false;
        }
        return true;
    }

    private static bool Fits(StoredTensor a, StoredTensor b, int inFeatures, int outFeatures) => a.Shape[1] == inFeatures && b.Shape[0] == outFeatures;

    private static bool IsSwapped(LoraTensors update, StoredTensor a, int outFeatures, int inFeatures)
    {
        if (outFeatures != inFeatures) return a.Shape[1] == outFeatures;
        if (update.Config.PeftVersion is { } version) return version < InAndOutAsStored;
        throw update.Error(a.Name, $"this parameter is square, and {LoraConfig.FileName} has no peft_version to tell which of A and B is its input; "
            + $"add the version of PEFT that saved the adapter (from {InAndOutAsStored} on A is the input)");
    }

    /// <summary>Gate is the first half of the rows. Both have the same A.</summary>
    private bool AddGateUp(int expert, LoraWeights both)
    {
        int i = site.IntermediateSize;
        return Add(gate, expert, both with { B = both.B.SliceRows(0, i), Bias = Half(both.Bias, 0) })
            && Add(up, expert, both with { B = both.B.SliceRows(i, i), Bias = Half(both.Bias, i) });

        StoredMatrix? Half(StoredMatrix? bias, int first)
            => bias is DenseMatrix { Tensor: var row } ? new StridedMatrix(bias.Name, row, first, 1, i, 0, 1) : null;
    }

    private static bool Add(LoraWeights?[] projection, int expert, LoraWeights weights)
    {
        if (projection[expert] is not null) return false;
        projection[expert] = weights;
        return true;
    }
}
