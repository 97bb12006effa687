"""Untrusted files: every reader of archives returns what was written, or the documented error.

An error is one line, and memory stays small. test_idx.py has the readers of data sets,
test_digit_images.py those of pictures; benchmarks/fuzz.py searches for hours.
"""

import copy
import io
import json
import math
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan import sampling
from gan.classifier import network as classifier
from gan.classifier.network import (
    CLASSES,
    IMAGE_RANGE,
    digit_classifier,
    load_classifier,
    probabilities,
    save_classifier,
)
from gan.evaluation import read_images
from gan.recipes import DIGITS, recipes_for
from gan.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gan.generator_file import MAX_PASS_SIZE, load_sampler
from gan.errors import DataError
from nn import (
    AvgPool2d,
    BatchNorm,
    ByhandError,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Sequential,
    Upsample,
    WeightsError,
    load_weights,
    save_weights,
)
from nn.serialization.archive import (
    MAX_HEADER_BYTES,
    MOST_LISTED,
    MOST_PACKED,
    NPY_BYTES,
    BoundedReads,
    open_zip,
)
from nn.serialization.pass_size import pass_size
from tests.support.small import assert_refused, command, digits, example, trainer  # noqa: F401

DRAWABLE = {
    "latent": {"size": 2, "distribution": "normal"},
    "classes": 0,
    "shares": [0.25, 0.75],
    "image_range": [-1, 1],
}


def save_generator(path):
    G = Sequential(Dense(4, 8), BatchNorm(8), LeakyReLU(0.25), Dense(8, 784)).build(seed=0)
    rounded(G)
    save_weights(path, {"G": G}, DRAWABLE)


def rounded(network):
    """Weights that float16 holds exactly."""
    for buffer in (network.parameters.value, network.parameters.statistics):
        buffer.flat[...] = np.ceil(8 * buffer.flat) / 8


def save_judge(path):
    network = Sequential(
        Conv2d(1, 2, 3, stride=9), Flatten(), Dense(18, 10), input_shape=(1, 28, 28)
    ).build(seed=0)
    rounded(network)
    save_classifier(path, network, {})


def save_run(path):
    t = trainer(seed=3)
    history = t.fit(steps=2)
    frames = {2: np.ones((64, 28, 28), np.uint8)}
    write_checkpoint(
        path, Checkpoint({"seed": 3}, None, *t.state_dict(), frames, None, history, 7.5)
    )


def save_little_run(path):
    arrays = {"G.value": np.arange(3, dtype="f4"), "order.0": np.arange(2)}
    write_checkpoint(
        path,
        Checkpoint(
            {"seed": 3},
            None,
            arrays,
            {"step": 1},
            {},
            None,
            [],
            None,
        ),
    )


def save_samples(path):
    np.savez(path, images=(digits(3) > 99).astype(np.float32))


def networks_of(path):
    networks, info = load_weights(path)
    held = {
        n: [*net.parameters.value.items(), *net.parameters.statistics.items()]
        for n, net in networks.items()
    }
    return {n: {key: view.tolist() for key, view in views} for n, views in held.items()}, info


def drawn(path):
    sampler = load_sampler(path)
    images = sampler.images(sampler.inputs(2, seed=0))
    assert images.shape == (2, 28, 28) and 0 <= images.min() <= images.max() <= 1
    return images


def named(path):
    shares = probabilities(load_classifier(path), digits(2).reshape(2, 1, 28, 28))
    assert shares.shape == (2, 10) and np.isfinite(shares).all()
    return shares


def run_of(path):
    held = asdict(read_checkpoint(path))
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in held.items()
        if name not in ("arrays", "frames")
    } | {
        part: {name: array.tolist() for name, array in held[part].items()}
        for part in ("arrays", "frames")
    }


def gone_on(path):
    checkpoint, t = read_checkpoint(path), trainer(seed=3)
    t.load_state_dict((checkpoint.arrays, checkpoint.rest))
    return [
        {n: x for n, x in r.items() if n not in ("seconds", "images_per_second")}
        for r in t.fit(steps=1)
    ]


@dataclass
class Reader:
    save: Callable
    read: Callable
    error: type


READERS = {
    "weights": Reader(save_generator, networks_of, WeightsError),
    "predict": Reader(save_generator, drawn, ByhandError),
    "classify": Reader(save_judge, named, ByhandError),
    "checkpoint": Reader(save_run, run_of, WeightsError),
    "resume": Reader(save_run, gone_on, ByhandError),
    "samples": Reader(save_samples, read_images, DataError),
}


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


@pytest.fixture
def whole(reader, tmp_path):
    """(path of a sound file, its members)."""
    path = tmp_path / "file.npz"
    reader.save(path)
    return path, members(path)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, held, compression=zipfile.ZIP_STORED):
    """held: name -> bytes; a list of pairs may have a name twice."""
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in held.items() if isinstance(held, dict) else held:
            archive.writestr(name, data)


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def refused_or(want, reader, path):
    """Whether the file is refused as documented; otherwise it must hold what was written."""
    tracemalloc.start()
    try:
        got = reader.read(path)
        assert np.allclose(got, want, atol=1e-5) if isinstance(got, np.ndarray) else got == want
        return False
    except reader.error as problem:
        text = str(problem)
        assert (
            text.isprintable()
            and "Traceback" not in text
            and (str(path) in text or reader.error is ByhandError)
        ), text
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000  # a tenth of what is promised, for files of some kilobytes


# ---- archives


def a_bomb(held):
    """40 MB of zeros in 40 KB."""
    name = largest(held)
    assert 40_000_000 > MOST_PACKED
    return held | {name: npy(np.zeros(40_000_000, np.uint8))}


def largest(held):
    return max(held, key=lambda name: len(held[name]))


def nested(held):
    inner = io.BytesIO()
    write(inner, held)
    return held | {largest(held): inner.getvalue()}


def nested_beside(held):
    inner = io.BytesIO()
    write(inner, held)
    return held | {"inner.npz": inner.getvalue()}


def twice(held):
    return [*held.items(), (largest(held), held[largest(held)])]


def empty(held):
    return {}


def names_of_control_characters(held):
    return {f"\n\x1b[2J{k}.npy": data for k, data in enumerate(held.values())} | {"a\nb.npy": b""}


@pytest.mark.parametrize("change", [a_bomb, nested, twice, empty, names_of_control_characters])
def test_an_archive_of_something_else_is_refused(reader, whole, change):
    path, held = whole
    write(path, change(held), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    assert refused_or("nothing", reader, path)


@pytest.mark.parametrize("place", ["beside", "instead"])
def test_a_path_as_a_name_writes_nothing(reader, whole, place, monkeypatch):
    path, held = whole
    want, data = reader.read(path), held[largest(held)]
    monkeypatch.setattr(zipfile.ZipFile, "extract", None)
    monkeypatch.setattr(zipfile.ZipFile, "extractall", None)
    if place == "instead":
        held = {each: data for each, data in held.items() if each != largest(held)}
    for name in (
        "../../evil.npy",
        "/tmp/evil.npy",
        "C:\\evil.npy",
        "..\\evil.npy",
        "evil/",
        "evil.txt",
        "e\0.npy",
        "é.npy",
    ):
        write(path, held | {name: data})
        refused = refused_or(want, reader, path)
        assert (
            refused or reader is READERS["samples"]
        )  # whose other arrays, and whose one array's name, do not matter
        assert [p.name for p in path.parent.iterdir()] == ["file.npz"]


def test_an_archive_beside_the_arrays_is_not_opened(reader, whole):
    path, held = whole
    want = reader.read(path)
    write(path, nested_beside(held))
    assert refused_or(want, reader, path) or reader is READERS["samples"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_odd_packing_is_refused(reader, whole, method):
    path, held = whole
    write(path, held, method)
    assert refused_or("nothing", reader, path)


def test_one_member_of_odd_packing_is_enough(reader, whole):
    path, held = whole
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(
                name, data, zipfile.ZIP_BZIP2 if name == largest(held) else zipfile.ZIP_STORED
            )
    assert refused_or("nothing", reader, path)


def test_packing_as_numpy_does_it_and_another_order_are_read(reader, whole):
    path, held = whole
    want = reader.read(path)
    write(path, dict(reversed(held.items())), zipfile.ZIP_DEFLATED)
    assert not refused_or(want, reader, path)


@pytest.mark.parametrize("n_bytes", [2**42, 2**31, 1, 0])
def test_a_size_that_is_not_the_members(reader, whole, n_bytes):
    """In the list of members, which says what to expect: terabytes, or less than there is."""
    path, held = whole
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            archive.writestr(name, data)
        archive.getinfo(largest(held)).file_size = n_bytes
    assert refused_or("nothing", reader, path)


def test_an_encrypted_member(reader, whole):
    path, held = whole
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)
        for member in archive.filelist:
            member.flag_bits |= 1
    assert refused_or("nothing", reader, path)


def test_a_list_of_members_without_end(reader, whole):
    path, held = whole
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(MOST_LISTED // 65_000 + 1):
            member = zipfile.ZipInfo(f"{k}.npy")
            member.comment = b" " * 65_000
            archive.writestr(member, b"")
    assert refused_or("nothing", reader, path)
    with pytest.raises(zipfile.BadZipFile, match="list of members of at most"), open_zip(path):
        pass


def test_a_file_without_end_is_not_read_to_it(tmp_path):
    """Such as /dev/zero, whose end lies at its beginning."""
    (tmp_path / "file").write_bytes(bytes(MOST_LISTED + 1))
    with BoundedReads(tmp_path / "file") as file:
        assert len(file.read()) == MOST_LISTED
        file.limit = None
        file.seek(0)
        assert len(file.read()) == MOST_LISTED + 1


@pytest.mark.parametrize(
    "save, reader",
    [
        (
            lambda path: save_weights(path, {"G": Sequential(Dense(2, 3)).build(seed=0)}),
            READERS["weights"],
        ),
        (save_little_run, READERS["checkpoint"]),
        (
            lambda path: np.savez_compressed(path, images=np.ones((2, 784), np.float32)),
            READERS["samples"],
        ),
        (lambda path: path.write_bytes(npy(np.full((1, 784), 9, np.uint8))), READERS["samples"]),
    ],
    ids=["weights", "checkpoint", "samples .npz", "samples .npy"],
)
def test_truncated_at_every_byte(tmp_path, save, reader):
    path = tmp_path / "file.npz"
    save(path)
    content = path.read_bytes()
    reader.read(path)
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(reader.error) as error:
            reader.read(path)
        assert str(path) in str(error.value)


# ---- arrays


DTYPES = [
    ">f4",
    ">f8",
    ">u1",
    ">i8",
    "f2",
    "f8",
    "longdouble",
    "c8",
    "bool",
    "i1",
    "u8",
    "U3",
    "S3",
    "V4",
    "M8[s]",
    "O",
    [("a", "f4")],
    [("a", "O")],
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["weights", "classify", "resume", "samples"])
def test_arrays_of_another_dtype_or_byte_order_are_read_right_or_refused(tmp_path, name, dtype):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    want, held = reader.read(path), members(path)
    for name in [name for name in held if "adam" not in name and "D." not in name]:
        array = np.load(io.BytesIO(held[name]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            changed = (
                array.astype(dtype)
                if np.dtype(dtype).kind not in "MV"
                else np.zeros(array.shape, dtype)
            )
        write(path, held | {name: npy(changed)})
        refused_or(want, reader, path)
        if np.dtype(dtype).hasobject or np.dtype(dtype).kind in "cUSVM":
            assert refused_or("nothing", reader, path), name


def test_fortran_order_is_read_right(reader, whole):
    path, held = whole
    want = reader.read(path)
    write(
        path,
        {name: npy(np.asfortranarray(np.load(io.BytesIO(data)))) for name, data in held.items()},
    )
    assert any(b"'fortran_order': True" in data for data in members(path).values())
    assert not refused_or(want, reader, path)


@pytest.mark.parametrize(
    "shape",
    ["(1000000000,)", "(1000000, 1000000)", "(0,)", "(-1,)", "()", "(0, 10000000000000)", "[3]"],
)
@pytest.mark.parametrize("name", ["weights", "resume", "samples"])
def test_arrays_of_another_shape_are_refused(tmp_path, name, shape):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    held = members(path)
    for name in [
        name for name, data in held.items() if "adam" not in name and np.load(io.BytesIO(data)).size
    ]:
        head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
        write(path, held | {name: b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head})
        assert refused_or("nothing", reader, path), name


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["weights", "classify", "resume", "samples"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, name, value):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    held = members(path)
    for name, data in held.items():
        array = np.load(io.BytesIO(data))
        if array.dtype.kind == "f" and array.size:
            array.flat[array.size // 2] = value
            write(path, held | {name: npy(array)})
            assert refused_or("nothing", reader, path), name


def test_weights_that_no_image_can_be_made_of_are_said_to_be_so(tmp_path):
    """Finite, but for what comes of them; without a warning."""
    path = tmp_path / "file.npz"
    for save, read, name, value in (
        (save_generator, drawn, "G/1.running_var.npy", -1),
        (save_judge, named, "classifier/2.W.npy", 3e38),
    ):
        save(path)
        held = members(path)
        write(path, held | {name: npy(np.full_like(np.load(io.BytesIO(held[name])), value))})
        with pytest.raises(ByhandError, match="expected finite"):
            read(path)


# ---- headers

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    784,
    10**5,
    10**9,
    2**63,
    10**30,
    10**400,
    0.5,
    -0.5,
    1e-300,
    1e300,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "G",
    "normal",
    "Dense",
    "\n\x1b[2J\x00",
    "\ud800",
    "../../x",
    [],
    [0],
    [[]],
    [10**9, 10**9],
    [1, 28, 28],
    {},
    {"a": {}},
    {"type": "ReLU"},
    {"type": "Upsample", "factor": 10**6},
    {"type": "Reshape", "shape": [1, 28, 28]},
    {"type": "Flatten"},
    {"type": "Conv2d", "c_in": 1, "c_out": 1, "kernel": 1, "stride": 10**9, "padding": 10**9},
    {"type": "AvgPool2d", "kernel": 10**6},
    {"type": "Sequential", "layers": [{"type": "Flatten"}] * 50},
    {"type": "SpectralNorm", "layer": {"type": "Dense", "n_in": 4, "n_out": 8}},
]


def places(tree, path=()):
    """Every place in a JSON value: tuples of keys."""
    yield path
    for key, value in (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    ):
        yield from places(value, (*path, key))


def changed(header, draw):
    """The header with one to three of its places changed, left out or added to."""
    tree = [copy.deepcopy(header)]
    for _ in range(draw(st.integers(1, 3))):
        *way, key = draw(st.sampled_from([(0, *path) for path in places(tree[0])]))
        node = tree
        for step in way:
            node = node[step]
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        what = draw(st.sampled_from(["instead", "instead", "beside", "without"]))
        if what == "instead":
            node[key] = value
        elif isinstance(node, list) and node is not tree:
            node.insert(key, value) if what == "beside" else node.pop(key)
        elif isinstance(node, dict):
            node.update(
                {draw(st.sampled_from(["more", "a\nb", ""])): value}
            ) if what == "beside" else node.pop(key)
    return tree[0]


def with_header(held, header):
    return held | {"header.npy": npy(np.frombuffer(json.dumps(header).encode(), np.uint8))}


def header_of(held):
    return json.loads(np.load(io.BytesIO(held["header.npy"])).tobytes())


@pytest.mark.parametrize("name", ["weights", "predict", "classify", "checkpoint", "resume"])
def test_any_header_is_read_or_refused(tmp_path, name):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    held = members(path)

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def try_it(data):
        write(path, with_header(held, changed(header_of(held), data.draw)))
        try:
            reader.read(path)
        except reader.error as problem:
            assert str(problem).isprintable()

    try_it()


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Upsample(10**4), AvgPool2d(28 * 10**4)],
        lambda: [Conv2d(1, 1, 1, stride=10**6, padding=10**7)],
        lambda: [AvgPool2d(14), ConvTranspose2d(1, 1, 1, stride=10**6, padding=5 * 10**5)],
        lambda: [ConvTranspose2d(1, 1, 1, stride=900, padding=12_150)],
        lambda: [AvgPool2d(10**5, padding=5 * 10**4)],
        lambda: [ReLU() for _ in range(2000)],
    ],
    ids=[
        "Upsample",
        "Conv2d",
        "stride of ConvTranspose2d",
        "frame of ConvTranspose2d",
        "AvgPool2d",
        "many layers",
    ],
)
@pytest.mark.parametrize(
    "name, load, n_out, info",
    [
        (
            "G",
            load_sampler,
            784,
            DRAWABLE | {"latent": {"size": 784, "distribution": "normal"}, "shares": None},
        ),
        ("classifier", load_classifier, 10, {"classes": CLASSES, "image_range": IMAGE_RANGE}),
    ],
    ids=["predict", "classify"],
)
def test_a_network_that_would_take_all_memory_or_time_is_refused_before_it_runs(
    tmp_path, make, name, load, n_out, info
):
    """It has a handful of weights, and shapes that fit."""
    path, layers = tmp_path / "file.npz", make()
    n_in = math.prod(Sequential(*layers).output_shape((1, 28, 28)))
    network = Sequential(Reshape((1, 28, 28)), *layers, Flatten(), Dense(n_in, n_out)).build(seed=0)
    save_weights(path, {name: network}, info)
    load_weights(path)
    with pytest.raises(WeightsError, match=str(path)):
        load(path)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"latent": {"size": 19_600, "distribution": "normal"}}, "at most 10,000 numbers"),
        ({"image_range": [0, 10**400]}, "too large"),
        ({"image_range": [-1e308, 1e308]}, "finite numbers"),
        ({"image_range": [0, math.nan]}, "finite numbers"),
        ({"image_range": [1, 1]}, "rising"),
        ({"classes": 10**9}, "number of classes up to"),
        ({"shares": [1.5, -0.5]}, "sum to 1"),
        ({"shares": []}, "empty"),
        ({"shares": [math.nan]}, "sum to 1"),
    ],
)
def test_what_says_how_to_draw_has_bounds(tmp_path, change, told):
    path = tmp_path / "file.npz"
    info = {"latent": {"size": 784, "distribution": "normal"}, "classes": 0, "image_range": [-1, 1]}
    for size, side, last in (784, 28, 1), (19_600, 140, 5):
        G = Sequential(Reshape((1, side, side)), AvgPool2d(last), Flatten()).build(seed=0)
        save_weights(path, {"G": G}, info)
        if size == 784:
            assert load_sampler(path)
        if change.get("latent", info["latent"])["size"] == size:
            save_weights(path, {"G": G}, info | change)
            with pytest.raises(WeightsError, match=f"{path}: it does not say how to sample.*{told}"):
                load_sampler(path)


def test_a_large_generator_draws_fewer_images_at_once(tmp_path, monkeypatch):
    path, sizes, make = tmp_path / "file.npz", [], sampling.make_images
    save_generator(path)
    want = drawn(path)
    monkeypatch.setattr(
        sampling, "NUMBERS_AT_ONCE", 2 * pass_size(load_sampler(path).generator, (4,)) - 1
    )
    monkeypatch.setattr(
        sampling,
        "make_images",
        lambda G, inputs, how: sizes.append(len(inputs)) or make(G, inputs, how),
    )
    assert np.allclose(drawn(path), want, atol=1e-6) and sizes == [1, 1]


def test_what_predict_and_classify_ask_for_is_within_their_bounds():
    """For every recipe, and the classifier that measures."""
    for recipe in recipes_for(DIGITS).values():
        assert (
            2 * pass_size(recipe.generator(), (recipe.latent.size + recipe.num_classes,))
            < MAX_PASS_SIZE
        ), recipe.name
    assert 2 * pass_size(digit_classifier(), (1, 28, 28)) < classifier.MOST_NUMBERS


def test_a_header_that_is_too_long_is_not_written(tmp_path):
    G, path = Sequential(Dense(2, 3)).build(seed=0), tmp_path / "file.npz"
    with pytest.raises(WeightsError, match="header of at most 100,000 bytes"):
        save_weights(path, {"G": G}, {"note": "x" * MAX_HEADER_BYTES})
    assert not path.exists()
    text = len(json.dumps({"format": 1, "networks": {"G": G.to_config()}, "info": {"note": ""}}))
    longest = MAX_HEADER_BYTES - NPY_BYTES - text
    save_weights(path, {"G": G}, {"note": "x" * longest})
    assert load_weights(path)
    with pytest.raises(WeightsError, match="give less info"):
        save_weights(path, {"G": G}, {"note": "x" * (longest + 1)})


# ---- commands


@pytest.mark.parametrize("change", [a_bomb, nested, twice, names_of_control_characters, None])
@pytest.mark.parametrize(
    "name, words",
    [
        ("predict", ["--weights"]),
        ("classify", ["a.png", "--weights"]),
        ("evaluate", ["--samples"]),
        ("evaluate", ["--weights"]),
        ("train_mnist_gan", ["--resume"]),
    ],
    ids=" ".join,
)
def test_commands_say_it_in_one_line(command, tmp_path, name, words, change):  # noqa: F811
    folder = tmp_path / "stranger"
    folder.mkdir()
    path = folder / "checkpoint.npz"
    {
        "predict": save_generator,
        "classify": save_judge,
        "evaluate": save_samples,
        "train_mnist_gan": save_run,
    }[name](path)
    if change:
        write(path, change(members(path)), zipfile.ZIP_DEFLATED)
    else:
        path.write_bytes(path.read_bytes()[:-30])
    assert_refused(
        command(example(name), *words, folder if name == "train_mnist_gan" else path), path
    )
    assert [p.name for p in folder.iterdir()] == ["checkpoint.npz"] and list(
        tmp_path.iterdir()
    ) == [folder]
