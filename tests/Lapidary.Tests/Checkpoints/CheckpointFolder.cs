using System.Buffers.Binary;
using System.Text;
using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>A temporary folder of checkpoint files, well-formed or not.</summary>
internal sealed class CheckpointFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("lapidary-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>The bytes of a safetensors file: a header as it is, and so many data bytes 0, 1, 2, …</summary>
    public static byte[] Raw(ReadOnlySpan<byte> header, int dataLength = 0)
    {
        byte[] file = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file.AsSpan(8));
        for (int i = 0; i < dataLength; i++) file[8 + header.Length + i] = (byte)i;
        return file;
    }

    public static byte[] Raw(string header, int dataLength = 0) => Raw(Encoding.UTF8.GetBytes(header), dataLength);

    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    /// <summary>A file of U8 tensors, one element each.</summary>
    public string WriteTensors(string name, params string[] tensors)
    {
        SafetensorsWriter.WriteFile(this[name], tensors.Select(tensor => TensorToWrite.From(tensor, DType.U8, [1], new byte[1])));
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
