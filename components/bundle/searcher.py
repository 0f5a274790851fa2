"""Answer queries from a bundle, for the service, the pyfunc model and the command line: parse, rank, explain."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.bundle import Bundle
from components.bundle.pagination import take_page
from components.bundle.query import SPELLING, Answer, BlockedQuery, Hit, ParsedQuery, Query
from components.bundle.query_cache import LruCache
from components.bundle.ranking import Mask, Ranker, Ranking
from components.bundle.stores.item_store import facets_of
from components.ethics.filter import HarmVerdict
from components.query_model.parser import QueryMeaning, parse_text
from components.query_model.vocabulary import Vocabulary
from components.search.item_text import read_description
from components.search.spelling import correct_spelling

Rows = NDArray[np.int64]
Weights = NDArray[np.float32]
Items = Sequence[dict[str, Any]]
Reasons = Callable[[Items, Ranking], list[str]]
MIN_TASTE = 0.2  # lowest cosine of user embedding and item for which an answer says "fits your taste"
UNKNOWN_USER = "Nothing is known of this person yet"
NOT_ANSWERED = "This query is not answered."


class Searcher:
    """Answers queries and recommends items, from one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.ranker = bundle, Ranker(bundle)
        self._parsed: LruCache[tuple[ParsedQuery, Vocabulary]] = LruCache()

    def search(self, query: Query) -> Answer:
        """Parse a query and answer it."""
        return self.answer(self.parse(query))

    def parse(self, query: Query) -> ParsedQuery:
        """Judge a query, parse its meaning and encode it: the slow part of an answer, which needs no item."""
        if not query.text.strip():
            return ParsedQuery(query, QueryMeaning("", query.price_min, query.price_max))
        parsed = self._find_parsed(query)
        if parsed is None:
            parsed, verdict = self._parse_text(query)
            # a blocked text is not cached, so that each one is judged and logged anew
            if verdict.blocked:
                return ParsedQuery(query, QueryMeaning(query.text), blocked=str(verdict.category))
        return replace(parsed, query=query, meaning=query.apply_to(parsed.meaning))

    def is_parsed(self, query: Query) -> bool:
        """Return whether parsing takes no time: the text is in the cache, or there is none."""
        return not query.text.strip() or self._find_parsed(query) is not None

    def _parse_text(self, query: Query) -> tuple[ParsedQuery, HarmVerdict]:
        """Parse, judge and encode a text; all its variants are encoded in one batch."""
        bundle = self.bundle
        vocabulary = bundle.vocabulary  # a put may replace it while the text is encoded
        corrections = {}
        if SPELLING not in query.ignore:
            corrections = bundle.spelling.find_corrections(
                query.text, bundle.bm25.index, bundle.bm25.vocabulary
            )
        meaning = parse_text(correct_spelling(query.text, corrections), vocabulary)
        # what is searched is judged too: a request can hide among excluded colours, which are not searched
        variants = [*bundle.ethics.list_variants(query.text, bundle.encoder), meaning.text]
        spans = bundle.encoder.encode_spans(variants, bundle.ethics.window_tokens)
        verdict = bundle.ethics.log_blocked(query.text, bundle.ethics.judge_variants(variants, spans))
        parsed = ParsedQuery(query, replace(meaning, corrections=corrections), spans[-1][0])
        if not verdict.blocked:
            self._parsed.put(_cache_key(query), (parsed, vocabulary))
        return parsed, verdict

    def _find_parsed(self, query: Query) -> ParsedQuery | None:
        """Return the cached parse of a text, None where the catalogue has changed how the text is read."""
        parsed, vocabulary = self._parsed.get(_cache_key(query)) or (None, None)
        if parsed is None or vocabulary is not self.bundle.vocabulary:
            return None
        # a word that was corrected may have come into the catalogue since, and is then right as it is
        return None if any(map(self.bundle.bm25.has_word, parsed.meaning.corrections)) else parsed

    def answer(self, parsed: ParsedQuery) -> Answer:
        """Answer a parsed query by its text; a query without text by the user's history or by popularity."""
        if parsed.blocked:
            return Answer(blocked=BlockedQuery(parsed.blocked), note=NOT_ANSWERED)
        if parsed.vector is None:
            return self._answer_user(parsed)
        return self._answer_text(parsed)

    def _answer_text(self, parsed: ParsedQuery) -> Answer:
        allowed, fits_all = self.bundle.items.apply_filters(
            self._select_allowed(parsed), parsed.meaning.filters
        )
        ranking, meaning = self.ranker.by_text(parsed, allowed)
        note = self._write_note(parsed, found=bool(len(ranking)), fits_all=fits_all)
        return self._answer_page(
            replace(parsed, meaning=meaning), ranking, note, self._explain_matches(parsed)
        )

    def _answer_user(self, parsed: ParsedQuery) -> Answer:
        user_id, allowed = parsed.query.user_id, self._select_allowed(parsed)
        known, weights = self.bundle.histories.of_user(user_id)
        count = self.bundle.settings.candidates
        if not len(known):
            ranking = self.ranker.by_popularity(allowed, count)
            note = f"{UNKNOWN_USER}; what is popular is shown." if user_id else None
            if not len(ranking):
                note = "Nothing fits this price range."
            return self._answer_page(parsed, ranking, note, _explain_popularity)
        allowed[known] = False
        ranking = self.ranker.by_history(known, weights, allowed, count)
        note = None if len(ranking) else "Nothing new fits this price range."
        return self._answer_page(parsed, ranking, note, self._explain_history(known, weights))

    def recommend_for_user(self, user_id: str, k: int, cursor: str | None = None) -> Answer:
        """Recommend what a user's history leads to; popular items for an unknown user."""
        return self.search(Query("", user_id, k=k, cursor=cursor))

    def recommend_for_session(self, item_ids: Sequence[str], k: int) -> Answer:
        """Recommend what a session's items lead to, the latest with the largest weight; unknown items are left out."""
        found = self.bundle.items.find_rows(reversed(item_ids))
        known = np.array(list(dict.fromkeys(found.tolist())), np.int64)  # each once, at its latest place
        allowed = self.bundle.items.on_sale()
        if not len(known):
            note = "None of these items is known; what is popular is shown."
            return self._answer_whole(self.ranker.by_popularity(allowed, k), note, _explain_popularity)
        allowed[known] = False
        # the latest item says most about what the user wants now
        weights = (1 / np.sqrt(1 + np.arange(len(known)))).astype(np.float32)
        ranking = self.ranker.by_history(known, weights, allowed, k).take(slice(k))
        return self._answer_whole(ranking, None, self._explain_history(known, weights))

    def recommend_similar_items(self, item_id: str, k: int) -> Answer:
        """Recommend items like an item, by factors and by text in equal parts.

        Raises KeyError where there is no such item.
        """
        row = self.bundle.items.row_of(item_id)
        if row is None:
            raise KeyError(item_id)
        allowed = self.bundle.items.on_sale()
        allowed[row] = False
        ranking = self.ranker.by_item(row, allowed, k).take(slice(k))
        why = f"Like {self.bundle.items.titles(np.array([row]))[0]}"
        return self._answer_whole(ranking, None, lambda items, _: [why] * len(items))

    def _select_allowed(self, parsed: ParsedQuery) -> Mask:
        """Return which items are on sale within the price range, with the chosen values and without excluded ones."""
        meaning, items = parsed.meaning, self.bundle.items
        allowed = items.on_sale(meaning.price_min, meaning.price_max)
        for name, values in meaning.exclusions.items():
            allowed &= items.without_values(name, values)
        for name, chosen in parsed.query.filters.items():
            allowed &= items.with_values(name, chosen)
        return allowed

    def _answer_page(
        self, parsed: ParsedQuery, ranking: Ranking, note: str | None, reasons: Reasons
    ) -> Answer:
        query, meaning, items = parsed.query, parsed.meaning, self.bundle.items
        shown, next_cursor = take_page(ranking.sort_by(query.sort, items), query.k, query.cursor, items)
        return Answer(
            hits=self._build_hits(shown, reasons, query.explain),
            filters=meaning.filters,
            exclusions=meaning.exclusions,
            corrections=meaning.corrections,
            price_min=meaning.price_min,
            price_max=meaning.price_max,
            note=note,
            total=len(ranking),
            next=next_cursor,
            facets=self.count_facets(ranking) if query.facets else None,
        )

    def _answer_whole(self, ranking: Ranking, note: str | None, reasons: Reasons) -> Answer:
        """Return an answer without further pages."""
        return Answer(hits=self._build_hits(ranking, reasons), note=note, total=len(ranking))

    def _build_hits(self, shown: Ranking, reasons: Reasons, explain: bool = False) -> list[Hit]:
        # read once, since the reasons need the same items as the hits
        items = self.bundle.items.records(shown.rows)
        hits = []
        for position, (item, why) in enumerate(zip(items, reasons(items, shown), strict=True)):
            year = {"year": [str(item["year"])]} if item["year"] else {}
            description = read_description(item)
            hit = Hit(
                item_id=item["item_id"],
                title=item["title"],
                text=item["text"] or "",
                category=item["category"],
                price=item["price"],
                price_original=item["price_original"],
                currency=item["currency"],
                image=item["image"],
                attributes=item["attributes"] | year,
                score=round(float(shown.scores[position]), 4),
                why=why,
                summary=description.get("summary"),
                described_by=description.get("model"),
                explain=shown.explain_score(position) if explain else None,
            )
            hits.append(hit)
        return hits

    def count_facets(self, ranking: Ranking) -> dict[str, dict[str, int]]:
        """Count the items of a ranking by the values of each facet, the most frequent first."""
        counts: dict[str, Counter[str]] = {}
        for item in self.bundle.items.rows_as_put(ranking.rows):
            for name, values in facets_of(item).items():
                counts.setdefault(name, Counter()).update(values)
        ordered = {}
        for name, found in sorted(counts.items()):
            # ties by value: most_common would show them in another order for each sort
            ordered[name] = dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
        return ordered

    def _write_note(self, parsed: ParsedQuery, *, found: bool, fits_all: bool) -> str | None:
        """Return what a user should know about an answer besides its hits."""
        query, meaning = parsed.query, parsed.meaning
        if not found and (query.filters or meaning.exclusions):
            return "Nothing fits these filters."
        if not found:
            return "Nothing fits this price range."
        if not fits_all:
            wanted = ", ".join(chain.from_iterable(meaning.filters.values()))
            return f"Nothing here fits all of it: {wanted}. The nearest are shown."
        if meaning.other_currency:
            currency = self.bundle.vocabulary.currency
            return f"Prices are in {currency} here; the one in {meaning.other_currency} is not used."
        if query.user_id and not len(self.bundle.histories.of_user(query.user_id)[0]):
            return f"{UNKNOWN_USER}; the answer is the same for everyone."
        return None

    def _explain_history(self, known: Rows, weights: Weights) -> Reasons:
        """Return reasons that name the item of the history that is most like each hit."""

        def explain_items(_: Items, shown: Ranking) -> list[str]:
            if not len(shown):  # argmax takes no empty array
                return []
            factors = self.bundle.factor_index
            likeness = factors.vectors_of(shown.rows) @ factors.vectors_of(known).T * weights
            titles = self.bundle.items.titles(known[likeness.argmax(axis=1)])
            return [f"Fits your taste, such as {title}" for title in titles]

        return explain_items

    def _explain_matches(self, parsed: ParsedQuery) -> Reasons:
        """Return reasons that name the values that match the query, and say where an item fits the user's taste."""
        bm25, filters = self.bundle.bm25, parsed.meaning.filters
        query_words = bm25.query_stems(parsed.meaning.text)

        def is_match(name: str, value: str) -> bool:
            # a value without a word that BM25 matches, such as "+", has to be in the query as it is
            return value in filters.get(name, []) or query_words.issuperset(bm25.stem_text(value) or [value])

        def explain_items(items: Items, shown: Ranking) -> list[str]:
            found = []
            for item, cosine in zip(items, shown.parts["taste"], strict=True):
                matched: list[str] = []
                for name, values in item["attributes"].items():
                    matched.extend(value for value in values if is_match(name, value))
                why = f"Matches {', '.join(matched) or 'what you wrote'}"
                found.append(f"{why} · fits your taste" if cosine > MIN_TASTE else why)
            return found

        return explain_items


def _explain_popularity(items: Items, _: Ranking) -> list[str]:
    return ["Popular"] * len(items)


def _cache_key(query: Query) -> tuple[str, bool]:
    """Return what the parse of a text depends on; prices and filters are applied to it afterwards."""
    return query.text, SPELLING in query.ignore
