"""The command `byhand`: a module per command; `shared` has what several of them use."""
