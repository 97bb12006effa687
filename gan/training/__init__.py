"""Adversarial training of a generator and a discriminator."""
