using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Lapidary.Checkpoints;

/// <summary>
/// Tells whether files are still those that something was made from, without reading gigabytes: names, lengths, times of
/// change in seconds, and pieces spread evenly over each.
/// </summary>
public static class FileFingerprint
{
    private const int Pieces = 256, PieceBytes = 4096;

    /// <returns>Hexadecimal digits.</returns>
    /// <exception cref="CheckpointException">A file cannot be read.</exception>
    public static string Of(IEnumerable<string> paths)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] piece = new byte[PieceBytes];
        foreach (string path in paths)
        {
            try
            {
                using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
                hash.AppendData(Encoding.UTF8.GetBytes(Path.GetFileName(path)));
                AppendNumber(hash, file.Length);
                AppendNumber(hash, new DateTimeOffset(File.GetLastWriteTimeUtc(path)).ToUnixTimeSeconds());
                for (int i = 0; i < Pieces; i++)
                {
                    file.Position = (long)((decimal)Math.Max(0, file.Length - PieceBytes) * i / (Pieces - 1));
                    hash.AppendData(piece, 0, file.ReadAtLeast(piece, PieceBytes, throwOnEndOfStream: false));
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new CheckpointException($"{path}: cannot be read: {exception.Message}", exception);
            }
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void AppendNumber(IncrementalHash hash, long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        hash.AppendData(bytes);
    }
}
