using System.Runtime.InteropServices;

namespace Lapidary.Cpu.Assembly;

/// <summary>What a tile kernel is given: some weight rows and a tile of tokens. Machine code reads it by offset.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileArguments
{
    /// <summary>The panel's first byte.</summary>
    public byte* Weights;

    /// <summary>The tile's packed activations.</summary>
    public byte* Activations;

    /// <summary>Output of the panel's first row for the tile's first token.</summary>
    public float* Output;

    /// <summary>Bytes from one token's output to the next.</summary>
    public nint OutputStride;

    /// <summary>Steps of columns in a row.</summary>
    public nint Steps;

    /// <summary>Bit r: row r of the panel exists.</summary>
    public nint RowMask;

    /// <summary>Weights that are needed soon: lines from here on are asked for.</summary>
    public byte* Ahead;

    /// <summary>Bytes from one token's hidden states to the next, where they are not packed.</summary>
    public nint ActivationStride;

    /// <summary>Where weights are left as other tiles read them.</summary>
    public byte* Unpacked;

    /// <summary>Other than 0: sums go on from what is in the output.</summary>
    public nint Resumes;
}
