using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>Damaged configurations and tensors are refused with a typed error or read as something; nothing crashes.</summary>
public sealed class QuantFuzzTests
{
    private static readonly DType[] DTypes = Enum.GetValues<DType>();
    private static readonly JsonNode?[] Strange = [null, 0, -1, 3, 7, 1 << 30, 1e300, "", "re:(", "re:.*", "group", "*", true, new JsonArray(), new JsonArray(1, "x"), new JsonObject(), new JsonObject { ["a"] = 1 }];

    [Fact]
    public void Damaged_tensors_are_refused_or_read()
    {
        Random random = new(20);
        int refused = 0, read = 0;
        foreach (QuantFixture fixture in QuantFixtures.All.Values)
            for (int round = 0; round < 6; round++)
            {
                using LooseTensors checkpoint = new(fixture.Name);
                string[] names = [.. checkpoint.Names.Where(name => name != "model.embed_tokens.weight").Order(StringComparer.Ordinal)];
                Damage(checkpoint, names[random.Next(names.Length)], random);
                if (Read(checkpoint, fixture, fixture.Config)) read++;
                else refused++;
            }
        Assert.True(refused > 250 && read > 25, $"{refused} refused, {read} read"); // both happen, so both were tested
    }

    [Fact]
    public void Damaged_configurations_are_refused_or_read()
    {
        Random random = new(21);
        int refused = 0, read = 0;
        foreach (QuantFixture fixture in QuantFixtures.All.Values)
            for (int round = 0; round < 6; round++)
            {
                JsonNode config = JsonNode.Parse(fixture.Config)!;
                List<JsonObject> objects = [];
                Collect(config, objects);
                JsonObject target = objects[random.Next(objects.Count)];
                string key = target.Select(entry => entry.Key).ElementAtOrDefault(random.Next(Math.Max(1, target.Count))) ?? "new";
                if (random.Next(4) == 0) target.Remove(key);
                else target[key] = Strange[random.Next(Strange.Length)]?.DeepClone();
                using LooseTensors checkpoint = new(fixture.Name);
                if (Read(checkpoint, fixture, config.ToJsonString())) read++;
                else refused++;
            }
        Assert.True(refused > 100 && read > 100, $"{refused} refused, {read} read");
    }

    private static bool Read(LooseTensors checkpoint, QuantFixture fixture, string config)
    {
        try
        {
            foreach (StoredMatrix matrix in LayoutTests.Read(checkpoint, fixture, config))
            {
                matrix.RequireFinite("here");
                float[] row = new float[matrix.Columns];
                for (int r = 0; r < matrix.Rows; r++)
                {
                    matrix.ReadRow(r, row);
                    Assert.All(row, value => Assert.True(float.IsFinite(value)));
                }
            }
            return true;
        }
        catch (LapidaryException exception)
        {
            Assert.True(exception.Message.Length is > 20 and < 2000, exception.Message);
            return false;
        }
    }

    private static void Damage(LooseTensors checkpoint, string name, Random random)
    {
        StoredTensor tensor = checkpoint.Find(name)!;
        byte[] bytes = tensor.Bytes(0, (int)tensor.ByteLength).ToArray();
        switch (random.Next(6))
        {
            case 0:
                checkpoint.Remove(name);
                break;
            case 1: // other axes over the same bytes
                long[] shape = [.. tensor.Shape.Reverse()];
                checkpoint.Set(name, tensor.DType, shape, bytes);
                break;
            case 2: // another element type over the same bytes
                DType dtype = DTypes[random.Next(DTypes.Length)];
                checkpoint.Set(name, dtype, [bytes.Length / dtype.Size()], bytes[..(bytes.Length / dtype.Size() * dtype.Size())]);
                break;
            case 3: // a scalar, or nothing at all
                checkpoint.Set(name, tensor.DType, random.Next(2) == 0 ? [] : [0, 0], bytes[..tensor.DType.Size()]);
                break;
            case 4: // more or fewer rows
                long[] fewer = [.. tensor.Shape];
                if (fewer.Length == 0) return;
                fewer[0] = random.Next(0, (int)fewer[0] + 1);
                checkpoint.Set(name, tensor.DType, fewer, bytes);
                break;
            default: // other bytes
                for (int i = 0; i < 8; i++) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                checkpoint.Set(name, tensor.DType, [.. tensor.Shape], bytes);
                break;
        }
    }

    private static void Collect(JsonNode? node, List<JsonObject> objects)
    {
        if (node is JsonObject item)
        {
            objects.Add(item);
            foreach ((string _, JsonNode? value) in item) Collect(value, objects);
        }
        else if (node is JsonArray array)
        {
            foreach (JsonNode? value in array) Collect(value, objects);
        }
    }
}
