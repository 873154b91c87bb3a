"""The film: materials, electro-optics and foundry profiles; every number carries its source."""
