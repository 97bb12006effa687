"""Programs that tests start with mpiexec: what each rank does."""
