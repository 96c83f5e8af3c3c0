using System.Text;

namespace Lapidary.Benchmarks;

/// <summary>
/// English made up from word lists, the same at every call. Content words are drawn with Zipf's frequencies from some
/// 30,000 (stems with prefixes and endings), so that, as in real text, half of the distinct words occur once or twice and
/// a cache of words cannot answer everything. Names, numbers, dates, quotations, contractions and paragraphs are in it.
/// </summary>
internal sealed class EnglishText
{
    private static readonly string[] Stems = Words(
        "act add age aim air arm art back ball band bank base bear beat bed bell bend bird bite blame blend bless block blow board boat bond bone book boot "
        + "born borrow bound bow box branch brand brave bread break breath breed brew brick bridge brief bright bring broad brook brush build burn burst bush butter button cabin cable "
        + "calm camp candle captain card care carpet carry carve cast castle catch cattle cause cellar center chain chair chalk chance change chapel charm chart chase cheer cheese cherry chest child choir "
        + "circle claim class clay clean clear clerk cliff climb clock close cloth cloud coal coast coat coin cold collar color column comfort command common consider contain control cook copper copy "
        + "corn corner cost cotton count country couple courage course court cousin cover craft cream credit crew crop cross crowd crown cruel cry cup cure curtain curve custom cut damage dance "
        + "danger dark daughter dawn day deal dear debt decide deep defend degree delight demand depart depend depth desert design desire detail develop dew dinner direct dish ditch doctor door doubt "
        + "dozen dragon draw dream dress drift drink drive drop drum dry duck dust duty eager ear earth east eat edge effect effort egg elder engine enter equal escape evening event "
        + "evil exact examine excite excuse expect explain express eye face fact fade fail fair faith fall fame family fancy farm fashion fast father fault favor fear feast feather feed feel fellow "
        + "fence fever field fierce fight figure fill final find finger finish fire fish fit flag flame flat flavor flesh float flood floor flour flow flower fly fold follow food foot forest "
        + "forge forget form fortune forward fountain frame free fresh friend frost fruit fuel full fur furnace gain game garden gate gather gentle giant gift glad glass glory glove goat gold "
        + "good govern grace grain grand grant grass grateful grave gray great green greet grief grind ground group grow guard guess guest guide habit hair half hall hammer hand handle hang happen "
        + "harbor hard harm harvest haste hat head heal health heap hear heart heat heavy hedge height help herd hero hide hill hire hold hollow holy home honest honey honor hope "
        + "horn horse host hour house humble hunger hunt hurry hurt idea imagine inch inform inn insect instant interest invent invite iron island ivory jacket jewel join joke journey joy judge juice "
        + "jump just keen keep kettle kick kind king kitchen kneel knife knock knot know labor lace ladder lake lamb lamp land language large lateral laugh law lawn lay lead leaf learn leather "
        + "leave lemon lend length lesson letter level liberal library lift light like limb limit line linen lion list listen live load loaf local lock lodge lone long look loose lord loss "
        + "loud love low loyal luck lumber lunch machine mad magic maid mail manner map marble march mark market marry marsh master match matter meadow meal mean measure meat medicine meet melt "
        + "member memory mend mention merchant mercy merit metal mild milk mill mind mine minister mirror miss mist mistake mix model modern modest moment money month mood moon moral morning moss mother "
        + "motion mount mountain mouse mouth move mud music mystery nail name narrow nation native nature near neat neck need needle neighbor nerve nest night noble nod noise noon north nose note "
        + "notice number nurse oak oar obey object observe ocean offer office oil open opinion orange order organ origin ornament oven own pack page pain paint pair palace pale paper pardon park "
        + "part partner party pass paste path patient pattern pause pay peace pearl peasant pen people pepper perfect perform permit person picture piece pigeon pillow pilot pin pine pink pipe pitch place "
        + "plain plan plant plate play please plenty plow pocket poem point poison pole polite pond poor port portion position post potato pound pour powder power praise pray preach prefer prepare present "
        + "press pretty prevent price pride prince print prison prize problem produce profit promise proper protect proud prove provide public pull pump punish pupil pure purple purpose push quarrel quarter queen question "
        + "quick quiet rabbit race rail rain raise rank rare rate raw reach read ready real reason receive record red refuse regard regret regular relate remain remark remember remind remove rent repair repeat "
        + "reply report request rescue respect rest result return reveal reward ribbon rice rich ride ring ripe rise river road roar roast rob rock roof room root rope rose rough round row royal "
        + "rub rude ruin rule run rush rust sack sacred sad safe sail salt sand satisfy sauce save scale scarce scatter scene scent school science score scorn scrape screen sea search season seat second "
        + "secret seed seek seem seize select send sense separate serious servant serve settle shade shadow shake shallow shame shape share sharp sheep shelf shell shelter shepherd shield shine ship shirt shock shoe "
        + "shoot shop shore short shoulder shout show shower shut sick side sight sign silence silk silver simple sing sister sit size skill skin skirt sky slave sleep slide slip slope slow small smell "
        + "smile smoke smooth snow soap social soft soil soldier solid song sorrow sort soul sound soup sour south space spade spare speak special speech speed spell spend spice spin spirit splendid spoil spoon "
        + "sport spot spread spring square stable staff stage stair stamp stand star start state station stay steady steal steam steel steep stem step stick stiff still stitch stock stomach stone stop store storm "
        + "story stove straight strange stranger straw stream street strength stretch strike string strip stroke strong struggle student study stuff subject succeed sudden suffer sugar suggest suit summer supper supply support "
        + "suppose sure surface surprise surround sweep sweet swell swift swim swing sword system table tail tailor talk tall tame task taste tax teach tear temper temple tempt tend tender tent term test thank theater "
        + "thick thief thin think thirst thorn thread threat throat throne throw thumb thunder ticket tide tie tiger tight timber time tin tire title toe tongue tool tooth top torch total touch tour tower "
        + "town track trade train travel treasure treat tree tremble trial tribe trick trip troop trouble trunk trust truth try tube tune turn twist type ugly uncle union unit urge use usual valley value vapor "
        + "vary vast veil verse vessel view village vine violet virtue visit voice vote vow voyage wage wagon waist wait wake walk wall wander want war warm warn wash waste watch water wave wax weak "
        + "wealth weapon wear weather weave week weep weigh welcome west wet wheat wheel whip whisper whistle white wide wild will wind window wine wing winter wire wise wish wit witness wolf wonder wood wool "
        + "word work world worry worship worth wound wrap wreck wrist write wrong yard yarn year yellow yield young youth zeal zone");

    private static readonly string[] Endings = ["", "", "", "s", "ing", "ed", "er", "ly", "ness", "ful", "less", "able", "ment", "ish", "ward", "ship", "like", "ery"];
    private static readonly string[] Beginnings = ["", "", "", "", "", "un", "re", "over", "under", "out", "fore", "mis", "inter", "counter"];
    private static readonly string[] Names = Words("Tom Anna Mary James Elizabeth Sarah Oliver Harriet Edmund Rosalind Bartholomew Winifred Agnes Cuthbert Matilda Gregory London Thornbury Ashford Millbrook Lapworth Kingsmere Northumberland Ravensworth");
    private static readonly string[] Openers = ["The", "The", "A", "Every", "No", "That", "This", "Her", "His", "Their", "In the end the", "After a while the", "At last a", "Of course, the", "Meanwhile, another", "It was said that the"];
    private static readonly string[] Links = Words("of in to and with for on from by at as but or through over under between against without before after because while until beside toward");
    private static readonly string[] Articles = Words("the the the a his her their its our some any every no that this an");
    private static readonly string[] Verbs = Words("was is had would could did said made went came saw knew took gave found thought told became left felt kept held began seemed heard stood lost brought turned isn't didn't wouldn't couldn't hadn't");
    private static readonly string[] Adverbs = Words("very quite almost never always often again soon still already perhaps rather too then there only even once more at least");

    private readonly Random random = new(20261124);
    private readonly string[] words;     // commonest first
    private readonly double[] cumulated; // Zipf: the n-th word's share is 1/n

    private EnglishText()
    {
        words = [.. Stems, .. Stems.SelectMany(stem => Endings.Skip(3).SelectMany(ending => Beginnings.Skip(4).Select(beginning => beginning + stem + ending)))];
        random.Shuffle(words.AsSpan(0, Stems.Length));
        random.Shuffle(words.AsSpan(Stems.Length));
        words = words[..30_000];
        cumulated = new double[words.Length];
        double sum = 0;
        for (int i = 0; i < words.Length; i++) cumulated[i] = sum += 1.0 / (i + 8);
    }

    /// <summary>One text of at least that many characters, in paragraphs.</summary>
    public static string Document(int length)
    {
        EnglishText text = new();
        StringBuilder result = new(length + 2000);
        while (result.Length < length)
            for (int sentences = text.random.Next(2, 9); sentences > 0; sentences--) result.Append(text.Sentence()).Append(sentences > 1 ? " " : "\n\n");
        return result.ToString();
    }

    /// <summary>Sentences of at least that many characters together.</summary>
    public static string[] Sentences(int length)
    {
        EnglishText text = new();
        List<string> sentences = [];
        while (length > 0)
        {
            sentences.Add(text.Sentence());
            length -= sentences[^1].Length;
        }
        return [.. sentences];
    }

    private string Sentence()
    {
        StringBuilder sentence = new();
        if (random.Next(8) == 0) sentence.Append(Pick(Names)).Append(' ').Append(Pick(Verbs));
        else sentence.Append(Pick(Openers)).Append(' ').Append(Content()).Append(' ').Append(Pick(Verbs));
        for (int clauses = random.Next(1, 5); clauses > 0; clauses--) Clause(sentence, clauses);
        string end = random.Next(12) switch { 0 => "!", 1 => "?", _ => "." };
        if (random.Next(7) == 0) return $"\"{sentence}{(end == "." ? "," : end)}\" said {Pick(Names)}.";
        return sentence.Append(end).ToString();
    }

    private void Clause(StringBuilder sentence, int left)
    {
        if (random.Next(4) == 0) sentence.Append(' ').Append(Pick(Adverbs));
        sentence.Append(' ').Append(Pick(Links)).Append(' ').Append(Pick(Articles)).Append(' ').Append(Content());
        if (random.Next(3) == 0) sentence.Append(' ').Append(Content());
        switch (random.Next(16))
        {
            case 0: sentence.Append($" of {random.Next(1, 3000)}"); break;
            case 1: sentence.Append($" on the {random.Next(2, 31)}th of May, {random.Next(1700, 2026)}"); break;
            case 2: sentence.Append($" ({Content()}, {Content()} and {Content()})"); break;
            case 3: sentence.Append($" with {Pick(Names)}'s {Content()}-{Content()}"); break;
            case 4 when left > 1: sentence.Append($"; {Pick(Articles)} {Content()} {Pick(Verbs)}"); break;
            case 5 or 6 when left > 1: sentence.Append(','); break;
        }
    }

    private string Content()
    {
        int index = Array.BinarySearch(cumulated, random.NextDouble() * cumulated[^1]);
        return words[Math.Min(index < 0 ? ~index : index, words.Length - 1)];
    }

    private string Pick(string[] list) => list[random.Next(list.Length)];

    private static string[] Words(string list) => list.Split(' ');
}
