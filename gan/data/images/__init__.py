"""Images of the user's own: folders, archives and arrays, and CIFAR-10."""
