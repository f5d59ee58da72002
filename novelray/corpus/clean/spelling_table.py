"""British and American spellings of common English words.

A row is: British stem, American stem, endings that both take (`-`: none). Rows in `BRITISH_ONLY` are read in one
direction only: their American form is also another word in British English (check, tire, story).
"""

from __future__ import annotations

from functools import lru_cache

_BOTH = """
colour color - s ed ing ful less
honour honor - s ed ing able ably
favour favor - s ed ing able ably ite ites
labour labor - s ed ing er ers
neighbour neighbor - s ing ly hood hoods
harbour harbor - s ed ing
humour humor - s ed ing less
rumour rumor - s ed
vapour vapor - s
odour odor - s less
splendour splendor - s
ardour ardor -
candour candor -
clamour clamor - s ed ing
endeavour endeavor - s ed ing
fervour fervor -
flavour flavor - s ed ing
armour armor - ed
parlour parlor - s
behaviour behavior - s
saviour savior - s
valour valor -
vigour vigor -
rancour rancor -
savour savor - s ed ing
succour succor -
tumour tumor - s
demeanour demeanor -
misdemeanour misdemeanor - s
dishonour dishonor - s ed ing able
discolour discolor - s ed ing
centre center - s d
theatre theater - s
fibre fiber - s
spectre specter - s
sombre somber - ly
lustre luster -
sceptre scepter - s
calibre caliber -
sabre saber - s
meagre meager - ly
manoeuvre maneuver - s d
litre liter - s
kilometre kilometer - s
centimetre centimeter - s
millimetre millimeter - s
grey gray - s ish ness er est
realis realiz e es ed ing ation
recognis recogniz e es ed ing able
organis organiz e es ed ing ation ations er ers
apologis apologiz e es ed ing
civilis civiliz e es ed ing ation ations
criticis criticiz e es ed ing
sympathis sympathiz e es ed ing
memoris memoriz e es ed ing
authoris authoriz e es ed ing ation
characteris characteriz e es ed ing ation
emphasis emphasiz e ed ing
fertilis fertiliz e es ed ing
generalis generaliz e es ed ing ation
harmonis harmoniz e es ed ing
idealis idealiz e es ed ing
modernis moderniz e es ed ing ation
normalis normaliz e es ed ing ation
paralys paralyz e es ed ing
analys analyz e ed ing
patronis patroniz e es ed ing ingly
scandalis scandaliz e es ed ing
scrutinis scrutiniz e es ed ing
specialis specializ e es ed ing ation
summaris summariz e es ed ing
symbolis symboliz e es ed ing
tantalis tantaliz e es ed ing ingly
terroris terroriz e es ed ing
utilis utiliz e es ed ing ation
visualis visualiz e es ed ing ation
agonis agoniz e es ed ing ingly
travell travel ed ing er ers
quarrell quarrel ed ing
cancell cancel ed ing
counsell counsel ed ing or ors
levell level ed ing
libell libel ed ing
marvell marvel ed ing ous ously
modell model ed ing
signall signal ed ing
tunnell tunnel ed ing
shovell shovel ed ing
panell panel ed ing
kidnapp kidnap ed ing er ers
worshipp worship ed ing er ers
jewell jewel ed er ers
jewellery jewelry -
woollen woolen - s
fulfil fulfill - s ment
skilful skillful - ly
wilful willful - ly ness
enrol enroll - s ment
instalment installment - s
defence defense - s less
offence offense - s
pretence pretense - s
catalogue catalog - s d
pyjamas pajamas -
plough plow - s ed ing
mould mold - s ed ing y
moustache mustache - s d
sceptic skeptic - s al ally ism
mediaeval medieval -
paediatric pediatric - s ian
anaesthetic anesthetic - s
haemorrhage hemorrhage - s d
diarrhoea diarrhea -
oesophagus esophagus -
aeroplane airplane - s
aluminium aluminum -
cosy cozy -
ageing aging -
sulphur sulfur - ous
artefact artifact - s
"""

_BRITISH_ONLY = """
cheque check - s
tyre tire - s
kerb curb - s
storey story -
storeys stories -
programme program - s
gaol jail - s
practise practice - s d
practising practicing -
licence license - s
draughty drafty -
whilst while -
amongst among -
"""


@lru_cache(maxsize=2)
def pairs(wanted: str) -> dict[str, str]:
    """Other spelling → the wanted one (`british` or `american`), in small letters."""
    both = [pair for line in _BOTH.split("\n") for pair in _forms(line)]
    one_way = [pair for line in _BRITISH_ONLY.split("\n") for pair in _forms(line)]
    if wanted == "american":
        return dict([*both, *one_way])
    return {american: british for british, american in both}


def _forms(line: str) -> list[tuple[str, str]]:
    if not line:
        return []
    british, american, *endings = line.split(" ")
    return [(british + e, american + e) for e in ("" if ending == "-" else ending for ending in endings)]
