"""What is timed: modules whose `make_step(name, *args)` returns a contender's step."""
