"""The command `byhand`: one module per subcommand, and what they share."""
