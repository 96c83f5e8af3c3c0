using System.Globalization;
using System.Numerics;
using Lapidary.Templates.Library;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

internal sealed class NoneValue : TemplateValue
{
    public static readonly NoneValue Instance = new();

    private NoneValue() { }

    internal override string TypeName => "NoneType";

    internal override bool IsTrue => false;

    internal override void AppendRepr(ReprWriter writer) => writer.Append("None");
}

internal sealed class BoolValue : TemplateValue
{
    public static readonly BoolValue True = new(true);
    public static readonly BoolValue False = new(false);
    private readonly bool _value;

    private BoolValue(bool value) => _value = value;

    public static BoolValue Of(bool value) => value ? True : False;

    internal override string TypeName => "bool";

    internal override bool IsTrue => _value;

    internal override BigInteger? Integer => _value ? BigInteger.One : BigInteger.Zero;

    internal override TemplateValue? Attribute(string name) => NumberMethods.Find(this, name);

    internal override void AppendRepr(ReprWriter writer) => writer.Append(_value ? "True" : "False");

    internal override int Hash() => IntValue.HashOf(_value ? 1 : 0);
}

internal sealed class IntValue(BigInteger value) : TemplateValue
{
    /// <summary>Python refuses to print longer integers (sys.set_int_max_str_digits).</summary>
    public const int MaxDigits = 4300;

    public BigInteger Value => value;

    internal override string TypeName => "int";

    internal override bool IsTrue => !value.IsZero;

    internal override BigInteger? Integer => value;

    internal override TemplateValue? Attribute(string name) => NumberMethods.Find(this, name);

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.ChargeDigits(value.GetBitLength());
        string digits = value.ToString(CultureInfo.InvariantCulture);
        if (digits.Length > MaxDigits + (value.Sign < 0 ? 1 : 0)) throw new TemplateFault($"an integer of more than {MaxDigits} digits cannot be printed");
        writer.Append(digits);
    }

    internal override int Hash() => HashOf(value);

    /// <summary>Mixed with the process's random seed: small integers hash to themselves otherwise, and keys that are all
    /// multiples of a table's size make every lookup a walk through all of them.</summary>
    public static int HashOf(BigInteger number) => HashCode.Combine(number);
}

internal sealed class FloatValue(double value) : TemplateValue
{
    public double Value => value;

    internal override string TypeName => "float";

    internal override bool IsTrue => value != 0;

    internal override TemplateValue? Attribute(string name) => NumberMethods.Find(this, name);

    internal override void AppendRepr(ReprWriter writer) => writer.Append(PythonFloat.Repr(value));

    // 2.0 and 2 are the same key.
    internal override int Hash() => double.IsInteger(value) ? IntValue.HashOf(new BigInteger(value)) : HashCode.Combine(value);
}
