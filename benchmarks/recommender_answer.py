"""CPU milliseconds of one person's ten recommendations, exact over a made-up catalogue.

python benchmarks/recommender_answer.py --items 300000
"""

import time

import numpy as np
import typer

from components.recommender.factors import Factors
from components.recommender.interactions import Csr
from components.recommender.sessions import recommend

NEIGHBOURS, HISTORY, TRIALS = 50, 30, 30


def made_up(items: int, dimensions: int) -> Factors:
    """Random factors and a random sparse part."""
    draw = np.random.default_rng(0)
    starts = np.arange(0, items * NEIGHBOURS + 1, NEIGHBOURS, dtype=np.int32)
    columns = draw.integers(0, items, items * NEIGHBOURS).astype(np.int32)
    neighbours = Csr((draw.random(len(columns), np.float32), columns, starts), shape=(items, items))
    ids = np.array([f"i{item}" for item in range(items)], dtype=object)
    matrix = draw.standard_normal((items, dimensions), np.float32)
    return Factors(ids, matrix, np.ones(items, np.int64), np.zeros(items, bool), neighbours)


def main(items: int = 300_000) -> None:
    """Time an answer at 128 and at 256 dimensions; set OMP_NUM_THREADS=1 for one core."""
    for dimensions in (128, 256):
        factors, history = made_up(items, dimensions), [f"i{item}" for item in range(HISTORY)]
        recommend(factors, history, 10)
        seconds = []
        for _ in range(TRIALS):
            started = time.process_time()
            recommend(factors, history, 10)
            seconds.append(time.process_time() - started)
        typer.echo(f"{items} items, d {dimensions}: median {1000 * np.median(seconds):.1f} ms")


if __name__ == "__main__":
    typer.run(main)
