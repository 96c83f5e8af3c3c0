using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>bfloat16 weights that are easy or hard to write in fewer bytes.</summary>
public static unsafe class CompactWeights
{
    public enum Kind
    {
        /// <summary>As trained weights are.</summary>
        Normal,

        /// <summary>With zeros, infinities and sizes of their own among them.</summary>
        Mixed,

        /// <summary>Normal ones, with a far larger one in every block.</summary>
        Outliers,

        /// <summary>Every second weight of a size that no other has.</summary>
        Uncodable,
    }

    public static ushort[] Weights(Kind kind, int count)
    {
        Random random = new(7);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()) * 0.02;
            double value = kind switch
            {
                Kind.Mixed when random.Next(50) == 0 => (random.Next(3) - 1) * Math.Pow(10, random.Next(-30, 5)),
                Kind.Outliers when i % 2816 % 256 == 7 => 1e6,
                Kind.Uncodable when i % 2 == 0 => Math.Pow(2, random.Next(-60, 3)),
                _ => normal,
            };
            return (ushort)(BitConverter.SingleToUInt32Bits((float)value) >> 16);
        })];
    }

    public static float Value(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    public static float[] Tokens(int count)
    {
        Random random = new(4);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 4 - 2)];
    }

    public static DenseMatrix Matrix(ushort* weights, int rows, int columns) => new(new StoredTensor("w", DType.BF16, [rows, columns], (nint)weights, owner: null));
}
