using System.Globalization;
using System.Text.Json;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>Values of a request by type, or an error that names their place. Numbers in strings are strings.</summary>
internal static class JsonValues
{
    private const int MaxElements = 1 << 20;

    /// <summary>Up to here every integer is a double.</summary>
    private const double ExactBelow = 1L << 53;

    public static string Text(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.String) throw Wrong(value, path, "a string");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw ApiException.Invalid(path, $"{path} holds half a surrogate pair, which is no character");
        }
    }

    public static double Number(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Number) throw Wrong(value, path, "a number");
        double number = value.GetDouble();
        return double.IsFinite(number) ? number : throw ApiException.Invalid(path, $"{path} is {Number(value)}, expected a finite number");
    }

    /// <summary>An integer in any JSON spelling: 1, 1.0 and 1e0 are the same number.</summary>
    public static long Integer(JsonElement value, string path, long min, long max)
    {
        if (value.ValueKind != JsonValueKind.Number) throw Wrong(value, path, "an integer");
        if (!value.TryGetInt64(out long integer))
        {
            double number = value.GetDouble();
            if (Math.Truncate(number) != number) throw new ApiException(StatusCodes.Status400BadRequest, $"{path} is {Number(value)}, expected an integer") { Param = path, Code = "invalid_type" };
            if (Math.Abs(number) > ExactBelow) throw Range(value, path, min, max);
            integer = (long)number;
        }
        return integer >= min && integer <= max ? integer : throw Range(value, path, min, max);
    }

    /// <summary>The elements with their places.</summary>
    public static IReadOnlyList<(JsonElement Value, string Path)> Array(JsonElement value, string path)
    {
        RequireArray(value, path);
        return [.. value.EnumerateArray().Select((element, index) => (element, $"{path}[{index}]"))];
    }

    public static int[] Integers(JsonElement value, string path)
    {
        RequireArray(value, path);
        int[] integers = new int[value.GetArrayLength()];
        int index = 0;
        foreach (JsonElement element in value.EnumerateArray())
        {
            // The place is only written out for an error: prompts may have a million ids.
            if (element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int plain)) integers[index] = plain;
            else integers[index] = (int)Integer(element, $"{path}[{index}]", int.MinValue, int.MaxValue);
            index++;
        }
        return integers;
    }

    public static string[] Texts(JsonElement value, string path)
    {
        RequireArray(value, path);
        return [.. value.EnumerateArray().Select((element, index) => Text(element, $"{path}[{index}]"))];
    }

    private static void RequireArray(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(value, path, "an array");
        if (value.GetArrayLength() > MaxElements) throw ApiException.Invalid(path, $"{path} has {value.GetArrayLength()} elements, more than the {MaxElements} allowed");
    }

    public static ApiException Wrong(JsonElement value, string path, string expected)
        => new(StatusCodes.Status400BadRequest, $"{path} is {JsonKind.Of(value)}, expected {expected}") { Param = path, Code = "invalid_type" };

    private static ApiException Range(JsonElement value, string path, long min, long max)
    {
        bool below = value.TryGetInt64(out long integer) ? integer < min : value.GetDouble() < min;
        string expected = max is int.MaxValue or long.MaxValue && min > int.MinValue ? $"{min} or more" : $"{min} to {max}";
        return ApiException.OutOfRange(path, $"{path} is {Number(value)}, expected {expected}", NumberKind.Integer, below ? Bound.Minimum : Bound.Maximum);
    }

    /// <summary>As it was written, unless that is long.</summary>
    private static string Number(JsonElement value) => value.GetRawText() is { Length: <= 40 } text ? text : value.GetDouble().ToString(CultureInfo.InvariantCulture);
}
