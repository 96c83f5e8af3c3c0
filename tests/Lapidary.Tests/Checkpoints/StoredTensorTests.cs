using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

public sealed class StoredTensorTests
{
    [Fact]
    public void Slices_point_at_their_rows()
    {
        using CheckpointFolder folder = new();
        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("x", CheckpointFolder.Raw(
            """{"t":{"dtype":"U16","shape":[3,2,2],"data_offsets":[0,24]}}""", 24)));
        StoredTensor tensor = file.Find("t")!;
        Assert.Equal(new byte[] { 8, 9, 10, 11, 12, 13, 14, 15 }, tensor[1].Bytes(0, 8).ToArray());
        Assert.Equal([2, 2], tensor[1].Shape);
        Assert.Equal(new byte[] { 12, 13, 14, 15 }, tensor[1][1].Bytes(0, 4).ToArray());
        Assert.Equal(new byte[] { 16, 17 }, tensor.Rows(2, 1).Bytes(0, 2).ToArray());
        Assert.Equal([0, 2, 2], tensor.Rows(3, 0).Shape);
        Assert.Empty(tensor.Rows(3, 0).Bytes(0, 0).ToArray());
        Assert.Equal("t[1:3]", tensor.Rows(1, 2).Name);
    }

    [Fact]
    public void Ranges_outside_are_refused_even_where_sums_overflow()
    {
        StoredTensor tensor = new("t", DType.U8, [2, 4], 0, null);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Bytes(8, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Bytes(long.MaxValue, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Rows(long.MaxValue, long.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Rows(1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor[2]);
        Assert.Throws<InvalidOperationException>(() => tensor[0][0][0]);
        Assert.Equal(0, new StoredTensor("empty", DType.U8, [0, 4], 0, null).Rows(0, 0).ByteLength);
    }

    [Fact]
    public void A_deleted_or_replaced_file_stays_readable_while_open()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Windows does not delete mapped files");
        using CheckpointFolder folder = new();
        string path = folder.Write("x", CheckpointFolder.Raw("""{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        File.Move(folder.Write("new", "short"), path, overwrite: true);
        Assert.Equal(new byte[] { 0, 1, 2, 3 }, file.Find("t")!.Bytes(0, 4).ToArray());
        File.Delete(path);
        Assert.Equal(new byte[] { 0, 1, 2, 3 }, file.Find("t")!.Bytes(0, 4).ToArray());
    }

    [Fact]
    public void A_closed_checkpoint_gives_no_bytes()
    {
        using CheckpointFolder folder = new();
        SafetensorsFile file = SafetensorsFile.Open(folder.WriteTensors("x", "t"));
        StoredTensor tensor = file.Find("t")!;
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.Bytes(0, 1).Length);
        Assert.Throws<ObjectDisposedException>(() => tensor.Rows(0, 1).Bytes(0, 1).Length);
    }

    [Fact]
    public void Symbolic_links_are_followed_as_in_the_hub_cache()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("symbolic links need a privilege on Windows");
        using CheckpointFolder folder = new();
        folder.WriteTensors("blob", "t");
        File.CreateSymbolicLink(folder[Checkpoint.SingleFile], "blob");
        using ICheckpoint checkpoint = Checkpoint.Open(folder.Path);
        Assert.Equal(["t"], checkpoint.Names);
        File.Delete(folder["blob"]);
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder.Path));
    }

    [Fact]
    public void Every_dtype_name_parses_to_itself_and_others_are_refused()
    {
        foreach (DType dtype in Enum.GetValues<DType>()) Assert.Equal(dtype, DTypes.Parse(dtype.ToString()));
        foreach (string other in new[] { "", "f32", "0", " F32", "F32,F16", "FLOAT" }) Assert.Throws<CheckpointException>(() => DTypes.Parse(other));
    }
}
