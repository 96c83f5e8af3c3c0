using System.Runtime.CompilerServices;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>How a panel keeps its scales.</summary>
internal enum ScaleKind
{
    /// <summary>float16: what GGUF blocks hold.</summary>
    Half,

    /// <summary>bfloat16: what most safetensors hold.</summary>
    BFloat16,

    /// <summary>float32: for scales that no 16-bit type holds exactly.</summary>
    Single,

    /// <summary>8-bit factors of a float16 that several steps share: GGUF's K-quants.</summary>
    Factored,
}

/// <summary>
/// The bytes of a panel: 16 weight rows interleaved so that one 512-bit register holds 4 columns of each. Per step of 32
/// columns: the codes, then the scales of the 16 rows, then their offsets. Factored scales have a block of steps behind the
/// float16 scales, then offsets, that its factors multiply. Codes of 4 columns and 16 rows are a "quad" of 64
/// bytes, byte 4·row + column; 4-bit quads lie in pairs (q, q + 4) as low and high nibbles, the fifth bit of all quads in one
/// more register (bit q), bits 5 and 6 in two more (2 bits each).
/// </summary>
/// <param name="CodeBits">4, 5, 6 or 8 bits kept for a code.</param>
/// <param name="ZeroPoint">What is subtracted from an unsigned code; 0 when the format has offsets, which then hold it too.</param>
/// <param name="ScalesPerStep">1: a scale for 32 columns; 2: for 16.</param>
/// <param name="StepsPerBlock">Steps that share the float16 of factored scales; 0 for plain ones.</param>
internal sealed unsafe record PanelLayout(int CodeBits, int ZeroPoint, ScaleKind Scales, int ScalesPerStep, bool HasOffsets, int StepsPerBlock)
{
    public const int Rows = 16, StepColumns = 32, Quads = 8, Register = 64;

    public int CodeBytes => Rows * StepColumns * CodeBits / 8;
    public int ScaleBytes => Rows * Scales switch { ScaleKind.Single => 4, ScaleKind.Factored => 1, _ => 2 };

    /// <summary>Bytes of the float16 scales, or offsets, of a block.</summary>
    public const int BlockScaleBytes = 2 * Rows;

    /// <summary>Bytes before the first step of a block.</summary>
    public int BlockBytes => StepsPerBlock == 0 ? 0 : BlockScaleBytes * (HasOffsets ? 2 : 1);

    /// <summary>Bytes of one step of a panel.</summary>
    public int StepBytes => CodeBytes + ScalesPerStep * ScaleBytes * (HasOffsets ? 2 : 1);

    public nint PanelBytes(int steps) => (nint)steps * StepBytes + (StepsPerBlock == 0 ? 0 : steps / StepsPerBlock * BlockBytes);

    public int ScaleOffset(int part) => CodeBytes + part * ScaleBytes;
    public int OffsetOffset(int part) => CodeBytes + (ScalesPerStep + part) * ScaleBytes;

    /// <summary>Scales of as many rows as there are lanes, from row <paramref name="first"/> on.</summary>
    /// <param name="step">Where the step begins.</param> <param name="block">Where its block begins; unused for plain scales.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Scale<TLane>(byte* step, byte* block, int part, int first) where TLane : struct, IFloatLane<TLane>
        => Factors<TLane>(step + ScaleOffset(part), block, first);

    /// <summary>As <see cref="Scale"/>; 0 where there are no offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Offset<TLane>(byte* step, byte* block, int part, int first) where TLane : struct, IFloatLane<TLane>
        => HasOffsets ? Factors<TLane>(step + OffsetOffset(part), block + BlockScaleBytes, first) : TLane.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TLane Factors<TLane>(byte* factors, byte* block, int first) where TLane : struct, IFloatLane<TLane> => Scales switch
    {
        ScaleKind.Half => TLane.LoadF16((ushort*)factors + first),
        ScaleKind.BFloat16 => TLane.LoadBf16((ushort*)factors + first),
        ScaleKind.Single => TLane.Load((float*)factors + first),
        _ => TLane.LoadInt8((sbyte*)factors + first) * TLane.LoadF16((ushort*)block + first),
    };

    /// <summary>Bytes of one token's hidden states for a step.</summary>
    public int ActivationBytes => Int8Form.For(this, StepColumns).StepBytes;

    /// <summary>Why codes of that format cannot be multiplied as integers, or null.</summary>
    public static string? Refusal(WeightFormat format) => format switch
    {
        { Code: null } => $"weights are {format}, not integers",
        { Code: { } code } when !IsInteger(code) => $"codes are {code}, not integers",
        { ActOrder: true } => "act-order weights take their scales in no fixed order of columns",
        { GroupSize: not 0 and not 16 } when format.GroupSize % StepColumns != 0 => $"groups of {format.GroupSize} columns are neither 16 nor a multiple of {StepColumns}",
        _ => null,
    };

    /// <summary>The layout for integer codes.</summary>
    /// <param name="groupsPerBlock">Of factored scales.</param>
    public static PanelLayout For(WeightFormat format, ScaleKind scales, int groupsPerBlock = 0)
    {
        CodeType code = format.Code!;
        int bits = code.Bits <= 4 ? 4 : code.Bits <= 6 ? code.Bits : 8;
        return new PanelLayout(
            bits, format.HasOffsets ? 0 : -(int)code.Values[0], scales, format.GroupSize == 16 ? 2 : 1, format.HasOffsets,
            scales == ScaleKind.Factored ? groupsPerBlock * format.GroupSize / StepColumns : 0);
    }

    /// <summary>Codes count up from the first value by 1.</summary>
    private static bool IsInteger(CodeType code)
    {
        for (int i = 0; i < code.Values.Length; i++)
            if (code.Values[i] != code.Values[0] + i) return false;
        return true;
    }
}
