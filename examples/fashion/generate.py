"""Write a made-up fashion shop: items, users with tastes, their clicks and purchases, judged queries.

Everything is invented; the same seed gives the same files, byte for byte.

    python examples/fashion/generate.py examples/fashion
"""

import csv
import random
import sys
from dataclasses import dataclass
from pathlib import Path

SEED = 7
USERS = 500
FIRST_DAY = 1_717_200_000  # 2024-06-01, UTC
DAYS = 365

AUDIENCES = {
    "women": ["for women", "in a feminine cut for women", "made for women"],
    "men": ["for men", "in a relaxed cut for men", "made for men"],
    "girls": ["for girls aged 3 to 8", "for girls aged 8 to 14", "for school-age girls"],
    "boys": ["for boys aged 3 to 8", "for boys aged 8 to 14", "for school-age boys"],
    "babies": ["for babies from 3 months", "for babies and toddlers", "for newborns and small babies"],
}
OWNER = {"women": "Women's", "men": "Men's", "girls": "Girls'", "boys": "Boys'", "babies": "Baby"}
BRANDS = {
    "women": ["Lumena", "Aurelle", "Nordmark", "Vela & Co"],
    "men": ["Harrow", "Nordmark", "Tideway", "Granit"],
    "girls": ["Pippa Lane", "Kitewing", "Little Fjord"],
    "boys": ["Kitewing", "Scamp", "Little Fjord"],
    "babies": ["Cloudlet", "Little Fjord", "Mimo"],
}
SHOPS = ["Harbour Street", "Linden Arcade", "Northgate Online"]
COLOURS = [
    "white",
    "navy",
    "coral",
    "mint",
    "mustard",
    "lilac",
    "red",
    "black",
    "grey",
    "sky blue",
    "sand",
    "green",
]


@dataclass(frozen=True)
class Kind:
    """A kind of garment: when it is worn, by whom, of what, and what it costs."""

    noun: str
    category: str
    season: str
    audiences: tuple[str, ...]
    materials: tuple[str, ...]
    price: tuple[int, int]
    virtues: tuple[str, ...]
    occasion: str


EVERYONE = ("women", "men", "girls", "boys", "babies")
ADULTS, CHILDREN = ("women", "men"), ("girls", "boys", "babies")
KINDS = (
    Kind("sundress", "dresses", "summer", ("women", "girls", "babies"), ("cotton", "linen"), (18, 70), ("light and airy on hot days", "with a skirt that twirls", "that dries quickly after a splash"), "holiday"),
    Kind("shorts", "shorts", "summer", EVERYONE, ("cotton", "linen", "jersey"), (12, 50), ("easy to move in", "with an elastic waist", "for the playground and the beach"), "leisure"),
    Kind("t-shirt", "t-shirts", "summer", EVERYONE, ("organic cotton", "cotton", "jersey"), (8, 35), ("soft on the skin", "with a playful print", "that keeps its shape in the wash"), "leisure"),
    Kind("sandals", "shoes", "summer", EVERYONE, ("leather", "cork", "rubber"), (16, 80), ("with a soft footbed", "that close with one strap", "for warm pavements and wet sand"), "holiday"),
    Kind("swimwear", "swimwear", "summer", EVERYONE, ("recycled polyamide",), (14, 60), ("with sun protection", "for pool and sea", "that dries in no time"), "holiday"),
    Kind("sun hat", "accessories", "summer", EVERYONE, ("straw", "cotton"), (9, 40), ("with a wide brim", "that folds into a pocket", "with a ribbon under the chin"), "holiday"),
    Kind("linen shirt", "shirts", "summer", ("women", "men", "boys"), ("linen",), (22, 80), ("cool in the heat", "for long evenings outside", "with mother-of-pearl buttons"), "leisure"),
    Kind("winter coat", "coats", "winter", EVERYONE, ("wool", "recycled down"), (45, 220), ("warm down to minus ten degrees", "with a hood against the wind", "with deep warm pockets"), "leisure"),
    Kind("knitted jumper", "knitwear", "winter", EVERYONE, ("wool", "merino", "cotton"), (22, 110), ("soft and warm", "with a cosy collar", "knitted in one piece"), "leisure"),
    Kind("snow boots", "shoes", "winter", EVERYONE, ("rubber", "leather"), (28, 130), ("with a lining of fleece", "that keep feet dry in slush", "with a sole that grips on ice"), "leisure"),
    Kind("woollen hat", "accessories", "winter", EVERYONE, ("wool", "merino"), (10, 35), ("that covers the ears", "with a bobble", "that does not scratch"), "leisure"),
    Kind("rain jacket", "coats", "autumn", EVERYONE, ("recycled polyester",), (24, 120), ("that keeps the rain out", "with taped seams", "with stripes that shine in headlights"), "leisure"),
    Kind("wellington boots", "shoes", "autumn", EVERYONE, ("rubber",), (15, 60), ("for puddles", "with a loop to pull them on", "for wet paths"), "leisure"),
    Kind("cardigan", "knitwear", "spring", EVERYONE, ("cotton", "merino"), (18, 80), ("for cool mornings", "with wooden buttons", "light enough for a bag"), "leisure"),
    Kind("jeans", "trousers", "all year", ("women", "men", "girls", "boys"), ("denim",), (20, 95), ("with a little stretch", "that last for years", "with five pockets"), "leisure"),
    Kind("pyjamas", "nightwear", "all year", EVERYONE, ("organic cotton", "jersey"), (14, 55), ("for quiet nights", "without scratchy labels", "with a pattern of stars"), "sleep"),
    Kind("party dress", "dresses", "all year", ("women", "girls"), ("satin", "tulle"), (28, 160), ("for birthdays and weddings", "with a shimmer in the light", "with a bow at the back"), "party"),
    Kind("suit", "suits", "all year", ("men", "boys"), ("wool", "cotton"), (48, 320), ("for weddings and first days", "with a slim cut", "with a lining that breathes"), "party"),
    Kind("blouse", "shirts", "spring", ("women", "girls"), ("viscose", "cotton"), (16, 70), ("for the office and after", "with small flowers", "with a soft bow"), "work"),
    Kind("business shirt", "shirts", "all year", ("men",), ("cotton",), (24, 90), ("that needs no iron", "with a firm collar", "for long days at the desk"), "work"),
    Kind("running shoes", "shoes", "all year", ("women", "men", "girls", "boys"), ("recycled mesh",), (30, 140), ("with a springy sole", "for the park and the track", "that weigh next to nothing"), "sport"),
    Kind("romper", "baby sets", "summer", ("babies",), ("organic cotton", "muslin"), (12, 38), ("short-sleeved for hot days", "with snaps for quick changes", "as light as a cloud"), "leisure"),
    Kind("sleeping bag", "nightwear", "winter", ("babies",), ("organic cotton",), (24, 70), ("for warm nights in the cot", "with a zip from below", "padded and quilted"), "sleep"),
    Kind("body set", "baby sets", "all year", ("babies",), ("organic cotton",), (12, 36), ("in a pack of three", "with a neck that opens wide", "for the first months"), "leisure"),
)  # fmt: skip
FAMILIES = ((("women",), 0.34), (("men",), 0.24), (("women", "girls", "babies"), 0.14), (("women", "girls", "boys"), 0.14), (("men", "boys"), 0.08), (("babies",), 0.06))  # fmt: skip
ITEM_COLUMNS = ["item_id", "title", "text", "category", "brand", "shop", "price", "price_original", "currency", "audience", "season", "occasion", "colour", "material", "available"]  # fmt: skip
SPOKEN = {"girls": "girls", "boys": "boys", "babies": "babies", "women": "women", "men": "men"}

Item = dict[str, str]


def make_items(chance: random.Random) -> list[Item]:
    """Every kind for each of its audiences, in several colours."""
    items = []
    for kind in KINDS:
        for audience in kind.audiences:
            for colour in chance.sample(
                COLOURS, 8 if kind.season == "summer" and audience in CHILDREN else 6
            ):
                items.append(make_item(chance, len(items) + 1, kind, audience, colour))
    return items


def make_item(chance: random.Random, number: int, kind: Kind, audience: str, colour: str) -> Item:
    """One garment with its price, sometimes a struck one, and a sentence."""
    material, virtue = chance.choice(kind.materials), chance.choice(kind.virtues)
    small = audience in CHILDREN
    low, high = kind.price
    price = round(low + (high - low) * chance.random() ** 2 * (0.45 if small else 1)) - 0.05
    struck = round(price * chance.choice((1.2, 1.25, 1.4, 1.5))) - 0.05 if chance.random() < 0.3 else None
    season = "" if kind.season == "all year" else f" for {kind.season}"
    text = f"{kind.noun.capitalize()} {chance.choice(AUDIENCES[audience])}, {virtue}; {material}, in {colour}{season}."
    return {
        "item_id": f"f{number:04d}",
        "title": f"{OWNER[audience]} {kind.noun} in {colour}",
        "text": text,
        "category": kind.category,
        "brand": chance.choice(BRANDS[audience]),
        "shop": chance.choice(SHOPS),
        "price": f"{price:.2f}",
        "price_original": "" if struck is None else f"{struck:.2f}",
        "currency": "EUR",
        "audience": audience,
        "season": kind.season,
        "occasion": kind.occasion,
        "colour": colour,
        "material": material,
        "available": "false" if chance.random() < 0.03 else "true",
    }


def make_interactions(chance: random.Random, items: list[Item]) -> list[dict[str, str]]:
    """Users buy for their household, mostly their favourite colours and brands, in season."""
    by_audience = {
        audience: [item for item in items if item["audience"] == audience] for audience in EVERYONE
    }
    rows = []
    for user in range(1, USERS + 1):
        household = chance.choices([family for family, _ in FAMILIES], [share for _, share in FAMILIES])[0]
        colours, spending = set(chance.sample(COLOURS, 3)), chance.uniform(0.3, 1.0)
        brands = {chance.choice(BRANDS[audience]) for audience in household}
        pool = [item for audience in household for item in by_audience[audience]]
        weights = [
            (6 if item["colour"] in colours else 1) * (4 if item["brand"] in brands else 1)
            * (1 if float(item["price"]) < 140 * spending else 0.2) for item in pool
        ]  # fmt: skip
        seen = dict.fromkeys(
            item["item_id"] for item in chance.choices(pool, weights, k=chance.randint(8, 45))
        )
        for item_id in seen:
            bought = chance.random() < 0.3
            second = FIRST_DAY + chance.randrange(DAYS * 86_400)
            rows.append(
                {"user_id": f"u{user:03d}", "item_id": item_id, "timestamp": str(second),
                 "weight": "3" if bought else "1", "kind": "purchase" if bought else "click"}
            )  # fmt: skip
    return sorted(rows, key=lambda row: (row["timestamp"], row["user_id"], row["item_id"]))


def make_queries(items: list[Item]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Queries that name kind, audience or season; grade 3 where all that is named fits, 1 where all but one does."""
    named = [
        {"category": category, "audience": audience}
        for category, audience in (("dresses", "girls"), ("shoes", "boys"), ("coats", "women"), ("knitwear", "men"),
                                   ("nightwear", "babies"), ("trousers", "girls"), ("shorts", "boys"), ("swimwear", "women"),
                                   ("suits", "men"), ("accessories", "babies"), ("coats", "babies"), ("dresses", "women"))
    ] + [
        {"season": season, "category": category, "audience": audience}
        for season, category, audience in (("summer", "shoes", "girls"), ("winter", "shoes", "boys"), ("summer", "accessories", "babies"),
                                           ("winter", "accessories", "women"), ("summer", "shirts", "men"), ("winter", "coats", "girls"),
                                           ("autumn", "coats", "boys"), ("summer", "shorts", "women"), ("spring", "knitwear", "babies"),
                                           ("winter", "knitwear", "men"), ("summer", "swimwear", "boys"), ("summer", "dresses", "girls"))
    ] + [
        {"colour": colour, "category": category, "audience": audience}
        for colour, category, audience in (("red", "shoes", "women"), ("navy", "trousers", "men"), ("mint", "t-shirts", "girls"),
                                           ("mustard", "knitwear", "boys"), ("white", "baby sets", "babies"), ("black", "suits", "men"))
    ]  # fmt: skip
    queries, judgements = [], []
    for number, facts in enumerate(named, 1):
        query = f"q{number:02d}"
        words = [
            facts.get("colour", ""),
            facts.get("season", ""),
            facts["category"],
            f"for {facts['audience']}",
        ]
        queries.append({"query_id": query, "text": " ".join(word for word in words if word)})
        for item in items:
            fits = sum(item[name] == value for name, value in facts.items())
            if fits >= len(facts) - 1:
                grade = "3" if fits == len(facts) else "1"
                judgements.append({"query_id": query, "item_id": item["item_id"], "grade": grade})
    return queries, judgements


def write(file: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    """Write rows as CSV with a heading."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main(folder: Path) -> None:
    """Write the four tables."""
    chance = random.Random(SEED)
    items = make_items(chance)
    queries, judgements = make_queries(items)
    write(folder / "items.csv", items, ITEM_COLUMNS)
    write(
        folder / "interactions.csv",
        make_interactions(chance, items),
        ["user_id", "item_id", "timestamp", "weight", "kind"],
    )
    write(folder / "queries.csv", queries, ["query_id", "text"])
    write(folder / "judgements.csv", judgements, ["query_id", "item_id", "grade"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
