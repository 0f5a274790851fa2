"""The words for people and the audiences that they belong to: girls, boys, babies, teens, women or men."""

Audiences = frozenset[str]
GIRLS, BOYS, BABIES = "girls", "boys", "babies"
TEENS, WOMEN, MEN = "teens", "women", "men"
CHILDREN: Audiences = frozenset({GIRLS, BOYS, BABIES})
TEENAGERS: Audiences = frozenset({GIRLS, BOYS, TEENS})
GROWN: Audiences = frozenset({WOMEN, MEN})
BABIES_ALONE: Audiences = frozenset({BABIES})
NAMES: dict[Audiences, str] = {
    frozenset({GIRLS}): "girl daughter granddaughter grandaughter stepdaughter goddaughter niece schoolgirl",
    frozenset({BOYS}): "boy son grandson stepson godson nephew schoolboy",
    BABIES_ALONE: "baby babies newborn infant toddler grandbaby grandbabies",
    frozenset({WOMEN}): (
        "women woman wife wives wifey missus mother stepmother mum mom mam mummy mommy mama stepmum stepmom "
        "grandmother grandma grannie granny gran nan nana nanna "
        "girlfriend fiancee bride bridesmaid lady ladies aunt auntie aunty female mrs mum-to-be mom-to-be "
        "daughter-in-law sister-in-law godmother gf waitress"
    ),
    frozenset({MEN}): (
        "men man husband hubby father stepfather dad daddy papa stepdad grandfather grandad granddad grandpa gramps "
        "boyfriend fiance groom groomsman groomsmen gentleman gentlemen gent guy bloke fella uncle male mr "
        "son-in-law brother-in-law godfather bf waiter"
    ),
    frozenset({GIRLS, WOMEN}): "sister sis lass lassie",
    frozenset({BOYS, MEN}): "brother bro lad",
    GROWN: "parent grandparent couple adult grown-up",
    frozenset({TEENS}): "young-adult",
    TEENAGERS: "teen teenager teenage tween preteen youngster pupil schoolchild schoolchildren",
    CHILDREN: "child children kid kiddie kiddo grandchild grandchildren grandkid godchild godchildren stepchild twin triplet",
    frozenset(): (
        "friend teacher boss colleague neighbour neighbor doctor nurse coach nanny partner spouse someone somebody cousin "
        "host hostess guest student midwife hairdresser cleaner babysitter dentist mate pal"
    ),
}  # fmt: skip
WHO = {name.replace("-", ""): audiences for audiences, names in NAMES.items() for name in names.split()}
GENERIC = {name for audiences in (CHILDREN, TEENAGERS) for name in NAMES[audiences].split()}
OF_ANY_AGE = {
    name for audiences in ({GIRLS, WOMEN}, {BOYS, MEN}) for name in NAMES[frozenset(audiences)].split()
}
OFFSPRING = {name for sex in (GIRLS, BOYS) for name in NAMES[frozenset({sex})].split()} - {
    "girl", "schoolgirl", "boy", "schoolboy",
}  # fmt: skip
GROWN_UP = {
    "wife", "wives", "wifey", "missus", "husband", "hubby", "girlfriend", "boyfriend", "fiancee", "fiance", "mumtobe", "momtobe",
    "groomsman", "groomsmen",
}  # fmt: skip
SOMEBODY = f"(?:{'|'.join(sorted(WHO, key=len, reverse=True))})"  # one of them, as a pattern
