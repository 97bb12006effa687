"""What the page may ask of runs, and the answers."""

from __future__ import annotations

from typing import Any

from gan.data.image_shapes import POINTS
from gan.data.points.files import is_point_file
from gan.data.points.patterns import PATTERNS
from gan.data.points.point_set import MARGIN, PointSet
from gan.errors import RunError
from gan.lab.answers import Answer, Handler
from gan.lab.listing import Listing
from gan.lab.messages import Message
from gan.lab.train.drawings import keep_drawing
from gan.lab.train.other_runs import config_of, history_of, picture_of, seconds_since_written
from gan.lab.train.session import TrainingSession
from gan.lab.train.starting import CHANGEABLE, DATASETS, OPTIONS
from gan.objectives.named import OBJECTIVES
from gan.recipe import DIGITS, Recipe
from gan.recipes import DEFAULT, recipes_for

MOST_STEPS, MOST_BATCH, MOST_RATE = 10_000_000, 4096, 10.0
MOST_SEED, MOST_CRITIC, MOST_PENALTY = 2**31, 1000, 1e6
MOST_DRAWN_POINTS = 5000


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
            "resume": self.resume,
            "change": self.change,
            "draw points": self.draw_points,
            "fid": lambda message: self._do(self._session.measure_fid),
            "runs": self.runs,
            "watch": self.watch,
        }

    def choices(self, message: Message) -> Answer:
        """The recipes with their settings, the data and the objectives."""
        recipes = [
            {
                "name": recipe.name,
                "origin": recipe.origin,
                "length": recipe.length,
                "batch_size": recipe.batch_size,
                "learning_rate": recipe.learning_rate,
                "penalty": recipe.penalty is not None,
                "weight": getattr(recipe.penalty, "gamma", None),
                "points": recipe.image_shape == POINTS,
            }
            for recipe in trainable().values()
        ]
        fields = {
            "recipes": recipes,
            "recipe": DEFAULT,
            "datasets": [{"name": name, "points": name in PATTERNS} for name in DATASETS],
            "data": [
                {"name": name, "points": is_point_file(path)}
                for name, path in self._listing.data().items()
            ],
            "objectives": list(OBJECTIVES),
        }
        return Answer(fields)

    def start(self, message: Message) -> Answer:
        """Start a run."""
        options: dict[str, Any] = dict.fromkeys(OPTIONS)
        options["recipe"] = message.one_of("recipe", list(trainable()))
        if message.optional("data"):
            options["data"] = str(self._listing.data_path(message.text("data", 1000)))
        else:
            options["dataset"] = message.one_of("dataset", DATASETS)
        if message.optional("steps"):
            options["steps"] = message.whole("steps", 1, MOST_STEPS)
        if message.optional("batch_size"):
            options["batch_size"] = message.whole("batch_size", 1, MOST_BATCH)
        if message.optional("learning_rate"):
            options["learning_rate"] = message.number("learning_rate", 1e-9, MOST_RATE)
        if message.optional("seed"):
            options["seed"] = message.whole("seed", 0, MOST_SEED)
        if message.optional("n_critic"):
            options["n_critic"] = message.whole("n_critic", 1, MOST_CRITIC)
        options |= _changes(message)
        return self._do(lambda: self._session.start(options))

    def resume(self, message: Message) -> Answer:
        """Continue a run of the folder of runs."""
        folder = self._listing.run(message.text("run", 1000))
        steps = message.whole("steps", 1, MOST_STEPS) if message.optional("steps") else None
        return self._do(lambda: self._session.resume(folder, steps))

    def change(self, message: Message) -> Answer:
        """Other settings for the run that is going."""
        changes: dict[str, Any] = dict.fromkeys(CHANGEABLE)
        changes |= _changes(message)
        return self._do(lambda: self._session.change(changes))

    def draw_points(self, message: Message) -> Answer:
        """Keep the points that a page drew in a file, which a run may then be trained on."""
        points = PointSet(message.numbers("points", (-1, 2), MARGIN), "drawing")
        if len(points) > MOST_DRAWN_POINTS:
            raise RunError(
                f"drawing: expected at most {MOST_DRAWN_POINTS:,} points, got {len(points):,}; "
                "draw fewer"
            )
        return Answer({"data": keep_drawing(self._listing, points.points)})

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


def trainable() -> dict[str, Recipe]:
    """The recipes that the page offers, by name: those for digits, and those for points."""
    return recipes_for(DIGITS) | recipes_for(POINTS)


def _changes(message: Message) -> dict[str, Any]:
    """The settings of CHANGEABLE that a message has."""
    changes: dict[str, Any] = {}
    if message.optional("objective"):
        changes["objective"] = message.one_of("objective", OBJECTIVES)
    if message.optional("penalty"):
        changes["penalty"] = message.number("penalty", 0, MOST_PENALTY)
    if message.optional("g_learning_rate"):
        changes["g_learning_rate"] = message.number("g_learning_rate", 1e-12, MOST_RATE)
    return changes
