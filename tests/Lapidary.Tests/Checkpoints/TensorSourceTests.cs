using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

public sealed class TensorSourceTests
{
    [Theory]
    [InlineData("model.language_model.", "lm_head.weight")]
    [InlineData("language_model.model.", "language_model.lm_head.weight")]
    [InlineData("model.", "lm_head.weight")]
    [InlineData("", "lm_head.weight")]
    public void Names_resolve_under_every_prefix(string prefix, string head)
    {
        using CheckpointFolder folder = new();
        using ICheckpoint checkpoint = Checkpoint.Open(folder.WriteTensors("x.safetensors", prefix + "embed_tokens.weight", "other"));
        Assert.Equal(prefix, WeightNames.TextPrefix(checkpoint));
        Assert.Equal(prefix + "layers.3.router.scale", WeightNames.Resolve(checkpoint, "layers.3.router.scale"));
        Assert.Equal(head, WeightNames.Resolve(checkpoint, "lm_head.weight"));
    }

    [Fact]
    public void No_text_model_or_two_are_refused()
    {
        using CheckpointFolder folder = new();
        const string Probes = "\"model.language_model.\" or \"language_model.model.\" or \"model.\" or \"\"";
        Assert.Equal($"{folder["x"]}: no embed_tokens.weight under {Probes}, so this is no text model; it has \"a\", \"b\", \"c\", \"d\", \"e\" and 1 more",
            Refusal(folder.WriteTensors("x", "a", "b", "c", "d", "e", "f")));
        Assert.EndsWith("the checkpoint is empty", Refusal(folder.WriteTensors("x")), StringComparison.Ordinal);
        Assert.Equal($"{folder["x"]}: more than one text model: \"embed_tokens.weight\", \"model.embed_tokens.weight\"; expected one",
            Refusal(folder.WriteTensors("x", "embed_tokens.weight", "model.embed_tokens.weight")));

        static string Refusal(string path)
        {
            using ICheckpoint checkpoint = Checkpoint.Open(path);
            return Assert.Throws<CheckpointException>(() => new TensorSource(checkpoint, quantization: null)).Message;
        }
    }

    [Fact]
    public void Weights_are_checked_for_presence_shape_and_dtype()
    {
        using CheckpointFolder folder = new();
        using ICheckpoint checkpoint = Model(folder);
        TensorSource source = new(checkpoint, quantization: null);
        Assert.Equal("model.norm.weight", source.Require("norm.weight", 4).Name);
        Assert.Equal(DType.BF16, source.Require("embed_tokens.weight", 3, 4).DType);
        Assert.Null(source.Optional("layers.0.layer_scalar", 1));
        string path = folder["x.safetensors"];
        Refused($"{path}: tensor \"model.layers.0.router.bias\" is missing, expected shape [2, 4] (beside it: \"model.layers.0.router.scale\"); "
            + "the checkpoint may be partly downloaded, or config.json may describe another model", () => source.Require("layers.0.router.bias", 2, 4));
        Refused($"{path}: tensor \"model.layers.9.layer_scalar\" is missing, expected shape [1] (nothing under \"model.layers.9.\" is present); "
            + "the checkpoint may be partly downloaded, or config.json may describe another model", () => source.Require("layers.9.layer_scalar", 1));
        const string Different = "; config.json and the weights are probably of different models";
        Refused($"{path}: tensor \"model.norm.weight\" has shape [4], expected [5]{Different}", () => source.Require("norm.weight", 5));
        Refused($"{path}: tensor \"model.norm.weight\" has shape [4], expected [4, 1]{Different}", () => source.Optional("norm.weight", 4, 1));
        Refused($"{path}: tensor \"model.layers.0.router.scale\" has dtype U8, expected F32, F16 or BF16; the checkpoint is probably quantised in a way that is not supported",
            () => source.Require("layers.0.router.scale", 2));
    }

    [Fact]
    public void Unused_lists_what_nobody_asked_for_but_not_towers_or_ignored_weights()
    {
        using CheckpointFolder folder = new();
        using ICheckpoint checkpoint = Model(folder);
        TensorSource source = new(checkpoint, quantization: null);
        Assert.Equal(["model.embed_tokens.weight", "model.layers.0.router.scale", "model.layers.0.self_attn.k_proj.weight", "model.norm.weight"], source.Unused());
        source.Require("embed_tokens.weight", 3, 4);
        source.Optional("norm.weight", 4);
        source.Ignore("layers.0.self_attn.k_proj.weight");
        Assert.Equal(["model.layers.0.router.scale"], source.Unused());
    }

    [Theory]
    [InlineData("model.vision_tower.encoder.layers.0.x", true)]
    [InlineData("vision_tower.x", true)]
    [InlineData("model.embed_audio.embedding_projection.weight", true)]
    [InlineData("model.language_model.layers.0.x", false)]
    [InlineData("model.language_model.vision_tower.x", false)]
    [InlineData("model.", false)]
    public void Towers_are_known_by_name(string name, bool isTower) => Assert.Equal(isTower, WeightNames.IsTower(name));

    private static ICheckpoint Model(CheckpointFolder folder)
    {
        SafetensorsWriter.WriteFile(folder["x.safetensors"], [
            TensorToWrite.From("model.embed_tokens.weight", DType.BF16, [3, 4], new byte[24]),
            TensorToWrite.From("model.norm.weight", DType.F32, [4], new byte[16]),
            TensorToWrite.From("model.layers.0.router.scale", DType.U8, [2], new byte[2]),
            TensorToWrite.From("model.layers.0.self_attn.k_proj.weight", DType.F16, [1], new byte[2]),
            TensorToWrite.From("model.vision_tower.patch.weight", DType.F16, [1], new byte[2])]);
        return Checkpoint.Open(folder["x.safetensors"]);
    }

    private static void Refused(string message, Action action) => Assert.Equal(message, Assert.Throws<CheckpointException>(action).Message);
}
