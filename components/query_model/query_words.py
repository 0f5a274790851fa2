"""Words that queries say of people, prices and seasons, which are no typing errors though no text of an item has them."""

from components.query_model.audiences import WHO
from components.query_model.prices import PRICE_WORDS
from components.query_model.vocabulary import SEASONS


def query_words() -> list[str]:
    """Return the words of audiences, in singular and plural, of prices and of seasons."""
    seasons = " ".join(name for names in SEASONS.values() for name in names)
    return [*WHO, *(f"{name}s" for name in WHO), *PRICE_WORDS.split(), *seasons.split()]
