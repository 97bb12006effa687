"""Training a generator and a discriminator against each other."""
