"""Trains LightGCN in PyTorch as its authors do; runs where PyTorch can be imported.

``python -m tfrec.benchmarks.cases.lightgcn_worker FILE`` reads ``users`` and ``items``
of edges, both from 0, and ``config`` (JSON). For every line on standard input it trains
some steps and answers with their mean loss as a line of JSON.

What belongs to the authors' way: a sparse matrix of coordinates is multiplied with all
embeddings in every step, layers are stacked and averaged, and Adam updates whole
tables. Users and their items are drawn at random, the samples of an epoch at once; here
by NumPy, where the authors loop in Python or C++.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def drawn(
    users: np.ndarray, items: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users at random, an item of each and one that is none of the user's.

    Args:
        users: ``(edges,)`` users from 0, in ascending order.
        items: ``(edges,)`` items from 0.
        count: How many.
        rng: Where they are drawn from.

    Returns:
        Three ``(count,)`` arrays. Users without edges are not drawn.
    """
    width = int(items.max()) + 1
    keys = np.unique(users * width + items)
    some, start, degree = np.unique(users, return_index=True, return_counts=True)
    place = rng.integers(0, len(some), count)
    taken = items[start[place] + (rng.random(count) * degree[place]).astype(np.int64)]
    user, other = some[place], rng.integers(0, width, count)
    again = np.arange(count)
    while len(again):
        wanted = user[again] * width + other[again]
        found = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        again = again[keys[found] == wanted]
        other[again] = rng.integers(0, width, len(again))
    return user, taken, other


class Network:
    """Embeddings, the graph and Adam.

    Args:
        users: ``(edges,)`` users from 0.
        items: ``(edges,)`` items from 0.
        config: ``users``, ``items`` (how many), ``dim``, ``layers``, ``l2``,
            ``learning_rate``.
    """

    def __init__(
        self, users: np.ndarray, items: np.ndarray, config: dict[str, Any]
    ) -> None:
        import torch

        self.count, self.layers, self.l2 = (
            config[name] for name in ("users", "layers", "l2")
        )
        nodes = self.count + config["items"]
        keys = np.unique(users * nodes + items + self.count)
        left, right = np.divmod(keys, nodes)
        ends = np.stack([np.append(left, right), np.append(right, left)])
        degree = np.bincount(ends[0], minlength=nodes)
        values = (degree[ends[0]] * degree[ends[1]]) ** -0.5
        self.graph = torch.sparse_coo_tensor(
            torch.from_numpy(ends),
            torch.from_numpy(values).float(),
            (nodes, nodes),
            check_invariants=True,
        ).coalesce()
        self.users, self.items = (
            torch.nn.Embedding(config[name], config["dim"])
            for name in ("users", "items")
        )
        for table in (self.users, self.items):
            torch.nn.init.normal_(table.weight, std=0.1)
        self.optimizer = torch.optim.Adam(
            [self.users.weight, self.items.weight], lr=config["learning_rate"]
        )

    def propagate(self) -> tuple[Any, Any]:
        """The final vectors of users and of items."""
        import torch

        layers = [torch.cat([self.users.weight, self.items.weight])]
        for _ in range(self.layers):
            layers.append(torch.sparse.mm(self.graph, layers[-1]))
        mean = torch.stack(layers, dim=1).mean(dim=1)
        return mean[: self.count], mean[self.count :]

    def loss(self, user: np.ndarray, item: np.ndarray, other: np.ndarray) -> Any:
        """BPR on final vectors and L2 on those they come from."""
        import torch

        u, i, j = (torch.from_numpy(ids) for ids in (user, item, other))
        users, items = self.propagate()
        query = users[u]
        below = (query * items[j]).sum(dim=1) - (query * items[i]).sum(dim=1)
        starts = (self.users(u), self.items(i), self.items(j))
        squares = sum(start.pow(2).sum() for start in starts) / len(user)
        return torch.nn.functional.softplus(below).mean() + self.l2 / 2 * squares

    def step(self, user: np.ndarray, item: np.ndarray, other: np.ndarray) -> float:
        """Trains on a batch; returns its loss."""
        loss = self.loss(user, item, other)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())


def main() -> None:
    """Answers until its input ends."""
    import torch

    with np.load(sys.argv[1]) as file:
        data = dict(file)
    config = json.loads(str(data["config"]))
    order = np.argsort(data["users"], kind="stable")
    users, items = (data[name][order].astype(np.int64) for name in ("users", "items"))
    rng = np.random.default_rng(config["seed"])
    torch.manual_seed(config["seed"])
    network, size = Network(users, items, config), config["batch_size"]
    for _ in sys.stdin:
        samples = drawn(users, items, config["steps"] * size, rng)
        losses = [
            network.step(*(part[start : start + size] for part in samples))
            for start in range(0, config["steps"] * size, size)
        ]
        print(json.dumps(float(np.mean(losses))), flush=True)


if __name__ == "__main__":
    main()
