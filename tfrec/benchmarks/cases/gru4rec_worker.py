"""Trains GRU4Rec in PyTorch as its authors do; runs where PyTorch can be imported.

``python -m tfrec.benchmarks.cases.gru4rec_worker FILE`` reads ``items``, ``begin`` and
``end`` (sessions as one array, the places of their first and last events), ``counts``
of the rows of the item table, and ``config`` (JSON). For every line on standard input
it trains an epoch and answers with its mean loss as a line of JSON.

What belongs to the authors' way: the cell takes one step of every lane, no gradient
flows into earlier steps, the vectors of inputs and of scored items are one lookup with
a sparse gradient, drawn items come from a store that is refilled at once, and Adagrad
with momentum updates the rows that a batch has read.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

STORE = 1_000_000  # drawn items of a refill


def lanes(
    items: np.ndarray, begin: np.ndarray, end: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Items, the next items, and the lanes that begin a session, step by step.

    Args:
        items: ``(events,)`` items, session by session.
        begin: ``(sessions,)`` places of first events, in the order they are read in.
        end: Places of the last events.
        size: Lanes, no more than sessions.
    """
    place, last, fresh = begin[:size].copy(), end[:size].copy(), np.arange(size)
    coming = size
    for _ in range(-(-int((end - begin).sum()) // size)):
        yield items[place], items[place + 1], fresh
        place += 1
        fresh = np.flatnonzero(place >= last)
        taken = (coming + np.arange(len(fresh))) % len(begin)
        place[fresh], last[fresh] = begin[taken], end[taken]
        coming += len(fresh)


class Store:
    """Items drawn in proportion to ``count ** alpha``, many at once.

    Args:
        counts: Of the rows of the item table.
        alpha: The exponent.
        size: Items of a draw.
    """

    def __init__(self, counts: np.ndarray, alpha: float, size: int) -> None:
        import torch

        weights = np.where(counts > 0, np.maximum(counts, 1.0) ** alpha, 0.0)
        self.sums = torch.from_numpy(np.cumsum(weights) / weights.sum())
        self.size, self.place, self.drawn = size, 0, torch.empty(0)

    def draw(self) -> Any:
        """``(size,)`` items."""
        import torch

        if self.place + self.size > len(self.drawn):
            chances = torch.rand(STORE, dtype=self.sums.dtype)
            self.drawn = torch.searchsorted(self.sums, chances, right=True)
            self.place = 0
        self.place += self.size
        return self.drawn[self.place - self.size : self.place]


class Adagrad:
    """Adagrad with momentum, on the rows that a sparse gradient names.

    Args:
        parameters: What is trained.
        rate: Learning rate.
        momentum: Share of the last step that is taken again.
        epsilon: Added under the root.
    """

    def __init__(
        self, parameters: list[Any], rate: float, momentum: float, epsilon: float = 1e-6
    ) -> None:
        import torch

        self.rate, self.momentum, self.epsilon = rate, momentum, epsilon
        self.slots = [
            (p, torch.zeros_like(p.data), torch.zeros_like(p.data)) for p in parameters
        ]

    def step(self) -> None:
        """Updates, and forgets the gradients."""
        for parameter, total, velocity in self.slots:
            gradient, values = parameter.grad, parameter.data
            if gradient.is_sparse:
                gradient = gradient.coalesce()
                rows, gradient = gradient.indices()[0], gradient.values()
                squares = total[rows].addcmul_(gradient, gradient)
                total[rows] = squares
                moved = velocity[rows].mul_(self.momentum)
                moved.addcdiv_(
                    gradient, squares.add_(self.epsilon).sqrt_(), value=-self.rate
                )
                velocity[rows] = moved
                values.index_add_(0, rows, moved)
            else:
                total.addcmul_(gradient, gradient)
                velocity.mul_(self.momentum).addcdiv_(
                    gradient, (total + self.epsilon).sqrt_(), value=-self.rate
                )
                values.add_(velocity)
            parameter.grad = None


def bpr_max(scores: Any, weight: float) -> Any:
    """Mean loss of ``(lanes, candidates)`` scores, the positives on the diagonal."""
    import torch

    scores = torch.nn.functional.elu(scores)
    positive = scores.diagonal()[:, None]
    own = torch.eye(*scores.shape, dtype=torch.bool)
    shares = scores.masked_fill(own, -math.inf).softmax(dim=1)
    chance = (shares * torch.sigmoid(positive - scores)).sum(dim=1)
    squares = (shares * scores * scores).sum(dim=1)
    return (weight * squares - torch.log(chance + 1e-24)).mean()


def cross_entropy(scores: Any, weight: float) -> Any:
    """Mean loss of ``(lanes, candidates)`` scores, the positives on the diagonal."""
    import torch

    return torch.nn.functional.cross_entropy(scores, torch.arange(len(scores)))


LOSSES = {"bpr_max": bpr_max, "cross_entropy": cross_entropy}


class Network:
    """A GRU cell between item vectors, and what trains it.

    Args:
        counts: Of the rows of the item table.
        config: ``units``, ``negatives``, ``alpha``, ``loss``, ``score_weight``,
            ``learning_rate``, ``momentum``.
    """

    def __init__(self, counts: np.ndarray, config: dict[str, Any]) -> None:
        from torch import nn

        units, rows = config["units"], len(counts)
        self.items = nn.Embedding(rows, units, sparse=True)
        self.bias = nn.Embedding(rows, 1, sparse=True)
        self.cell = nn.GRUCell(units, units)
        bound = math.sqrt(6 / (rows + units))
        nn.init.uniform_(self.items.weight, -bound, bound)
        nn.init.zeros_(self.bias.weight)
        parts = (self.items, self.bias, self.cell)
        parameters = [p for part in parts for p in part.parameters()]
        self.store = Store(counts, config["alpha"], config["negatives"])
        self.optimizer = Adagrad(
            parameters, config["learning_rate"], config["momentum"]
        )
        self.loss, self.score_weight = LOSSES[config["loss"]], config["score_weight"]

    def step(self, items: np.ndarray, following: np.ndarray, state: Any) -> Any:
        """Trains on a step of all lanes.

        Returns:
            The loss, and the state ``(lanes, units)`` after it.
        """
        import torch

        wanted = torch.from_numpy(following)
        candidates = torch.cat([wanted, self.store.draw()])
        both = self.items(torch.cat([torch.from_numpy(items), candidates]))
        vectors, scored = both[: len(items)], both[len(items) :]
        state = self.cell(vectors, state)
        scores = state @ scored.T + self.bias(candidates).T
        loss = self.loss(scores, self.score_weight)
        loss.backward()
        self.optimizer.step()
        return loss.item(), state.detach()


def main() -> None:
    """Answers until its input ends."""
    import torch

    with np.load(sys.argv[1]) as file:
        data = dict(file)
    config = json.loads(str(data["config"]))
    rng = np.random.default_rng(config["seed"])
    torch.manual_seed(config["seed"])
    network = Network(data["counts"], config)
    items, begin, end = (data[name].astype(np.int64) for name in _SESSIONS)
    for _ in sys.stdin:
        order, losses = rng.permutation(len(begin)), []
        state = torch.zeros(config["lanes"], config["units"])
        for read, following, fresh in lanes(
            items, begin[order], end[order], config["lanes"]
        ):
            state[torch.from_numpy(fresh)] = 0
            loss, state = network.step(read, following, state)
            losses.append(loss)
        print(json.dumps(float(np.mean(losses))), flush=True)


_SESSIONS = ("items", "begin", "end")

if __name__ == "__main__":
    main()
