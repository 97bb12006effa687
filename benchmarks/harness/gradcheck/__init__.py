"""Random networks, right ones and ones with a mistake, to test gradcheck on."""
