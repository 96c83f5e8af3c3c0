using System.Text.Json.Nodes;
using Lapidary.Checkpoints;

namespace Lapidary.Quantization.Encoding;

/// <summary>
/// Rounds weight matrices to one scheme of compressed-tensors. Each part of a matrix is computed when it is written, a few
/// rows at a time, so that memory does not grow with the model.
/// </summary>
public abstract class WeightEncoder
{
    /// <summary>Name of the scheme on the command line, e.g. "int4".</summary>
    public abstract string Name { get; }

    /// <summary>compressed-tensors' name of the layout, e.g. "pack-quantized".</summary>
    public abstract string Format { get; }

    /// <summary>The "weights" of a config group.</summary>
    public abstract JsonObject Scheme();

    /// <summary>Why a matrix of so many columns cannot be in this scheme; null when it can.</summary>
    public virtual string? Inapplicable(int columns) => null;

    /// <summary>The tensors to write for one matrix.</summary>
    /// <param name="module">Full name of the module, which the parts' names begin with.</param>
    /// <param name="scaleType">F32, F16 or BF16: dtype of scales that are numbers.</param>
    /// <param name="error">Told the error of each row when the codes are written.</param>
    public abstract IEnumerable<TensorToWrite> Encode(string module, StoredMatrix matrix, DType scaleType, RoundingError error);

    /// <summary>A tensor whose rows are computed in parallel, a block of the matrix's rows at a time.</summary>
    /// <param name="bytesOf">Bytes of so many rows; blocks are whole but for the last.</param>
    /// <param name="block">(first row, rows, destination)</param>
    protected static TensorToWrite ByRows(
        string name, DType dtype, long[] shape, StoredMatrix matrix, int blockRows, Func<int, int> bytesOf, Action<int, int, Memory<byte>> block)
        => new(name, dtype, shape, stream =>
        {
            int blocks = (matrix.Rows + blockRows - 1) / blockRows, blockBytes = bytesOf(blockRows), atOnce = Math.Clamp(BufferBytes / Math.Max(1, blockBytes), 1, blocks);
            byte[] buffer = new byte[atOnce * blockBytes];
            for (int first = 0; first < blocks; first += atOnce)
            {
                int count = Math.Min(atOnce, blocks - first), rows = Math.Min(count * blockRows, matrix.Rows - first * blockRows);
                Parallel.For(0, count, i =>
                {
                    int row = (first + i) * blockRows;
                    block(row, Math.Min(blockRows, matrix.Rows - row), buffer.AsMemory(i * blockBytes, blockBytes));
                });
                stream.Write(buffer, 0, (count - 1) * blockBytes + bytesOf(rows - (count - 1) * blockRows));
            }
        });

    private const int BufferBytes = 1 << 22;
}

/// <summary>What rounding changed in one matrix.</summary>
public sealed class RoundingError
{
    private readonly Lock gate = new();
    private double squares, total;

    /// <summary>√(Σ (w - rounded)² / Σ w²)</summary>
    public double Relative => total == 0 ? 0 : Math.Sqrt(squares / total);

    public void Add(ReadOnlySpan<float> weights, ReadOnlySpan<float> rounded)
    {
        double difference = 0, sum = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            double d = (double)weights[i] - rounded[i];
            difference += d * d;
            sum += (double)weights[i] * weights[i];
        }
        lock (gate)
        {
            squares += difference;
            total += sum;
        }
    }
}
