using Lapidary.Cli;

namespace Lapidary.Tests.Cli;

public sealed class WeightMemoryTests
{
    [Fact]
    public void Weights_are_copied_where_so_many_models_of_their_size_fit_memory()
    {
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-");
        try
        {
            string weights = Path.Combine(folder.FullName, "model.safetensors");
            Assert.True(WeightMemory.Fits(weights, models: 1)); // opening it says that it is not there
            Sparse(weights, memory * 7 / 10);
            Sparse(Path.Combine(folder.FullName, "notes.bin"), memory);
            Assert.True(WeightMemory.Fits(weights, models: 1));
            Assert.True(WeightMemory.Fits(folder.FullName, models: 1));
            Assert.False(WeightMemory.Fits(folder.FullName, models: 2));
            string link = Path.Combine(folder.FullName, "link"), nowhere = Path.Combine(folder.FullName, "nowhere.gguf");
            File.CreateSymbolicLink(link, weights);
            File.CreateSymbolicLink(nowhere, Path.Combine(folder.FullName, "missing"));
            Assert.True(WeightMemory.Fits(link, models: 1));
            Assert.False(WeightMemory.Fits(link, models: 2));
            Assert.True(WeightMemory.Fits(folder.FullName, models: 1));
            Sparse(Path.Combine(folder.FullName, "model-2.safetensors"), memory * 7 / 10);
            Assert.False(WeightMemory.Fits(folder.FullName, models: 1));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        static void Sparse(string path, long bytes)
        {
            using FileStream file = File.Create(path);
            file.SetLength(bytes);
        }
    }
}
