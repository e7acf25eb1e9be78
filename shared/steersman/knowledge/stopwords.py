"""Words that carry no meaning of their own, by language; the most frequent ones also tell the language."""

_EN = """
a about above after again against all also am an and any are aren't as at be because been before being below
between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each
few for from further had has have having he her here hers him his how i i'd i'm i've if in into is isn't it
it's its itself just let's me more most my no nor not of off on once only or other our out over own same she
should so some such than that the their them then there these they this those through to too under until up
upon us very was wasn't we were what when where which while who whom whose why will with won't would you
your yours
"""
_DE = """
aber als am an auch auf aus bei bin bis das dass dem den der des die dies diese dieser ein eine einem einen
einer eines er es für haben hat hatte ich ihr im in ist ja kann können man mit nach nicht noch nur oder sein
sich sie sind so um und uns von vor war warum was welche welcher welches wenn wer wie wir wird wo zu zum zur
über
"""
_FR = """
au aux avec ce ces cette comment dans de des du elle en est et eu il ils je la le les leur lui ma mais me
mes moi mon même ne nos notre nous on ou où par pas pour pourquoi qu que quel quelle quelles quels qui sa se
ses son sont sur ta te tes toi ton tu un une vos votre vous
"""
_ES = """
al algo como con cuál cuándo cómo de del desde donde dónde el ella ellos en entre era es esta este esto está
están fue ha hay la las le les lo los me mi muy más no nos o para pero por porque que quien quién qué se ser
si sin sobre son su sus también te tiene tu un una y ya yo
"""
_IT = """
agli ai al alla alle anche che chi ci come con cosa da dal dalla dei del della delle di dove e gli ha hanno
ho i il in io la le lo loro ma mi ne nei nel nella non o per perché più quale quali quando quello questa
questo se si sono su sul sulla tra un una uno è
"""
_PT = """
ao aos as até com como da das de do dos e ela ele em entre era essa esse esta este eu foi há isso mais mas
me na nas no nos não o onde os ou para pela pelo por porque qual quando que quem se sem ser seu sua são
também te tem um uma você é
"""
_NL = """
aan al als bij dan dat de deze die dit doen door een en er had hebben heeft het hij hoe ik in is je kan maar
meer men met mijn naar niet nog nu of om omdat ook op over te toen tot uit van veel voor waar waarom was wat
we welke wie wij wordt zal ze zich zij zijn zo zou
"""
# Words with which English questions ask: they say what kind of answer is wanted, not what it is about.
_ASKING = """
actually answer anyone anything ask describe exactly explain find get give help how's know like list look
many much please possible question say see show someone something tell there's thing things try use used
uses using want what's who's
"""

BY_LANGUAGE = {
    code: frozenset(words.split())
    for code, words in (
        ("en", _EN),
        ("de", _DE),
        ("fr", _FR),
        ("es", _ES),
        ("it", _IT),
        ("pt", _PT),
        ("nl", _NL),
    )
}
STOPWORDS = BY_LANGUAGE["en"]
ASKING = frozenset(_ASKING.split())
