import io
import json
import pickle
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from nn.serialization.archive import MAX_HEADER_BYTES
from tests.support.strict import StrictOps
from tests.support.tools import normal


def a_network(dtype="float32", seed=0, name=None):
    """Nested networks of many layers, with running statistics that were updated."""
    net = nn.Sequential(
        nn.Flatten(),
        nn.Dense(4, 3, init=nn.HeNormal()),
        nn.Sequential(nn.BatchNorm(3, eps=0.01, momentum=0.3), nn.LeakyReLU(0.2), nn.Dropout(0.4)),
        nn.Dense(3, 4),
        nn.Sequential(nn.Tanh(), nn.Sequential(nn.ReLU(), nn.Sigmoid())),
        nn.Reshape((2, 2)),
        input_shape=(2, 2),
    ).build(seed=seed, dtype=dtype, name=name)
    net.forward(normal(5, 2, 2, seed=seed, dtype=dtype), net.cache(), train=True)
    return net


def everything(networks, info):
    """The contents of a file, in a form that compares exactly."""
    held = {}
    for name, net in networks.items():
        for buffer in (net.parameters.value, net.parameters.statistics):
            held |= {
                f"{name}/{key}": (view.dtype, view.shape, view.tobytes())
                for key, view in buffer.items()
            }
    return (
        {name: repr(net).replace(", init=HeNormal()", "") for name, net in networks.items()},
        held,
        info,
    )


@pytest.fixture
def path(tmp_path):
    """A weights file of one small network, Dense(2, 3) and BatchNorm(3)."""
    nn.save_weights(tmp_path / "w.npz", {"G": small_network()}, {"note": "x"})
    return tmp_path / "w.npz"


def small_network():
    return nn.Sequential(nn.Dense(2, 3), nn.BatchNorm(3)).build(seed=0)


def members(path):
    """The file's arrays by name, as bytes of .npy."""
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=allow_pickle)
    return file.getvalue()


def rewrite(path, changes, compression=zipfile.ZIP_STORED):
    """Rewrite the file with members (bytes of .npy) replaced or added, or removed where None."""
    held = {name: data for name, data in (members(path) | changes).items() if data is not None}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in held.items():
            archive.writestr(f"{name}.npy", data)


def header_of(path):
    return json.loads(np.load(io.BytesIO(members(path)["header"])).tobytes())


def rewrite_header(path, header):
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    rewrite(path, {"header": npy(np.frombuffer(data, np.uint8))})


def assert_refused(path, *words):
    with pytest.raises(nn.WeightsError) as error:
        nn.load_weights(path)
    assert str(error.value).startswith(f"{path}: ")
    for word in words:
        assert word in str(error.value)


# ---- round trips --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip_is_exact_and_needs_only_the_file(tmp_path, dtype):
    networks = {"G": a_network(dtype, 1), "D": a_network(dtype, 2)}
    info = {
        "latent": {"size": 100, "distribution": "normal"},
        "range": [-1, 1],
        "note": "ü",
        "nothing": None,
    }
    want = everything(networks, info)
    nn.save_weights(tmp_path / "w.npz", networks, info)
    assert everything(networks, info) == want  # saving does not change the networks
    loaded, loaded_info = nn.load_weights(tmp_path / "w.npz")
    assert everything(loaded, loaded_info) == want
    x = normal(3, 2, 2, dtype=dtype)
    for name, net in networks.items():
        assert loaded[name](x).tobytes() == net(x).tobytes()
        assert loaded[name][1].label == f"Dense '{name}.1'"


def test_layer_settings_survive(tmp_path):
    nn.save_weights(tmp_path / "w.npz", {"G": a_network()})
    net = nn.load_weights(tmp_path / "w.npz")[0]["G"]
    assert net.input_shape == (2, 2) and net[5].shape == (2, 2)
    assert (net[2][0].eps, net[2][0].momentum, net[2][1].slope, net[2][2].p) == (
        0.01,
        0.3,
        0.2,
        0.4,
    )


def test_a_loaded_network_can_be_trained(tmp_path):
    nn.save_weights(tmp_path / "w.npz", {"G": a_network()})
    net = nn.load_weights(tmp_path / "w.npz")[0]["G"]
    cache, before = net.cache(), net.parameters.value.flat.copy()
    net.backward(
        np.ones_like(net.forward(normal(5, 2, 2, dtype="float32"), cache, train=True)), cache
    )
    nn.Adam(net).step()
    assert (net.parameters.value.flat != before).any()


@pytest.mark.parametrize("saved, requested", [("float32", "float64"), ("float64", "float32")])
def test_loading_in_another_dtype(tmp_path, saved, requested):
    net = a_network(saved)
    nn.save_weights(tmp_path / "w.npz", {"G": net})
    loaded = nn.load_weights(tmp_path / "w.npz", dtype=requested)[0]["G"]
    assert loaded.dtype == requested and loaded[1].W.dtype == requested
    assert (loaded[1].W == net[1].W.astype(requested)).all()


def test_network_is_built_on_the_given_device_with_a_fixed_stream(tmp_path):
    nn.save_weights(tmp_path / "w.npz", {"G": a_network()})
    device = StrictOps()
    first, again = (nn.load_weights(tmp_path / "w.npz", device=device)[0]["G"] for _ in range(2))
    assert first.ops is device and first.stream.state == again.stream.state


def test_a_single_layer_and_a_slice_can_be_saved(tmp_path):
    net = small_network()
    nn.save_weights(tmp_path / "w.npz", {"layer": net[0], "slice": net[1:]})
    loaded, _ = nn.load_weights(tmp_path / "w.npz")
    assert isinstance(loaded["layer"], nn.Dense) and (loaded["layer"].W == net[0].W).all()
    assert (
        len(loaded["slice"]) == 1 and (loaded["slice"][0].running_var == net[1].running_var).all()
    )


def test_equal_weights_make_equal_files(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for path in (tmp_path / "a.npz", tmp_path / "elsewhere" / "b.npz"):
        nn.save_weights(path, {"G": a_network(seed=3)}, {"epoch": 7})
    nn.save_weights(tmp_path / "c.npz", {"G": a_network(seed=4)}, {"epoch": 7})
    bytes_ = [
        p.read_bytes()
        for p in (tmp_path / "a.npz", tmp_path / "elsewhere" / "b.npz", tmp_path / "c.npz")
    ]
    assert bytes_[0] == bytes_[1] != bytes_[2]
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:  # independent of the date
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_file_is_an_npz_that_numpy_reads_without_pickle(path):
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {
            "header",
            "G/0.W",
            "G/0.b",
            "G/1.W",
            "G/1.b",
            "G/1.running_mean",
            "G/1.running_var",
        }
        assert (arrays["G/0.W"] == small_network()[0].W).all()
    assert header_of(path)["format"] == 1 and header_of(path)["info"] == {"note": "x"}


def test_compressed_reordered_and_float16_arrays_are_read(path):
    W = small_network()[0].W
    rewrite(path, {"G/0.W": npy(np.asfortranarray(W))}, zipfile.ZIP_DEFLATED)
    assert (nn.load_weights(path)[0]["G"][0].W == W).all()
    rewrite(
        path,
        {
            name: npy(np.load(io.BytesIO(data)).astype("float16"))
            for name, data in members(path).items()
            if name[0] == "G"
        },
    )
    loaded = nn.load_weights(path)[0]["G"]
    assert loaded.dtype == "float32" and (loaded[0].W == W.astype("float16")).all()


# ---- what cannot be saved -----------------------------------------------------------------


class Scale(nn.Layer):
    """A user's own layer: y = factor w x."""

    def __init__(self, n, factor=1.0):
        super().__init__()
        self.n, self.factor = n, factor
        self.parameter_shapes = {"w": (n,)}

    def forward(self, x, cache, *, train=False):
        y = self.ops.multiply(x, self.w, out=cache.buffer_like("y", x))
        return self.ops.multiply(y, self.factor, out=y)


class Twice(nn.Layer):
    """A user's own layer that holds another: y = inner(inner(x))."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, cache, *, train=False):
        return self.inner(self.inner(x))


def impostor():
    """A layer of another class that is called Dense too."""
    return type("Dense", (nn.Dense,), {})


def test_a_users_own_layer_is_loaded_if_its_class_is_passed(path):
    net = nn.Sequential(nn.Dense(2, 3), Scale(3, factor=0.5)).build(seed=0)
    net[1].w[...] = normal(3)
    nn.save_weights(path, {"G": net})
    loaded = nn.load_weights(path, layers=[Scale])[0]["G"]
    assert type(loaded[1]) is Scale and loaded[1].factor == 0.5
    x = normal(4, 2, dtype="float32")
    assert loaded(x).tobytes() == net(x).tobytes()


def test_a_layer_inside_a_users_own_is_part_of_its_config():
    config = Twice(nn.Reshape((3, 1))).to_config()
    assert config == {"type": "Twice", "inner": {"type": "Reshape", "shape": (3, 1)}}
    again = nn.Layer.from_config(json.loads(json.dumps(config)), [Twice])
    assert type(again) is Twice and repr(again) == "Twice(Reshape((3, 1)))"


def test_a_users_own_layer_is_never_found_by_its_name_alone(path):
    nn.save_weights(path, {"G": nn.Sequential(Scale(3)).build(seed=0)})
    assert_refused(
        path,
        "expected layers of the package, got 'Scale'",
        "if it is a class of your own, load the file in Python with layers=[Scale]",
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: "Scale", "layers: expected classes of layers, got 'Scale'"),
        (lambda: Scale(3), r"layers: expected classes of layers, got Scale\(3\)"),
        (lambda: dict, "layers: expected classes of layers, got <class 'dict'>"),
        (impostor, "layers: expected other names than the package's, got Dense; rename your class"),
    ],
)
def test_layers_that_are_not_the_users_classes_are_refused(path, make, message):
    with pytest.raises(nn.WeightsError, match=message):
        nn.load_weights(path, layers=[make()])


def test_abstract_layers_cannot_be_named_by_a_file():
    for name in ("Layer", "Bound", "Convolution", "Pool2d", "Augmentation"):
        with pytest.raises(nn.WeightsError, match="expected layers of the package"):
            nn.Layer.from_config({"type": name})


def not_finite():
    net = small_network()
    net[0].W[0, 0] = np.inf
    return net


@pytest.mark.parametrize(
    "make, info, error, message",
    [
        (lambda: nn.Dense(2, 2), {}, nn.WeightsError, "'G' has no memory yet"),
        (lambda: impostor()(2, 2).build(), {}, nn.WeightsError, r"Dense\(2, 2\) cannot be saved"),
        (
            lambda: nn.Sequential(nn.ReLU(), impostor()(2, 2)).build(),
            {},
            nn.WeightsError,
            "in a file, Dense is the package's own class; rename yours",
        ),
        (
            small_network,
            {"a": {1, 2}},
            nn.WeightsError,
            "expected info that JSON can hold .got a set",
        ),
        (
            small_network,
            {"a": np.complex64(1)},
            nn.WeightsError,
            "expected info that JSON can hold .got a complex",
        ),
        (
            small_network,
            [1],  # could not be read again
            nn.WeightsError,
            "expected info by name, such as .*, got list",
        ),
        (
            small_network,
            np.float32(3),
            nn.WeightsError,
            "expected info by name, such as .*, got float32",
        ),
        (not_finite, {}, nn.WeightsError, "Dense 'net.0' W holds NaN or infinity"),
    ],
)
def test_network_that_cannot_be_saved_is_refused_before_writing(path, make, info, error, message):
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        nn.save_weights(path, {"G": make()}, info)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_info_may_hold_numpy_numbers(path):
    info = {
        "fid": np.float32(3.5),
        "seen": [np.int64(7), np.bool_(True)],
        "shares": np.array([0.25, 0.75]),
        "0-d": np.array(2),
    }
    nn.save_weights(path, {"G": small_network()}, info)
    assert nn.load_weights(path)[1] == {
        "fid": 3.5,
        "seen": [7, True],
        "shares": [0.25, 0.75],
        "0-d": 2,
    }


def test_networks_without_names_are_refused(path):
    before = path.read_bytes()
    with pytest.raises(
        nn.WeightsError, match='expected networks by name, such as {"net": net}, got Sequential'
    ):
        nn.save_weights(path, small_network())
    assert path.read_bytes() == before


def test_error_while_writing_keeps_the_old_file(path, monkeypatch):
    before, written = path.read_bytes(), []
    write = np.lib.format.write_array

    def failing(file, array, **how):
        written.append(array)
        if len(written) == 4:
            raise OSError("no space left")
        write(file, array, **how)

    monkeypatch.setattr(np.lib.format, "write_array", failing)
    with pytest.raises(OSError, match="no space left"):
        nn.save_weights(path, {"G": small_network()})
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


# ---- damage: always a WeightsError that names the file -------------------------------------


def test_missing_file_folder_and_empty_file(tmp_path):
    assert_refused(tmp_path / "none.npz", "no such file")
    assert_refused(tmp_path)
    (tmp_path / "empty.npz").write_bytes(b"")
    assert_refused(tmp_path / "empty.npz", "expected an .npz file")


def test_a_path_may_be_a_string(path):
    assert_refused(str(path) + "x", "no such file")
    assert nn.load_weights(str(path))[1] == {"note": "x"}


@pytest.mark.parametrize(
    "content",
    [b"not a zip" * 100, b"PK\x03\x04" + b"\0" * 200, npy(np.zeros(5)), b"\x1f\x8b" + b"\0" * 50],
)
def test_file_that_is_not_a_zip(path, content):
    path.write_bytes(content)
    assert_refused(path, "expected an .npz file")


class Trap:
    """A hostile pickle: it creates a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_are_never_loaded(path, tmp_path):
    sprung = tmp_path / "sprung"
    pickled = np.array([Trap(sprung)], dtype=object)
    whole = path.read_bytes()
    for name in ("G/0.W", "header"):
        path.write_bytes(whole)
        rewrite(path, {name: npy(pickled, allow_pickle=True)})
        assert_refused(path, name, "pickled")
    path.write_bytes(pickle.dumps(Trap(sprung)))
    assert_refused(path, "expected an .npz file")
    assert not sprung.exists()
    pickle.loads(path.read_bytes()).close()
    assert sprung.exists()  # the trap works


def test_a_later_format_version(path):
    rewrite_header(path, header_of(path) | {"format": 2})
    assert_refused(path, "format 2", "format 1", "update")


@pytest.mark.parametrize("name", ["G/0.W", "G/1.b", "G/1.running_mean", "header"])
def test_a_missing_array(path, name):
    rewrite(path, {name: None})
    assert_refused(path, repr(name))


@pytest.mark.parametrize("name", ["G/2.W", "G/0.c", "D/0.W", "W"])
def test_an_extra_array(path, name):
    rewrite(path, {name: npy(np.zeros(3, np.float32))})
    assert_refused(path, f"{name!r} was not expected")


@pytest.mark.parametrize("shape", [(3, 2), (6,), (2, 4), (2, 3, 1), ()])
def test_a_misshapen_array(path, shape):
    rewrite(path, {"G/0.W": npy(np.zeros(shape, np.float32))})
    assert_refused(path, "'G/0.W'", "(2, 3)", str(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["G/0.b", "G/1.running_var"])
def test_array_that_is_not_finite(path, name, value):
    rewrite(path, {name: npy(np.array([1, value, 2], np.float32))})
    assert_refused(path, repr(name), "not finite")


@pytest.mark.parametrize(
    "dtype", ["int32", "bool", "complex64", "U3", "longdouble", "datetime64[s]", [("a", "f4")]]
)
def test_array_of_unsupported_dtype(path, dtype):
    rewrite(path, {"G/0.b": npy(np.zeros(3, dtype))})
    assert_refused(path, "'G/0.b'", "float32")


def test_arrays_of_swapped_byte_order_are_read_correctly(path):
    b = small_network()[0].b
    for names in ["G/0.b"], [name for name in members(path) if name != "header"]:
        rewrite(
            path,
            {name: npy(np.load(io.BytesIO(members(path)[name])).astype(">f4")) for name in names},
        )
        net = nn.load_weights(path)[0]["G"]
        assert (net[0].b == b).all() and net.dtype == "float32"


def test_duplicate_member(path):
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("G/0.W.npy", npy(np.zeros((2, 3), np.float32)))
    assert_refused(path, "G/0.W.npy", "twice")


def test_member_that_is_not_an_array(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", b"hello")
    assert_refused(path, "readme.txt")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x03\x00" + b"\0" * 40,
        b"\x93NUMPY\x01\x00\x04\x00(()(",
    ],
)
def test_member_that_is_not_a_valid_npy(path, data):
    for name in ("G/0.W", "header"):
        whole = path.read_bytes()
        rewrite(path, {name: data})
        assert_refused(path)
        path.write_bytes(whole)


@pytest.mark.parametrize("change", [-1, 1, 400])
def test_an_array_with_too_few_or_too_many_bytes(path, change):
    data = members(path)["G/0.W"]
    rewrite(path, {"G/0.W": data[:change] if change < 0 else data + b"\0" * change})
    assert_refused(path, "'G/0.W'")


@pytest.mark.parametrize(
    "shape", ["(1000000, 1000000)", "(2, 3, 10000000000000)", "(-1, 3)", "(2.0, 3)", "2"]
)
def test_giant_or_invalid_array_shape_takes_no_memory(path, shape):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"
    data = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + b"\0" * 24
    rewrite(path, {"G/0.W": data})
    tracemalloc.start()
    assert_refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_giant_network_in_the_header_takes_no_memory(path):
    header, held = header_of(path), members(path)
    header["networks"]["G"] = {"type": "Dense", "n_in": 10**7, "n_out": 10**7}
    rewrite(
        path,
        dict.fromkeys(held)
        | {"G/W": held["G/0.W"], "G/b": held["G/0.b"]}
        | {"header": held["header"]},
    )
    rewrite_header(path, header)
    tracemalloc.start()
    assert_refused(path, "'G/W'", "(10000000, 10000000)", "(2, 3)")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_giant_header(path):
    rewrite_header(path, b" " * (MAX_HEADER_BYTES + 1))
    assert_refused(path, "header of at most")


@pytest.mark.parametrize(
    "header, words",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        (b"[" * 200_000, "header"),
        (b"[1, 2]", "no format number"),
        (b"null", "no format number"),
        (b"{}", "no format number"),
        (b'{"format": "1"}', "no format number"),
        (b'{"format": 1}', "does not describe networks"),
        (b'{"format": 1, "networks": [], "info": {}}', "does not describe networks"),
        (b'{"format": 1, "networks": {}, "info": 3}', "does not describe networks"),
    ],
)
def test_invalid_header(path, header, words):
    rewrite_header(path, header)
    assert_refused(path, words)


@pytest.mark.parametrize(
    "description",
    [
        None,
        5,
        "Dense",
        [],
        {},
        {"type": "Conv9"},
        {"type": ["Dense"]},
        {"type": "Layer"},
        {"type": "__import__"},
        {"type": "Dense"},
        {"type": "Dense", "n_in": 2},
        {"type": "Dense", "n_in": 0, "n_out": 3},
        {"type": "Dense", "n_in": "2", "n_out": 3},
        {"type": "Dense", "n_in": 2.0, "n_out": 3},
        {"type": "Dense", "n_in": 2, "n_out": 3, "colour": "red"},
        {"type": "Dense", "n_in": 2, "n_out": 3, "self": 1},
        {"type": "Dropout", "p": 2},
        {"type": "BatchNorm", "n": 3, "eps": float("nan")},
        {"type": "Reshape", "shape": [-1]},
        {"type": "Sequential"},
        {"type": "Sequential", "layers": []},
        {"type": "Sequential", "layers": 5},
        {
            "type": "Sequential",
            "layers": [
                {"type": "Dense", "n_in": 2, "n_out": 3},
                {"type": "Dense", "n_in": 4, "n_out": 3},
            ],
        },
    ],
)
def test_invalid_network_config(path, description):
    rewrite_header(path, header_of(path) | {"networks": {"G": description}})
    assert_refused(path)


def test_excessively_nested_layers(path):
    description = (
        b'{"type": "Sequential", "layers": [' * 20_000 + b'{"type": "ReLU"}' + b"]}" * 20_000
    )
    rewrite_header(path, b'{"format": 1, "info": {}, "networks": {"G": ' + description + b"}}")
    assert_refused(path)


@pytest.fixture(scope="module")
def a_whole_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("flips") / "w.npz"
    nn.save_weights(path, {"G": small_network()}, {"note": "x"})
    return path.read_bytes(), everything(*nn.load_weights(path)), path


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_detected_or_harmless(a_whole_file, data):
    whole, want, path = a_whole_file
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(whole) - 1))
        damaged[where : where + data.draw(st.integers(1, 4))] = data.draw(st.binary(max_size=4))
    assert_equal_or_refused(path, bytes(damaged), want)


def test_flipped_bit_is_detected_or_harmless(a_whole_file):
    whole, want, path = a_whole_file
    rng = np.random.default_rng(0)
    for where in rng.choice(len(whole), 400, replace=False):
        damaged = bytearray(whole)
        damaged[where] ^= 1 << int(rng.integers(8))
        assert_equal_or_refused(path, bytes(damaged), want)


def assert_equal_or_refused(path, content, want):
    path.write_bytes(content)
    try:
        got = nn.load_weights(path)
    except nn.WeightsError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert everything(*got) == want


@pytest.mark.parametrize(
    "arguments, error", [({"device": "abacus"}, nn.DeviceError), ({"dtype": "int8"}, nn.DtypeError)]
)
def test_invalid_device_or_dtype_does_not_blame_the_file(path, arguments, error):
    with pytest.raises(error) as raised:
        nn.load_weights(path, **arguments)
    assert str(path) not in str(raised.value)


def test_error_names_the_member_that_is_not_an_array(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", b"")
    with pytest.raises(nn.WeightsError, match=r"expected arrays \(.npy\), got 'notes.txt'"):
        nn.load_weights(path)
