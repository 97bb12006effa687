"""`byhand train --config` and `--print-config`."""

import os
import tomllib
from pathlib import Path

import pytest

from gan.runs.settings import settings
from tests.support.small import assert_refused, command, digits, example  # noqa: F401

train = example("train_mnist_gan")
UNKNOWN = "expected settings of byhand train, got "


@pytest.fixture
def parse(monkeypatch, tmp_path):
    """The settings of a run, from words of the command line."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr("sys.argv", ["byhand train", *map(str, words)])
        return settings(vars(train.arguments()), None)

    return call


@pytest.fixture
def run(command):  # noqa: F811
    return lambda *words: command(train, *words)


RUNS = [
    [],
    ["--recipe", "dcgan", "--steps", 9, "--seed", 3, "--device", "numpy", "--quiet", "--tf32"],
    ["--data", 'my "photos"', "--size", 32, "--channels", 3, "--labels", "folders"],
    ["--schedule", "step", "--schedule-steps", 5, "--schedule-factor", 0.5, "--warmup", 2],
    ["--learning-rate", 1e-5, "--g-learning-rate", 3, "--clip-norm", 0.5, "--weight-decay", 0],
    ["--minutes", 0.5, "--patience", 3, "--validation", 100, "--tensorboard", "--out", "here"],
]


@pytest.mark.parametrize("words", RUNS, ids=str)
def test_what_is_printed_reads_back_to_the_same_settings(parse, run, words):
    status, out, err = run(*words, "--print-config")
    assert (status, err) == (0, "")
    Path("run.toml").write_text(out)
    content = tomllib.loads(out)
    assert parse("--config", "run.toml") == parse(*words)
    assert parse("--config", "run.toml", "--seed", 8) == parse(*words, "--seed", 8)
    assert len(content) == len([word for word in words if str(word).startswith("--")])


def test_every_setting_is_printed_with_its_help_and_its_default(run):
    out = run("--recipe", "mlp-leaky", "--print-config")[1]
    pairs = [part.splitlines() for part in out.split("\n\n")[1:]]
    shown = {line.removeprefix("# ").split(" = ")[0]: line for _, line in pairs}
    assert shown["recipe"] == 'recipe = "mlp-leaky"'
    assert shown["dataset"] == '# dataset = "mnist"' and shown["epochs"] == "# epochs = 50"
    assert shown["learning_rate"] == "# learning_rate = 0.002"
    assert shown["clip_norm"] == "# clip_norm = ..." and shown["seed"] == "# seed = 0"
    assert shown["quiet"] == "# quiet = false" and shown["tf32"] == "# tf32 = false"
    assert all(text.startswith("# ") and len(text) > 12 for text, _ in pairs)
    defaults = {name for name, line in shown.items() if not line.endswith("...")}
    commented = "\n".join(
        line.removeprefix("# ") for name, line in shown.items() if name in defaults
    )
    assert tomllib.loads(commented)["weight_decay"] == 0


def test_options_beside_the_file_win(parse, tmp_path):
    (tmp_path / "run.toml").write_text(
        'recipe = "dcgan"\nepochs = 3\nseed = 4\nschedule = "step"\nschedule_steps = 7\n'
        'data = "photos"\nsize = 32\ntf32 = true\n'
    )
    config = parse("--config", "run.toml", "--seed", 5, "--recipe", "mlp-leaky")
    assert (config["seed"], config["recipe"], config["epochs"]) == (5, "mlp-leaky", 3)
    assert config["tf32"] and config["source"]["size"] == 32
    config = parse("--config", "run.toml", "--steps", 2, "--schedule", "cosine")
    assert (config["epochs"], config["steps"]) == (None, 2)
    assert (config["schedule"], config["schedule_steps"]) == ("cosine", None)
    assert parse("--config", "run.toml", "--dataset", "kmnist")["dataset"] == "kmnist"
    assert parse("--config", "run.toml", "--data", "others")["source"]["name"] == "others"


def test_a_run_from_a_file(run, tmp_path, monkeypatch):
    images = digits(64).reshape(-1, 1, 28, 28)
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load", lambda *args, **kwargs: (images, None)
    )
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())
    text = 'recipe = "mlp-leaky"\ndataset = "mnist-sample"\nsteps = 1\nquiet = true\nout = "here"\n'
    (tmp_path / "run.toml").write_text(text)
    assert run("--config", "run.toml") == (0, "", "")
    assert '"recipe": "mlp-leaky"' in (tmp_path / "here" / "config.json").read_text()


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "learning_rat = 1",
            f"{UNKNOWN}'learning_rat'; did you mean learning_rate?",
        ),
        ("learning-rate = 1", f"{UNKNOWN}'learning-rate'; did you mean learning_rate?"),
        ("xyz = 1", f"{UNKNOWN}'xyz'; byhand train --print-config lists them"),
        ("[train]\nsteps = 1", f"{UNKNOWN}'train'"),
        ("resume = 'here'", f"{UNKNOWN}'resume'"),
        ("steps = '9'", "steps: expected a whole number, got '9'; write it as"),
        ("steps = 1.5", "steps: expected a whole number, got 1.5; "),
        ("steps = true", "steps: expected a whole number, got True; "),
        ("steps = 0", "steps: expected a whole number of at least 1, got 0; write another"),
        ("clip_norm = inf", "clip_norm: expected a finite number above 0, got inf; "),
        ("clip_norm = [1]", "clip_norm: expected a number, got [1]; "),
        ("tf32 = 1", "tf32: expected true or false, got 1; "),
        ("recipe = 3", 'recipe: expected a text in quotes, such as "name", got 3; '),
        ("out = 2020-01-01", "out: expected a text in quotes"),
        (
            "schedule = 'cosin'",
            "schedule: expected one of constant, linear, cosine, step, inverse-sqrt, got ",
        ),
        ("channels = 2", "channels: expected 1 or 3, got 2; write one of them"),
        ("data = 'a'\ndataset = 'mnist'", "expected one of data and dataset, got both; "),
        (
            "steps = ...",
            "expected TOML, got something else (Invalid value (at line 1, column 9)); ",
        ),
        ("a = " + 5000 * "[", "expected TOML, got something else"),
        ("#" * 1_000_001, "expected TOML, got something else (more than 1,000,000 bytes); "),
        ('out = "a\\u0000b"', "out: expected a text without zero characters, got 'a\\x00b'; "),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_wrong_in_a_file_is_named(run, tmp_path, text, message):
    (tmp_path / "run.toml").write_text(text)
    assert_refused(run("--config", "run.toml"), f"run.toml: {message}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_that_windows_wrote(parse, tmp_path, encoding):
    text = "recipe = 'dcgan'\r\nout = 'Bücher'\r\nsteps = 9\r\n"
    (tmp_path / "run.toml").write_bytes(text.encode(encoding))
    config = parse("--config", "run.toml")
    assert (config["recipe"], config["steps"]) == ("dcgan", 9)


def test_a_name_that_toml_cannot_hold_is_refused(run):
    message = "--data: expected a text in UTF-8, as a .toml has it, got 'a\\udcff'; rename the file"
    assert_refused(run("--data", "a\udcff", "--print-config"), message)


def test_a_file_that_cannot_be_read_is_named(run, tmp_path):
    assert_refused(run("--config", "no.toml"), "no.toml: expected a .toml", "No such file")
    assert_refused(run("--config", "."), ".: expected a .toml", "directory", "--print-config")
    (tmp_path / "run.toml").write_bytes(b"a = '\xff'")
    assert_refused(run("--config", "run.toml"), "run.toml: expected TOML, got something else")
    assert_refused(run("--print-config", "--resume", "x"), "--print-config: expected the options")
    assert os.listdir() == ["run.toml"]
