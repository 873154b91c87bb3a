"""Computes the mode tables: finite elements on the rib's cross-section. Needs the optional extra ``modes``.

Nothing in the toolkit imports this folder; `prism_photonics.process.modes` reads the tables that it wrote.
"""
