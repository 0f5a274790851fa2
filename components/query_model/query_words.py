"""Words of queries that are no spelling errors, even if the text of no item has them."""

from components.query_model.audiences import WHO
from components.query_model.prices import PRICE_WORDS
from components.query_model.vocabulary import SEASONS


def list_query_words() -> list[str]:
    """Return the words for people, in singular and plural, for prices and for seasons."""
    seasons = " ".join(name for names in SEASONS.values() for name in names)
    return [*WHO, *(f"{name}s" for name in WHO), *PRICE_WORDS.split(), *seasons.split()]
