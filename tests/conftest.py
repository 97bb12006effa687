"""Settings of the test processes, and the backends that tests run on."""

import functools
import gc
import importlib.util
import os
import shutil
import signal
import sys
from pathlib import Path

# NumPy reads it when it is first imported; two test processes share two cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The test processes, and those that they start, share the kernels that one of them has compiled.
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "numba")

# A shell makes its background jobs ignore SIGINT, and nohup makes them ignore SIGHUP. Commands
# under test would inherit that.
DEFAULTS = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
for name, default in DEFAULTS.items():
    number = getattr(signal, name, None)
    if number and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, default)

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile("the same examples each time", derandomize=True)
hypothesis.settings.load_profile("the same examples each time")


@functools.cache
def why_no_gpu():
    """Why device 'cuda' cannot be used, or None."""
    from nn.errors import DeviceError
    from nn.ops import get_ops

    try:
        get_ops("cuda")
    except DeviceError as problem:
        return str(problem)
    return None


def pytest_collection_modifyitems(items):
    if os.environ["OPENBLAS_NUM_THREADS"] == "1":
        items[:] = [item for item in items if not item.get_closest_marker("needs_threads")]


def pytest_collection_finish():
    """From now on, garbage collection skips what was imported. `save_curves` collects each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and why_no_gpu():
        pytest.skip(why_no_gpu())


@pytest.fixture(scope="session", autouse=True)
def warnings_are_errors_in_other_processes():
    """For the commands that tests start. In this process, setup.cfg sets pytest's own filter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "error")
        yield


@pytest.fixture(scope="session", autouse=True)
def files_may_be_lost_in_a_power_failure():
    """`os.fsync` waits for the disk, thousands of times. Tests that need it replace it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def emulated_cupy(request, tmp_path_factory):
    """The emulation of CuPy, with all kernels compiled."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++, which compiles the CUDA kernels for the CPU")
    from tests.support import emulated_cupy

    cache = getattr(request.config, "cache", None)  # pytest may run without one
    folder = cache.mkdir if cache else tmp_path_factory.mktemp
    return emulated_cupy.load(folder("emulated_cupy"))


@pytest.fixture(scope="session")
def emulated_cupy_ops(emulated_cupy):
    """The module nn.ops.cuda.ops, loaded apart from the real one, with the emulation as `cupy`."""
    import nn.ops

    path = f"{nn.ops.__path__[0]}/cuda/ops.py"
    spec = importlib.util.spec_from_file_location("emulated_cupy_ops", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", emulated_cupy)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["strict", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def backend(request):
    """Each backend of another device than the CPU."""
    return make_backend(request.param, request)


@pytest.fixture(params=["numba", "strict", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def any_backend(request):
    """Each backend but `NumpyOps`, the reference."""
    return make_backend(request.param, request)


def make_backend(name, request):
    """The backend of this name; skips the test where it cannot run."""
    if name == "strict":
        from tests.support.strict import StrictOps

        return StrictOps()
    if name == "numba":
        return pytest.importorskip("nn.ops.numba.ops").NumbaOps()
    if name == "emulated":
        return request.getfixturevalue("emulated_cupy_ops").CudaOps()
    from nn.ops import get_ops

    return get_ops("cuda")
