"""What the page may ask of runs, and the answers."""

from __future__ import annotations

from typing import Any

from gan.lab.answers import Answer, Handler
from gan.lab.listing import Listing
from gan.lab.messages import Message
from gan.lab.train.other_runs import config_of, history_of, picture_of, seconds_since_written
from gan.lab.train.session import TrainingSession
from gan.lab.train.starting import DATASETS, OPTIONS
from gan.recipe import DIGITS
from gan.recipes import DEFAULT, recipes_for

MOST_STEPS, MOST_BATCH, MOST_RATE = 10_000_000, 4096, 10.0
MOST_SEED = 2**31


class TrainRequests:
    """Answers the requests of the view "Train".

    Parameters
    ----------
    listing
        The runs that may be watched.
    session
        The run of this lab.
    """

    def __init__(self, listing: Listing, session: TrainingSession) -> None:
        self._listing, self._session = listing, session

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handler of each kind of message."""
        return {
            "choices": self.choices,
            "start": self.start,
            "training": self.training,
            "pause": lambda message: self._do(self._session.pause),
            "go on": lambda message: self._do(self._session.go_on),
            "step": lambda message: self._do(self._session.step),
            "stop": lambda message: self._do(self._session.stop),
            "fid": lambda message: self._do(self._session.measure_fid),
            "runs": self.runs,
            "watch": self.watch,
        }

    def choices(self, message: Message) -> Answer:
        """The recipes with their settings, and the data sets."""
        recipes = [
            {
                "name": recipe.name,
                "origin": recipe.origin,
                "length": recipe.length,
                "batch_size": recipe.batch_size,
                "learning_rate": recipe.learning_rate,
                "penalty": recipe.penalty is not None,
            }
            for recipe in recipes_for(DIGITS).values()
        ]
        fields = {"recipes": recipes, "recipe": DEFAULT, "datasets": list(DATASETS)}
        return Answer(fields)

    def start(self, message: Message) -> Answer:
        """Start a run."""
        options: dict[str, Any] = dict.fromkeys(OPTIONS)
        options["recipe"] = message.one_of("recipe", list(recipes_for(DIGITS)))
        options["dataset"] = message.one_of("dataset", DATASETS)
        if message.optional("steps"):
            options["steps"] = message.whole("steps", 1, MOST_STEPS)
        if message.optional("batch_size"):
            options["batch_size"] = message.whole("batch_size", 1, MOST_BATCH)
        if message.optional("learning_rate"):
            options["learning_rate"] = message.number("learning_rate", 1e-9, MOST_RATE)
        if message.optional("seed"):
            options["seed"] = message.whole("seed", 0, MOST_SEED)
        return self._do(lambda: self._session.start(options))

    def training(self, message: Message) -> Answer:
        """The state of the run of this lab."""
        return Answer(self._session.about())

    def runs(self, message: Message) -> Answer:
        """The runs in the folder of runs, the latest first."""
        runs = [
            {"name": name, "ago": seconds_since_written(folder)}
            for name, folder in self._listing.runs().items()
        ]
        return Answer({"runs": runs})

    def watch(self, message: Message) -> Answer:
        """The history and the latest picture of a run, whoever trains it."""
        folder = self._listing.run(message.text("run", 1000))
        fields = {"config": config_of(folder), "ago": seconds_since_written(folder)}
        return Answer(fields, {**history_of(folder), "picture": picture_of(folder)})

    def _do(self, action: Any) -> Answer:
        action()
        return Answer(self._session.about())
