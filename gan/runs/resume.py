"""What a training run needs to go on where it was: its settings, its data, and how much of it is left."""

from gan.runs.checkpoint import NAME, read_checkpoint
from gan.recipes import DEFAULT, DIGITS, get_recipe
from gan.runs.run import CHECKPOINT_MINUTES
from gan.runs.lock import RunLock
from gan.data.sources import SOURCES
from gan.errors import RunError
from nn import WeightsError

LENGTHS = ("epochs", "steps", "minutes")
DEFAULTS = {
    "recipe": DEFAULT, "dataset": "mnist", "batch_size": None, "learning_rate": None, "seed": 0, "device": "auto", "tf32": False,
    "evaluate_every": None, "checkpoint_minutes": CHECKPOINT_MINUTES,
}  # fmt: skip
NUMBER, NONE = int | float, type(None)
KINDS = {
    "recipe": str, "dataset": str, "batch_size": int, "learning_rate": NUMBER, "seed": int, "device": str, "tf32": bool,
    "evaluate_every": int | NONE, "checkpoint_minutes": NUMBER, "epochs": int | NONE, "steps": int | NONE,
    "minutes": NUMBER | NONE, "images": int, "data": str,
}  # fmt: skip
ONE_STEP = 1e-9  # minutes that are over before a step is
MOST = 1e300  # of a number, which floats still hold
FIXED = ("recipe", "dataset", "batch_size", "seed", "out")  # another one of these is another run


def open_run(path):
    """(lock, checkpoint) of a run's folder. Errors: `RunError` for no such folder, one without a checkpoint, or one in use."""
    if not path.is_dir():
        raise RunError(f"{path}: expected the folder of a training, there is none; --resume takes the one that --out named")
    lock = RunLock(path)
    if not (path / NAME).exists():
        raise RunError(f"{path}: expected a {NAME} in it, there is none: no training went so far; start it anew with another --out")
    return lock, read_checkpoint(path / NAME)


def settings(args, checkpoint):
    """A run's configuration: what the options say, else what the checkpoint does, else the defaults.

    Errors: `RunError` for an option that a run cannot change, `WeightsError` for a checkpoint without a setting.
    """
    said = {name: value for name, value in vars(args).items() if value is not None}
    length = {name: said.get(name) for name in LENGTHS}
    if checkpoint is None:
        config = {name: said.get(name, default) for name, default in DEFAULTS.items()}
        if not any(length.values()):
            recipe = get_recipe(config["recipe"], DIGITS)
            length |= {"epochs": recipe.epochs, "steps": recipe.steps}
        return config | length
    config = checkpoint.config
    for name, kind in KINDS.items():
        value = config.get(name, "none")
        if name not in config or not isinstance(value, kind) or (isinstance(value, NUMBER) and not 0 <= value < MOST):
            raise WeightsError(f"{args.resume}/{NAME}: expected the run's {name}, got {value!r:.80}; no training wrote this file")
    for name in FIXED:
        if name in said and said[name] != config.get(name):
            option = f"--{name.replace('_', '-')}"
            raise RunError(f"{option}: a run that goes on keeps its {name}, {config.get(name, args.resume)}; start another for that")
    config = {name: said.get(name, config[name]) if name in DEFAULTS else config[name] for name in config}
    return config | (length if any(length.values()) else {})


def stand_in(checkpoint, data):
    """The sample that a run without a network was trained on in place of its data set, which is there now; or None."""
    other = checkpoint is not None and data != checkpoint.config["data"]
    return SOURCES[checkpoint.config["dataset"]].fallback or None if other else None


def same_data(checkpoint, data):
    """Raise `RunError` unless the images are those that the run was trained on."""
    if checkpoint and data != checkpoint.config["data"]:
        raise RunError(
            f"data: expected the {checkpoint.config['images']} images of {checkpoint.config['dataset']} that the run was "
            "trained on, got others; name the folder that holds them with --data-dir"
        )


def restore(trainer, checkpoint, path):
    """Put a checkpoint's state into the trainer. Errors: `RunError`, which names the file."""
    try:
        trainer.load_state_dict((checkpoint.arrays, checkpoint.rest))
        if checkpoint.frames.shape[1] != len(trainer.fixed_inputs):
            raise RunError(f"frames: expected {len(trainer.fixed_inputs)} images in each, got {checkpoint.frames.shape[1]}")
    except RunError as problem:
        raise RunError(f"{path / NAME}: {problem}") from None


def length_left(config, trainer, history):
    """What `fit` is to be told for the run to be as long in all as its configuration says; None if it is that already.

    A run whose time ran out while a checkpoint was written, before its history had the last steps, takes one more.
    """
    ends = [config["steps"], config["epochs"] and config["epochs"] * trainer.steps_per_epoch]
    steps = min((end for end in ends if end), default=None)
    minutes, told = config["minutes"] and config["minutes"] - trainer.seconds / 60, history[-1]["step"] if history else 0
    if minutes is not None and trainer.step_count > told:
        minutes = max(minutes, ONE_STEP)
    left = {"steps": steps and steps - trainer.step_count, "minutes": minutes}
    return left if all(value is None or value > 0 for value in left.values()) else None
