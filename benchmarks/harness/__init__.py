"""What the benchmarks share: timing in interleaved rounds, tables and options.

`contenders` holds what is timed, `pytorch` the same in PyTorch, `faults` the runs and files that
`benchmarks.faults` damages, `gradcheck` the networks of `benchmarks.gradcheck_sweep`.
"""
