"""The environment of a test process with two threads."""

# The threads wait asleep, since other tests need the cores.
TWO_THREADS = {
    "OPENBLAS_NUM_THREADS": "2",
    "MKL_NUM_THREADS": "2",
    "NUMBA_NUM_THREADS": "2",
    "OMP_WAIT_POLICY": "passive",
}
