using System.Text.Json.Nodes;
using Lapidary.Models;

namespace Lapidary.Tests.Models;

/// <summary>
/// The dense MLP of a layer that shares keys and values is twice as wide only when use_double_wide_mlp says so. The
/// committed goldens hold the wide form; the narrow one is in the full set.
/// </summary>
public sealed class MlpWidthTests
{
    [Theory, InlineData(true, 2), InlineData(false, 1)]
    public void Sharing_layers_are_double_wide_only_when_the_configuration_says_so(bool doubleWide, int factor)
    {
        Gemma4Config config = Read(json => json["use_double_wide_mlp"] = doubleWide);
        Assert.Equal(4, config.Layers.Count(layer => layer.SharesKeyValues));
        Assert.All(config.Layers, layer => Assert.Equal(layer.SharesKeyValues ? factor * 48 : 48, layer.IntermediateSize));
    }

    [Fact]
    public void Without_sharing_layers_none_is_double_wide()
        => Assert.All(Read(json => json["num_kv_shared_layers"] = 0).Layers, layer => Assert.Equal(48, layer.IntermediateSize));

    /// <summary>Case "everything" changed: 8 layers, the last 4 sharing, MLP 48, double-wide.</summary>
    private static Gemma4Config Read(Action<JsonObject> change)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(Path.Combine(Goldens.Case("everything"), "config.json")))!.AsObject();
        change(json);
        return Gemma4ConfigReader.Parse(System.Text.Encoding.UTF8.GetBytes(json.ToJsonString()), "config.json");
    }
}
