using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu.Assembly;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Tests.Cpu.Assembly;

public sealed unsafe class HiddenFormTests
{
    /// <summary>Columns: some steps; with a rest; more than are written at a time.</summary>
    public static MatrixTheoryData<string, int, int> Cases() => new(["rows", "pairs", "int8", "wide int8"], [64, 70, 600], [1, 13, 37]);

    [Theory, MemberData(nameof(Cases))]
    public void Workers_write_their_columns_where_one_would(string kind, int columns, int tokens)
    {
        if (kind is "rows" or "pairs" && !Avx512F.IsSupported) Assert.Skip("bfloat16 forms are written with AVX-512");
        HiddenForm form = kind switch
        {
            "rows" => new BFloat16Form(columns, RowTile.MaxTokens, RowTile.StepColumns),
            "pairs" => new BFloat16Form(columns, PairTile.MaxTokens, CompactBlock.StepColumns),
            _ => new Int8Form(columns, ZeroPoint: 8, ScalesPerStep: 2, HasOffsets: false, IsWide: kind == "wide int8"),
        };
        Random random = new(5);
        float[] values = [.. Enumerable.Range(0, tokens * columns).Select(_ => random.NextSingle() - 0.5f)];
        byte[] whole = new byte[tokens * form.RowBytes], parts = new byte[whole.Length], shifted = new byte[whole.Length];
        fixed (float* x = values)
        fixed (byte* atOnce = whole, byParts = parts, elsewhere = shifted)
        {
            form.Write(x, columns, 0, tokens, tokens, atOnce);
            for (int from = 0; from < columns; from += HiddenForm.Grain)
                for (int token = 0; token < tokens; token += 5)
                    form.WriteColumns(x, columns, token, Math.Min(tokens, token + 5), tokens, from, Math.Min(columns, from + HiddenForm.Grain), byParts);
            form.Write(x + 1, columns, 0, tokens - 1, tokens, elsewhere);
        }
        Assert.Equal(whole, parts);
        Assert.NotEqual(whole, shifted);
    }
}
