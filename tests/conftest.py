"""Backends for the tests, and what skips those that need a GPU."""

import functools
import importlib.util
import os
import shutil
import signal
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two test processes on two cores; read when NumPy is first imported
# Two processes that compile a kernel for other types at once may take the same file for both: Numba does not lock its cache.
worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "numba" / worker)

# A shell ignores SIGINT for what it runs in the background, nohup SIGHUP: the commands under test would inherit that.
for number, default in ((signal.SIGINT, signal.default_int_handler), (getattr(signal, "SIGHUP", None), signal.SIG_DFL)):
    if number and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, default)

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile("the same examples each time", derandomize=True)
hypothesis.settings.load_profile("the same examples each time")


@functools.cache
def why_no_gpu():
    """What is missing for device 'cuda', or None."""
    from nn.errors import DeviceError
    from nn.ops import get_ops

    try:
        get_ops("cuda")
    except DeviceError as problem:
        return str(problem)
    return None


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and why_no_gpu():
        pytest.skip(why_no_gpu())


@pytest.fixture(scope="session", autouse=True)
def warnings_are_errors_in_other_processes():
    """The commands that a test starts inherit it; in this process it is pytest's own filter, in setup.cfg."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "error")
        yield


@pytest.fixture(scope="session")
def emulated_cupy(request, tmp_path_factory):
    """CuPy's stand-in, with all kernels compiled."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++, which compiles the CUDA kernels for the CPU")
    from tests.support import emulated_cupy

    cache = getattr(request.config, "cache", None)  # pytest may run without one
    return emulated_cupy.load(cache.mkdir("emulated_cupy") if cache else tmp_path_factory.mktemp("emulated_cupy"))


@pytest.fixture(scope="session")
def emulated_cupy_ops(emulated_cupy):
    """The module nn.ops.cuda.ops, loaded apart from the real one, with the stand-in as its `cupy`."""
    import nn.ops

    spec = importlib.util.spec_from_file_location("emulated_cupy_ops", f"{nn.ops.__path__[0]}/cuda/ops.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", emulated_cupy)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["strict", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def backend(request):
    """Each backend of another device that must do what `NumpyOps` does."""
    return make_backend(request.param, request)


@pytest.fixture(params=["numba", "strict", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def any_backend(request):
    """Those, and the other one of the CPU."""
    return make_backend(request.param, request)


def make_backend(name, request):
    if name == "strict":
        from tests.support.strict import StrictOps

        return StrictOps()
    if name == "numba":
        return pytest.importorskip("nn.ops.numba.ops").NumbaOps()
    if name == "emulated":
        return request.getfixturevalue("emulated_cupy_ops").CudaOps()
    from nn.ops import get_ops

    return get_ops("cuda")
