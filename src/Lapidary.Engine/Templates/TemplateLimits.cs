namespace Lapidary.Templates;

/// <summary>
/// What one rendering may use. A template comes with a checkpoint and is not trusted: with these bounds it can neither
/// run for ever nor fill the memory. The defaults leave a factor of about 25 over a 1,000-message conversation, which takes
/// 260,000 steps and 10 MB; a template at its limits ends within two seconds.
/// </summary>
public sealed record TemplateLimits
{
    public static TemplateLimits Default { get; } = new();

    /// <summary>Expressions evaluated, loop turns, and elements or 16-character blocks touched by one operation.</summary>
    public long Steps { get; init; } = 16_000_000;

    /// <summary>Characters (UTF-16 units) of the output or of any single string.</summary>
    public int TextCharacters { get; init; } = 16 << 20;

    /// <summary>Characters of all strings made in one rendering together.</summary>
    public long TotalCharacters { get; init; } = 64L << 20;

    /// <summary>Bytes allocated in one rendering, for whatever purpose.</summary>
    public long AllocatedBytes { get; init; } = 256L << 20;

    /// <summary>Elements of any single list, tuple or dict made by the template.</summary>
    public int Elements { get; init; } = 1 << 20;

    /// <summary>Macro calls, recursive loops and nested values inside each other.</summary>
    public int Depth { get; init; } = 300;

    /// <summary>Bits of an integer that an operator may produce (16,384 bits are 4,932 digits).</summary>
    public int IntegerBits { get; init; } = 16_384;

    /// <summary>Elements of a range(); Jinja's sandbox has the same bound.</summary>
    public const int RangeElements = 100_000;
}
