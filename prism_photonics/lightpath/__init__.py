"""What light meets, in travel order: source, modulator, coupler, splitter, waveguide, ring, detector.

Each device has ``design.py`` (geometry), ``model.py`` (optics, JAX) and, where it is drawn, ``cell.py`` (gdsfactory).
"""
