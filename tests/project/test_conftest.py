"""What setup.cfg and conftest.py promise about the tests themselves."""

import subprocess
import sys
import warnings

import pytest


@pytest.mark.parametrize("kind", [UserWarning, PendingDeprecationWarning, ResourceWarning])
def test_every_warning_is_an_error(kind):
    with pytest.raises(kind):
        warnings.warn("soon", kind, stacklevel=1)
    code = f"import warnings; warnings.warn('soon', {kind.__name__})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.endswith(f"{kind.__name__}: soon\n")
